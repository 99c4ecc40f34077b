import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from transforms.errors import IntegrityError
from transforms.manifest import (
    directory_version,
    encode_manifest,
    list_files,
    read_manifest,
    verify_directory,
    write_manifest,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("hello")
    (tmp_path / "y.txt").write_text("you")
    write_manifest(tmp_path, kind="test", facts={"count": 2})
    return tmp_path


def test_whole_directory_has_no_problem(directory: Path) -> None:
    assert verify_directory(directory) == []
    assert read_manifest(directory)["facts"] == {"count": 2}


def test_files_are_listed_as_their_paths_sort(tmp_path: Path) -> None:
    for name in ("b/1", "b-c/1", "b.txt", "a/z/1", "a/manifest.json", "manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("a")
    names = [path.relative_to(tmp_path).as_posix() for path in list_files(tmp_path)]
    assert names == ["a/manifest.json", "a/z/1", "b/1", "b-c/1", "b.txt", "link"]


@pytest.mark.parametrize("name", ["", ".", "/a", "../a", "a/../b", "a//b", "a/", "./a"])
def test_a_name_that_leaves_the_directory_is_refused(directory: Path, name: str) -> None:
    manifest = read_manifest(directory)
    manifest["files"][0]["path"] = name
    (directory / "manifest.json").write_bytes(encode_manifest(manifest))
    with pytest.raises(IntegrityError, match="damaged manifest"):
        read_manifest(directory)


@pytest.mark.parametrize("read", [read_manifest, directory_version])
def test_without_a_manifest_it_is_said_what_to_give(
    tmp_path: Path, read: Callable[..., object]
) -> None:
    with pytest.raises(
        IntegrityError, match=r"no manifest; give a folder .* `gaitworks run` first"
    ):
        read(tmp_path)


def test_same_content_has_the_same_version(directory: Path) -> None:
    before = directory_version(directory)
    write_manifest(directory, kind="test", facts={"count": 2})
    assert directory_version(directory) == before


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda d: (d / "y.txt").unlink(), "missing"),
        (lambda d: (d / "z.txt").write_text("new"), "extra"),
        (lambda d: (d / "y.txt").write_text("longer"), "size"),
        (lambda d: (d / "y.txt").write_text("yoU"), "sha256"),
        (lambda d: ((d / "y.txt").unlink(), (d / "y.txt").symlink_to("a/x.txt")), "link"),
        (lambda d: ((d / "y.txt").unlink(), (d / "y.txt").symlink_to("nowhere")), "link"),
    ],
)
def test_every_damage_is_named(directory: Path, damage: object, kind: str) -> None:
    assert callable(damage)
    damage(directory)
    assert [problem.kind for problem in verify_directory(directory)] == [kind]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"format": "other/1"}'])
def test_foreign_manifest_is_refused(directory: Path, content: bytes) -> None:
    (directory / "manifest.json").write_bytes(content)
    with pytest.raises(IntegrityError):
        read_manifest(directory)


def test_a_flipped_bit_anywhere_in_the_manifest_is_noticed(directory: Path) -> None:
    path = directory / "manifest.json"
    whole = path.read_bytes()
    missed = []
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        path.write_bytes(bytes(data))
        try:
            read_manifest(directory)
        except IntegrityError:
            continue
        missed.append(position)
    assert missed == []


def test_a_manifest_in_other_words_is_refused(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())))
    with pytest.raises(IntegrityError, match="agrees with its checksum"):
        read_manifest(directory)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a//x", "./x", "", "."])
def test_a_manifest_that_points_elsewhere_is_refused(directory: Path, name: str) -> None:
    entry = {"path": name, "bytes": 1, "sha256": "0" * 64}
    content = {"format": "gaitworks/1", "kind": "test", "files": [entry], "facts": {}}
    (directory / "manifest.json").write_bytes(encode_manifest(content))
    with pytest.raises(IntegrityError, match="damaged manifest"):
        read_manifest(directory)


def test_a_file_that_cannot_be_read_is_a_problem(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> str:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr("transforms.manifest.sha256_file", fail)
    problems = verify_directory(directory)
    assert [problem.path for problem in problems] == ["a/x.txt", "y.txt"]
    assert "Input/output error" in str(problems[0])
