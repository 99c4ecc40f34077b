import os
from hashlib import sha256
from pathlib import Path

import pytest

from transforms.errors import InputError, IntegrityError, MissingDependencyError
from transforms.progress import NoProgress
from transforms.weights.local import LocalFolder, copy_from_folder
from transforms.weights.verified import Weights, WeightsFile

ONE, TWO = b"model one", b"model two"


def file_of(name: str, data: bytes) -> WeightsFile:
    return WeightsFile(name, sha256(data).hexdigest(), len(data))


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    files = (file_of("one.onnx", ONE), file_of("two.yaml", TWO))
    return Weights("walker", "onnx", "detect", files, tmp_path / "store" / "walker", {})


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """Return an empty folder that somebody brought."""
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def copy(weights: Weights, stick: Path) -> dict[str, bytes]:
    copy_from_folder(weights, weights.files, LocalFolder(stick), NoProgress())
    return {path.name: path.read_bytes() for path in weights.directory.iterdir()}


def test_files_are_found_by_their_bytes_anywhere_whatever_their_names(
    weights: Weights, stick: Path
) -> None:
    (stick / "a" / "b").mkdir(parents=True)
    (stick / "one.onnx").write_bytes(b"model 0ne")  # the right name and length, other bytes
    (stick / "a" / "b" / "renamed.bin").write_bytes(ONE)
    (stick / "a" / ".hidden").write_bytes(TWO)
    assert copy(weights, stick) == {"one.onnx": ONE, "two.yaml": TWO}


def test_what_is_not_there_is_named_and_the_rest_is_copied(weights: Weights, stick: Path) -> None:
    (stick / "one").write_bytes(ONE)
    (stick / "two.yaml").write_bytes(b"another")
    with pytest.raises(MissingDependencyError, match=r"1 of 2 file\(s\) of 'walker'") as caught:
        copy(weights, stick)
    assert str(caught.value.expected) == f"two.yaml (9 bytes, sha256 {sha256(TWO).hexdigest()})"
    assert str(stick / "two.yaml") in str(caught.value.found)
    assert [path.name for path in weights.directory.iterdir()] == ["one.onnx"]


def test_links_out_of_the_folder_are_not_followed(
    weights: Weights, stick: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "one").write_bytes(ONE)
    (outside / "two").write_bytes(TWO)
    (stick / "file").symlink_to(outside / "one")
    (stick / "folder").symlink_to(outside)
    (stick / "circle").symlink_to(stick / "circle")
    (stick / "nowhere").symlink_to(stick / "gone")
    with pytest.raises(MissingDependencyError, match=r"2 of 2 file\(s\)"):
        copy(weights, stick)
    assert not weights.directory.exists()


def test_links_inside_and_a_folder_that_is_itself_a_link_are_fine(
    weights: Weights, stick: Path, tmp_path: Path
) -> None:
    (stick / "store").mkdir()
    (stick / "store" / "1").write_bytes(ONE)
    (stick / "store" / "2").write_bytes(TWO)
    (stick / "one.onnx").symlink_to("store/1")
    (tmp_path / "link").symlink_to(stick)
    assert copy(weights, tmp_path / "link") == {"one.onnx": ONE, "two.yaml": TWO}
    assert not (weights.directory / "one.onnx").is_symlink()


def test_pipes_are_not_read(weights: Weights, stick: Path) -> None:
    os.mkfifo(stick / "one.onnx")
    (stick / "1").write_bytes(ONE)
    (stick / "2").write_bytes(TWO)
    assert copy(weights, stick) == {"one.onnx": ONE, "two.yaml": TWO}


def test_a_file_that_changes_meanwhile_is_refused(
    weights: Weights, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stick / "1").write_bytes(b"model 0ne and more")
    monkeypatch.setattr(LocalFolder, "find", lambda self, item: self.root / "1")
    with pytest.raises(IntegrityError, match="changed while it was copied"):
        copy(weights, stick)
    assert list(weights.directory.iterdir()) == []


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_refused(name: str, stick: Path) -> None:
    (stick / "file").write_bytes(ONE)
    with pytest.raises(InputError, match="no such folder"):
        LocalFolder(stick / name)
