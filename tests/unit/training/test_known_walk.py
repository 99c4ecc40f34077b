"""A video of the model's dataset is told from others, with its side in the model's variant."""

import pyarrow as pa
import pytest

from training.known_walk import find_known
from transforms.files import sha256_file
from transforms.manifest import write_manifest
from transforms.schemas import SEQUENCE_INDEX, SPLIT
from transforms.shards.parquet import write_table

# Sequence, its participant and video; the sides in the model's variant and in another one.
WALKS = (
    ("a1", "a", "va1", "train", "test"),
    ("a2", "a", "va2", "unused", "test"),
    ("b1", "b", "vb1", "test", "train"),
    ("c1", "c", "vc1", "selection", "train"),
    ("d1", "d", "vd1", "unused", "train"),
    ("e1", "e", "twice", "unused", "train"),
    ("e2", "e", "twice", "test", "train"),
    ("f1", "f", None, "test", "train"),
)


def fill(schema, row):
    empty = {pa.string(): "", pa.float64(): 25.0, pa.int32(): 1}
    return {field.name: None if field.nullable else empty[field.type] for field in schema} | row


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A dataset, its split, and what the card of a model of `mine` says."""
    root = tmp_path_factory.mktemp("known")
    dataset, splits = root / "shards", root / "splits"
    index, split = [], []
    for name, person, video, *sides in WALKS:
        row = {"sequence_id": name, "participant_id": person}
        index.append(fill(SEQUENCE_INDEX, row | {"video_sha256": video}))
        for variant, side in zip(("mine", "other"), sides, strict=True):
            split.append(fill(SPLIT, row | {"variant": variant, "side": side}))
    for folder, name, rows, schema in (
        (dataset, "index", index, SEQUENCE_INDEX),
        (splits, "split", split, SPLIT),
    ):
        folder.mkdir()
        write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{name}.parquet")
    version = write_manifest(dataset, kind="silhouette_shards", facts={})
    sha256 = sha256_file(splits / "split.parquet")
    card = {"dataset_version": version, "split_sha256": sha256, "variant": "mine"}
    return dataset, splits, card


@pytest.mark.parametrize(
    ("video", "sequence_id", "side", "was_learnt_from"),
    [
        ("va1", "a1", "train", True),
        ("va2", "a2", "unused", True),  # but the person's other walk was trained on
        ("vb1", "b1", "test", False),
        ("vc1", "c1", "selection", True),
        ("vd1", "d1", "unused", False),
        ("twice", "e2", "test", False),
    ],
)
def test_a_known_video_has_the_side_of_the_models_own_variant(
    places, video, sequence_id, side, was_learnt_from
):
    assert find_known(*places, video) == {
        "sequence_id": sequence_id,
        "variant": "mine",
        "side": side,
        "was_learnt_from": was_learnt_from,
    }


def test_a_video_that_is_nowhere_is_not_known(places):
    assert find_known(*places, "elsewhere") is None
    assert find_known(*places, None) is None  # f1 never was a video


def test_another_split_leaves_the_side_open(places, tmp_path):
    dataset, splits, card = places
    for changed in ((tmp_path, card), (splits, card | {"split_sha256": "0"})):
        found = find_known(dataset, *changed, "va1")
        assert (found["sequence_id"], found["side"], found["was_learnt_from"]) == ("a1", None, None)


def test_without_the_models_dataset_nothing_can_be_told(places, tmp_path):
    dataset, splits, card = places
    assert set(find_known(tmp_path, splits, card, "va1")) == {"reason"}
    other = card | {"dataset_version": "0"}
    assert (
        "not what the model was trained on" in find_known(dataset, splits, other, "va1")["reason"]
    )
