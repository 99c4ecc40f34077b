"""What an audit looks at: the split of a dataset or release, and which pairs count as copies."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import polars as pl

from transforms.errors import InputError, IntegrityError
from transforms.files import sha256_file
from transforms.shards.integrity import listed_hashes
from transforms.shards.parquet import count_rows
from transforms.shards.reader import SilhouetteDataset
from transforms.splits.load import load_split

SPLIT_NAME: Final = "split.parquet"
_RELEASE_SPLIT: Final = f"splits/{SPLIT_NAME}"
_RELEASED_DATASET: Final = "lineage/dataset.json"
_MOST_ROWS: Final = 20_000_000  # fifty variants of 400,000 sequences


def is_release(directory: Path) -> bool:
    """Tell whether a directory is a release and not the dataset it was built from."""
    return (directory / _RELEASED_DATASET).is_file()


def find_released_split(directory: Path) -> Path | None:
    """Return where a release has its split; None if it has none, or is no release."""
    path = directory / _RELEASE_SPLIT
    return path if is_release(directory) and path.is_file() else None


def read_split_of(dataset: SilhouetteDataset, path: Path) -> pl.DataFrame:
    """Read a split (schema `SPLIT`) for use with this dataset or release.

    Raises:
        IntegrityError: the file is missing, damaged or belongs to another dataset version.
        InputError: it is larger than any split.
    """
    directory = dataset.directory
    if path == directory / _RELEASE_SPLIT:
        expected, found = listed_hashes(directory).get(_RELEASE_SPLIT), sha256_file(path)
        if found != expected:
            fix = "get the release again from where it was published"
            raise IntegrityError(
                "the file is damaged",
                where=path,
                expected=f"sha256 {expected}",
                found=found,
                fix=fix,
            )
    rows = count_rows(path)
    if rows > _MOST_ROWS:
        most = f"at most {_MOST_ROWS:,} rows"
        raise InputError("too large for a split", where=path, expected=most, found=f"{rows:,}")
    # A release has a version of its own; its split is for the dataset that it was built from.
    released = directory / _RELEASED_DATASET
    return load_split(path, sha256_file(released) if is_release(directory) else dataset.version)


def leave_out_cleared(pairs: pl.DataFrame, cleared: Collection[tuple[str, str]]) -> pl.DataFrame:
    """Return the pairs of copies without those near ones that a person found to be none.

    Identical sequences stay: nobody can find them to differ.

    Args:
        pairs: schema `NEAR_DUPLICATES`.
        cleared: pairs of sequence ids, in any order.
    """
    known = {tuple(sorted(pair)) for pair in cleared}
    keep = [
        kind == "identical" or (first, second) not in known
        for first, second, kind in pairs.select("first", "second", "kind").iter_rows()
    ]
    return pairs.filter(pl.Series(keep, dtype=pl.Boolean))
