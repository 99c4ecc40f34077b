"""Find every way in which a dataset's files, rows, pixels and tables fail to agree."""

from enum import StrEnum
from pathlib import Path

import polars as pl

from transforms.errors import IntegrityError
from transforms.manifest import Problem
from transforms.progress import NoProgress, Progress
from transforms.schemas import SEQUENCE_INDEX
from transforms.shards.content import compare_content
from transforms.shards.integrity import check_files, name_sequences, shard_pairs
from transforms.shards.parquet import read_table


class Level(StrEnum):
    """How much of a dataset is compared."""

    NAMES = "names"  # and sizes
    HASHES = "hashes"  # every byte
    CONTENT = "content"  # hashes, then what the bytes mean: rows, pixels, tables


def verify_dataset(
    directory: Path, level: Level = Level.CONTENT, *, progress: Progress | None = None
) -> list[Problem]:
    """Return every problem of a dataset; an empty list means that it is sound.

    Damage after publication shows at level `HASHES`, every bit of it. `CONTENT` also finds what a
    writer did wrong: both containers, the index and the tables are compared with each other.

    Args:
        directory: a dataset as `write_shards` lays it out, with its manifest.
        level: how much to compare.
        progress: advanced once per file that is hashed, then per shard that is decoded.
    """
    progress = progress or NoProgress()
    problems = check_files(directory, deep=level is not Level.NAMES, progress=progress)
    if any(problem.kind == "manifest" for problem in problems):
        return problems
    problems = name_sequences(problems, sequences_by_shard(directory))
    damaged = {problem.path for problem in problems}
    if level is not Level.CONTENT or "index.parquet" in damaged:
        return problems  # without an index nothing says what the shards should hold
    return [*problems, *compare_content(directory, damaged, progress)]


def sequences_by_shard(directory: Path) -> dict[str, tuple[str, ...]]:
    """Return the sequence ids of every shard file of both containers, as far as the index tells.

    Nothing is returned if the index itself is damaged.
    """
    try:
        index = read_table(directory / "index.parquet", SEQUENCE_INDEX, ["sequence_id", "shard"])
    except IntegrityError:
        return {}
    groups = pl.DataFrame(index).group_by("shard", maintain_order=True).agg("sequence_id")
    found = {shard: tuple(ids) for shard, ids in groups.iter_rows()}
    tars = {tar: found[shard] for shard, tar in shard_pairs(directory).items() if shard in found}
    return found | tars
