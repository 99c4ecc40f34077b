from pathlib import Path

import pytest

from transforms.errors import IntegrityError
from transforms.manifest import (
    directory_version,
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
