"""One module per stage of the lineage: thin glue from pure functions to names on disk."""
