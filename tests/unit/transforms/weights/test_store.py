from hashlib import sha256
from pathlib import Path

import pytest

from transforms.weights.store import (
    State,
    combine_states,
    file_state,
    keep_verified,
    part_path,
)
from transforms.weights.verified import Weights, WeightsFile


def make_weights(directory: Path, *contents: bytes) -> Weights:
    files = tuple(
        WeightsFile(f"file{index}.onnx", sha256(data).hexdigest(), len(data))
        for index, data in enumerate(contents)
    )
    return Weights("walker", "onnx", "detect", files, directory, {})


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    return make_weights(tmp_path, b"one", b"two")


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, State.MISSING),
        ({"file0.onnx": b"one", "file1.onnx": b"two"}, State.PRESENT),
        ({"file0.onnx": b"one"}, State.PARTIAL),
        ({"file0.onnx.part": b"o"}, State.PARTIAL),
        ({"file0.onnx.part": b"o", "file1.onnx.part": b"t"}, State.PARTIAL),
        ({"file0.onnx": b"one", "file1.onnx": b"twO"}, State.DAMAGED),
        ({"file0.onnx": b"one", "file1.onnx": b"twoo"}, State.DAMAGED),
        ({"file0.onnx": b"one", "file1.onnx": b""}, State.DAMAGED),
        ({"file1.onnx": b"twO"}, State.DAMAGED),
        ({"file0.onnx": b"one", "file1.onnx": b"two", "file1.onnx.part": b"t"}, State.PRESENT),
    ],
)
def test_the_state_of_an_entry_follows_from_its_files(
    files: dict[str, bytes], state: State, weights: Weights
) -> None:
    for name, data in files.items():
        (weights.directory / name).write_bytes(data)
    assert combine_states([file_state(weights, item) for item in weights.files]) == state


def test_a_folder_in_the_place_of_a_file_is_damage(weights: Weights) -> None:
    (weights.directory / "file0.onnx").mkdir()
    assert file_state(weights, weights.files[0]) is State.DAMAGED


def test_a_link_to_the_right_bytes_is_as_good_as_the_file(weights: Weights, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"one")
    (weights.directory / "file0.onnx").symlink_to(elsewhere)
    assert file_state(weights, weights.files[0]) is State.PRESENT


def test_a_verified_part_replaces_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file0.onnx"
    target.write_bytes(b"old")
    part_path(target).write_bytes(b"new")
    keep_verified(part_path(target), target)
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]
