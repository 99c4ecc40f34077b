import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.transforms.interchange.trees import run_import
from transforms.errors import InputError, IntegrityError
from transforms.interchange import exporter
from transforms.interchange.exporter import export_tree
from transforms.manifest import directory_version, write_manifest
from transforms.progress import NoProgress
from transforms.schemas import SPLIT, conform
from transforms.settings import ShardSettings
from transforms.shards.parquet import write_table
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.writer import write_shards

LABELS = ("positive", "neutral", "negative", "negative", "positive")
RECORDINGS = [
    {
        "participant_id": f"P{number % 4}",
        "recording_id": f"r{number}",
        "label": "positive" if number % 4 == 0 else LABELS[number],
        "frames": 2 + number,
    }
    for number in range(5)
]
COLUMNS = ("sequence_id", "participant_id", "label", "view", "session", "fps", "frame_count")


def _build(output: Path, intake: Path, extraction: Path, **settings: Any) -> Path:
    output.mkdir()
    shards = ShardSettings.model_validate(settings)
    facts = write_shards([intake], [extraction], shards, output, progress=NoProgress())
    write_manifest(output, kind="silhouette_shards", facts=facts)
    return output


@pytest.fixture
def make_dataset(write_batch: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    def make(**settings: Any) -> Path:
        batch = write_batch("batch_001", RECORDINGS)
        return _build(tmp_path / "dataset", batch.intake, batch.extraction, **settings)

    return make


def _write_split(dataset: Path, path: Path, version: str | None = None) -> Path:
    index = pl.read_parquet(dataset / "index.parquet").sort("sequence_id")
    rows = index.select("sequence_id", "participant_id", "label").with_columns(
        dataset_version=pl.lit(version or directory_version(dataset)),
        protocol=pl.lit("by_hand"),
        variant=pl.lit("ratio_1_1_2"),
        side=pl.Series(["train", "test", "selection", "unused", "train"]),
    )
    write_table(conform(rows, SPLIT, where="split"), path)
    return path


def _export(dataset: Path, output: Path, split: Path | None = None) -> dict[str, Any]:
    output.mkdir()
    return export_tree(dataset, output, split=split, progress=NoProgress())


def _load_as_opengait(root: Path, partition: Path, side: str) -> list[tuple[str, str, str, Any]]:
    """Walk a tree as OpenGait's data set does: every name below the root means something to it."""
    ids = json.loads(partition.read_text())[side]
    found = []
    for label in [name for name in ids if name in os.listdir(root)]:  # noqa: PTH208
        for kind in sorted(os.listdir(root / label)):  # noqa: PTH208
            for view in sorted(os.listdir(root / label / kind)):  # noqa: PTH208
                paths = sorted((root / label / kind / view).iterdir())
                assert all(path.suffix == ".pkl" for path in paths)
                (data,) = [pickle.loads(path.read_bytes()) for path in paths]
                found.append((label, kind, view, data))
    return found


@pytest.mark.parametrize("codec", ["grey", "binary"])
@pytest.mark.parametrize("width", [44, 64])
def test_an_exported_dataset_comes_back_as_it_was(
    make_dataset: Callable[..., Path], tmp_path: Path, codec: str, width: int
) -> None:
    dataset = make_dataset(codec=codec, width_px=width)
    tree = tmp_path / "tree"
    _export(dataset, tree)
    back = tmp_path / "back"
    listing = tree / "sequences.csv"
    run_import(tree / "silhouettes", back, batch_id="batch_001", sequence_list=listing)
    again = _build(
        tmp_path / "again", back / "intake", back / "extraction", codec=codec, width_px=width
    )
    first, second = open_dataset(dataset), open_dataset(again)
    assert first.index.select(COLUMNS).equals(second.index.select(COLUMNS))
    for sequence_id in first.index["sequence_id"]:
        assert (first.read(sequence_id) == second.read(sequence_id)).all()
    _export(again, tmp_path / "second_tree")
    assert _tree_bytes(tmp_path / "second_tree") == _tree_bytes(tree)


def _tree_bytes(tree: Path) -> dict[str, bytes]:
    files = [path for path in tree.rglob("*") if path.is_file() and path.name != "README.txt"]
    return {str(path.relative_to(tree)): path.read_bytes() for path in files}


def test_opengait_s_way_of_reading_finds_the_silhouettes(
    make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    dataset = make_dataset(codec="grey", width_px=44)
    facts = _export(dataset, tmp_path / "tree", _write_split(dataset, tmp_path / "split.parquet"))
    assert facts["partitions"] == {
        "ratio_1_1_2": {"TRAIN_SET": 2, "TEST_SET": 1, "SELECTION_SET": 1}
    }
    partition = tmp_path / "tree" / "partitions" / "ratio_1_1_2.json"
    train = _load_as_opengait(tmp_path / "tree" / "silhouettes", partition, "TRAIN_SET")
    assert [entry[:3] for entry in train] == [
        ("r0", "positive", "side"),
        ("r4", "positive", "side"),
    ]
    data = train[1][3]
    assert (data.shape, data.dtype) == ((6, 64, 64), np.uint8)
    # What its transform makes of it: the middle 44 columns.
    assert (data[..., 10:-10] == open_dataset(dataset).read("r4")).all()
    (test,) = _load_as_opengait(tmp_path / "tree" / "silhouettes", partition, "TEST_SET")
    assert test[0] == "r1"


def test_equal_datasets_give_equal_bytes(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    dataset = make_dataset()
    split = _write_split(dataset, tmp_path / "split.parquet")
    for name in ("one", "two"):
        _export(dataset, tmp_path / name, split)
    one = {p.relative_to(tmp_path / "one"): p for p in (tmp_path / "one").rglob("*.*")}
    assert len(one) == 5 + 3
    for name, path in one.items():
        assert path.read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_readme_says_how_to_read_labels_and_metrics(
    make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    dataset = make_dataset()
    _export(dataset, tmp_path / "tree")
    text = (tmp_path / "tree" / "README.txt").read_text()
    assert directory_version(dataset) in text
    assert "5 IDs of 4 participants" in text
    assert "read its sensitivity as specificity" in text
    assert "positive: 2 sequences" in text
    assert "there are no partitions" in text


def test_a_cohort_of_the_spine_is_exported_with_its_diagnoses(
    write_batch: Callable[..., Any], tmp_path: Path
) -> None:
    recordings = [
        {"participant_id": "p1", "label": "asd"},
        {"participant_id": "p2", "label": "lcs"},
    ]
    batch = write_batch("batch_001", recordings)
    dataset = _build(tmp_path / "dataset", batch.intake, batch.extraction)
    facts = _export(dataset, tmp_path / "tree")
    assert facts["sequences"] == {"asd": 1, "dhs": 0, "lcs": 1, "hipoa": 0}
    assert (tmp_path / "tree/silhouettes/p2-s1-side/lcs/side/side.pkl").is_file()
    text = (tmp_path / "tree" / "README.txt").read_text()
    assert "asd (adult spinal deformity)" in text
    assert "neutral" not in text


def test_a_release_brings_its_own_split(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    dataset = make_dataset()
    version = directory_version(dataset)
    # What makes it a release to the exporter: its split, and the manifest that is its version.
    (dataset / "splits").mkdir()
    (dataset / "lineage").mkdir()
    _write_split(dataset, dataset / "splits" / "split.parquet")
    (dataset / "manifest.json").rename(dataset / "lineage" / "dataset.json")
    write_manifest(dataset, kind="dataset_release", facts={})
    assert directory_version(dataset) != version
    facts = _export(dataset, tmp_path / "tree")
    assert facts["partitions"]["ratio_1_1_2"]["TRAIN_SET"] == 2


def test_a_split_of_another_dataset_is_refused(
    make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    dataset = make_dataset()
    split = _write_split(dataset, tmp_path / "split.parquet", version="0" * 64)
    with pytest.raises(IntegrityError, match="another dataset version"):
        _export(dataset, tmp_path / "tree", split)


@pytest.mark.parametrize(
    ("column", "value"),
    [("view", ".."), ("view", "/etc"), ("sequence_id", "../../x"), ("label", "a/b")],
)
def test_an_index_can_not_lead_out_of_the_tree(
    make_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    column: str,
    value: str,
) -> None:
    def open_changed(directory: Path) -> SilhouetteDataset:
        dataset = open_dataset(directory)
        first = dataset.index.with_row_index()["index"] == 0
        dataset.index = dataset.index.with_columns(
            pl.when(first).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
        )
        return dataset

    dataset = make_dataset()
    monkeypatch.setattr(exporter, "open_dataset", open_changed)
    with pytest.raises(InputError, match="can't be a folder's"):
        _export(dataset, tmp_path / "tree")
    assert list((tmp_path / "tree").iterdir()) == []


def test_plain_parquet_readers_read_the_shards_as_they_are(
    make_dataset: Callable[..., Path],
) -> None:
    dataset = make_dataset(sequences_per_shard=2)
    index = pl.read_parquet(dataset / "index.parquet")
    by_polars = pl.read_parquet(dataset / "sequences" / "*.parquet").sort("sequence_id")
    files = sorted((dataset / "sequences").iterdir())
    assert len(files) == 3
    by_pyarrow = pa.concat_tables([pq.read_table(file) for file in files]).sort_by("sequence_id")
    names = [name for name in index.columns if name in by_polars.columns]
    assert set(COLUMNS) < set(names)
    assert by_polars.select(names).equals(index.sort("sequence_id").select(names))
    assert by_polars.to_dicts() == by_pyarrow.to_pylist()
