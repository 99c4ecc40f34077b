"""What an audit looks at: split and clips of a dataset or release, and which pairs are copies."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

import polars as pl

from transforms.dual_view.files import RELEASED_CLIPS_NAME
from transforms.errors import InputError, IntegrityError
from transforms.files import sha256_file
from transforms.schemas import CLIPS
from transforms.shards.integrity import listed_hashes
from transforms.shards.parquet import count_rows, read_table
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
        _require_published(directory, _RELEASE_SPLIT)
    _require_rows(path, "split")
    # A release has a version of its own; its split is for the dataset that it was built from.
    released = directory / _RELEASED_DATASET
    return load_split(path, sha256_file(released) if is_release(directory) else dataset.version)


def find_released_clips(directory: Path) -> Path | None:
    """Return where a release has its dual-view clips; None if it has none, or is no release."""
    path = directory / RELEASED_CLIPS_NAME
    return path if is_release(directory) and path.is_file() else None


def read_clips(path: Path) -> pl.DataFrame:
    """Read a table of clips (schema `CLIPS`).

    Raises:
        IntegrityError: it is damaged; in a release, it is not the file that was published.
        InputError: it is larger than any table of clips.
    """
    if path.name == RELEASED_CLIPS_NAME and is_release(path.parent):
        _require_published(path.parent, path.name)
    _require_rows(path, "table of clips")
    return pl.DataFrame(read_table(path, CLIPS))


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


def _require_published(release: Path, name: str) -> None:
    """Make sure that a file of a release is the one that was published."""
    expected, found = listed_hashes(release).get(name), sha256_file(release / name)
    if found != expected:
        raise IntegrityError(
            "the file is damaged",
            where=release / name,
            expected=f"sha256 {expected}",
            found=found,
            fix="get the release again from where it was published",
        )


def _require_rows(path: Path, what: str) -> None:
    rows = count_rows(path)
    if rows > _MOST_ROWS:
        most = f"at most {_MOST_ROWS:,} rows"
        raise InputError(f"too large for a {what}", where=path, expected=most, found=f"{rows:,}")
