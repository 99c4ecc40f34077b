"""Read a split back, for the one dataset version it was made for."""

from pathlib import Path

import polars as pl

from transforms.errors import IntegrityError
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
