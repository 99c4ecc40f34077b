"""Which split is read for which dataset; the command line's tests have those of releases."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from transforms.audit import inputs
from transforms.audit.inputs import (
    find_released_split,
    is_release,
    leave_out_cleared,
    read_split_of,
)
from transforms.errors import InputError, IntegrityError
from transforms.schemas import SPLIT, conform
from transforms.shards.parquet import write_table
from transforms.shards.reader import SilhouetteDataset, open_dataset


@pytest.fixture
def dataset(write_dataset: Callable[..., Path]) -> SilhouetteDataset:
    return open_dataset(write_dataset({"positive": [2], "negative": [1]}))


def write_split(dataset: SilhouetteDataset, path: Path, version: str) -> Path:
    rows = dataset.index.select(
        "sequence_id",
        "participant_id",
        "label",
        dataset_version=pl.lit(version),
        protocol=pl.lit("imported"),
        variant=pl.lit("imported"),
        side=pl.lit("train"),
    )
    write_table(conform(rows, SPLIT, where=path), path)
    return path


def test_the_split_of_a_dataset_is_read_and_that_of_another_refused(
    dataset: SilhouetteDataset, tmp_path: Path
) -> None:
    path = write_split(dataset, tmp_path / "split.parquet", dataset.version)
    assert read_split_of(dataset, path).height == 3
    assert not is_release(dataset.directory)
    assert find_released_split(dataset.directory) is None
    other = write_split(dataset, tmp_path / "other.parquet", "f" * 64)
    with pytest.raises(IntegrityError, match="another dataset version"):
        read_split_of(dataset, other)


def test_a_split_with_more_rows_than_any_has_is_not_read(
    dataset: SilhouetteDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_split(dataset, tmp_path / "split.parquet", dataset.version)
    monkeypatch.setattr(inputs, "_MOST_ROWS", 2)
    with pytest.raises(InputError, match="at most 2 rows, found 3"):
        read_split_of(dataset, path)


def test_a_cleared_pair_is_no_copy_unless_it_is_identical() -> None:
    rows = [("a", "b", "near"), ("a", "c", "near"), ("b", "c", "identical")]
    pairs = pl.DataFrame(rows, schema=["first", "second", "kind"], orient="row")
    left = leave_out_cleared(pairs, [("b", "a"), ("c", "b"), ("x", "y")])
    assert left.rows() == [("a", "c", "near"), ("b", "c", "identical")]
    assert leave_out_cleared(pairs.clear(), [("a", "b")]).is_empty()
