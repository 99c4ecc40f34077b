"""Read a split back, for the one dataset version it was made for."""

from pathlib import Path

import polars as pl

from transforms.errors import InputError, IntegrityError
from transforms.schemas import SPLIT
from transforms.shards.parquet import read_table


def load_split(path: Path, dataset_version: str) -> pl.DataFrame:
    """Read `split.parquet` (schema `SPLIT`) for use with a dataset of `dataset_version`.

    Raises:
        IntegrityError: the file is missing, damaged, empty or belongs to another dataset version.
    """
    split = pl.DataFrame(read_table(path, SPLIT))
    versions = sorted(split["dataset_version"].unique().to_list())
    if versions != [dataset_version]:
        raise IntegrityError(
            "the split belongs to another dataset version",
            where=path,
            expected=dataset_version,
            found=", ".join(versions) or "no rows",
            fix="build participant_splits again for this dataset",
        )
    return split


def select(split: pl.DataFrame, variant: str, side: str) -> pl.DataFrame:
    """Return the rows of one side of one variant, sorted by sequence.

    Raises:
        InputError: the split has no such variant, or none of its sequences is on that side.
    """
    rows = split.filter((pl.col("variant") == variant) & (pl.col("side") == side))
    if rows.is_empty():
        pairs = split.select("variant", "side").unique().sort("variant", "side").iter_rows()
        raise InputError(
            "the split has nothing on this side of this variant",
            expected=", ".join(f"{name}/{where}" for name, where in pairs),
            found=f"{variant}/{side}",
        )
    return rows.sort("sequence_id")
