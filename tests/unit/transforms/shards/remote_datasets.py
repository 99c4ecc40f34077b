"""A tiny published dataset for tests of reading it from elsewhere."""

from pathlib import Path

from transforms.manifest import directory_version, write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.writer import write_shards
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

SHAPE = CohortShape(
    participants={"positive": 3, "neutral": 3, "negative": 4},
    sequences={"positive": 6, "neutral": 4, "negative": 13},
    frames_mean=34.0,
    frames_sd=4.0,
)


def publish(folder: Path, *, sequences_per_shard: int = 2, seed: int = 3) -> tuple[Path, str]:
    """Write a dataset of 23 sequences, and return its directory and version."""
    batch, directory = folder / "batch", folder / "dataset"
    write_silhouette_batch(SHAPE, seed, batch, worker_count=1, progress=NoProgress())
    directory.mkdir()
    facts = write_shards(
        [batch / "intake"],
        [batch / "extraction"],
        ShardSettings(sequences_per_shard=sequences_per_shard),
        directory,
        progress=NoProgress(),
    )
    write_manifest(directory, kind="silhouette_shards", facts=facts)
    return directory, directory_version(directory)
