"""Silhouettes at rest: codecs, Parquet and tar shards, the sequence index, reading back."""
