"""Sums are reused only for unchanged files; fingerprints depend on names and contents alone."""

import json
import os
import shutil
from pathlib import Path

import pytest

from transforms import hashing
from transforms.errors import InputError
from transforms.files import sha256_bytes
from transforms.hashing import HashCache, fingerprint_tree, is_intact
from transforms.manifest import write_manifest


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were really read, in order."""
    names: list[str] = []
    real = hashing.sha256_file

    def spy(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(hashing, "sha256_file", spy)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that a minute has passed since any file was written."""
    real = hashing.time.time_ns
    monkeypatch.setattr(hashing.time, "time_ns", lambda: real() + 60 * 10**9)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    (root / "videos").mkdir(parents=True)
    (root / "a.csv").write_text("a")
    (root / "videos" / "b.mp4").write_text("bb")
    return root


@pytest.mark.usefixtures("settled")
def test_unchanged_files_are_not_read_again(tree: Path, reads: list[str]) -> None:
    cache_file = tree.parent / "scratch" / "hashes.json"
    first = fingerprint_tree(tree, HashCache(cache_file))
    assert reads == ["a.csv", "b.mp4"]
    assert fingerprint_tree(tree, HashCache(cache_file)) == first
    assert reads == ["a.csv", "b.mp4"]


@pytest.mark.usefixtures("settled")
def test_a_change_that_keeps_size_and_time_is_seen(tree: Path, reads: list[str]) -> None:
    cache_file = tree.parent / "hashes.json"
    first = fingerprint_tree(tree, HashCache(cache_file))
    video = tree / "videos" / "b.mp4"
    times = video.stat()
    video.write_text("BB")
    os.utime(video, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert fingerprint_tree(tree, HashCache(cache_file)) != first


def test_a_file_just_written_is_hashed_but_not_remembered(tree: Path, reads: list[str]) -> None:
    cache = HashCache(tree.parent / "hashes.json")
    fingerprint_tree(tree, cache)
    fingerprint_tree(tree, cache)
    assert len(reads) == 4


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"format": "other", "files": {}}',
        b"[" * 100_000,
        b'{"format": "gaitworks-hashes/1", "files": {"raw/a.csv": [1, 2, "x"], "b": null}}',
    ],
)
def test_a_damaged_cache_is_discarded(tree: Path, damage: bytes) -> None:
    cache_file = tree.parent / "hashes.json"
    expected = fingerprint_tree(tree, HashCache(cache_file))
    cache_file.write_bytes(damage)
    assert fingerprint_tree(tree, HashCache(cache_file)) == expected
    assert len(json.loads(cache_file.read_bytes())["files"]) == 2


@pytest.mark.usefixtures("settled")
def test_two_writers_keep_each_others_sums(tree: Path, reads: list[str]) -> None:
    cache_file = tree.parent / "hashes.json"
    one, other = HashCache(cache_file), HashCache(cache_file)
    one.sha256(tree / "a.csv")
    other.sha256(tree / "videos" / "b.mp4")
    one.save()
    other.save()
    fingerprint_tree(tree, HashCache(cache_file))
    assert len(reads) == 2


@pytest.mark.usefixtures("settled")
def test_sums_of_removed_files_are_forgotten(tree: Path) -> None:
    cache_file = tree.parent / "hashes.json"
    fingerprint_tree(tree, HashCache(cache_file))
    (tree / "a.csv").unlink()
    fingerprint_tree(tree, HashCache(cache_file))
    assert list(json.loads(cache_file.read_bytes())["files"]) == ["raw/videos/b.mp4"]


def test_a_copy_elsewhere_has_the_same_fingerprint(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "copy")
    cache = HashCache(tmp_path / "hashes.json")
    assert fingerprint_tree(tree, cache) == fingerprint_tree(tmp_path / "copy", cache)


@pytest.mark.parametrize("change", ["rename", "content", "add", "move"])
def test_every_change_shows(tree: Path, change: str) -> None:
    cache = HashCache(tree.parent / "hashes.json")
    before = fingerprint_tree(tree, cache)
    if change == "rename":
        (tree / "a.csv").rename(tree / "c.csv")
    elif change == "content":
        (tree / "a.csv").write_text("c")
    elif change == "add":
        (tree / "empty").touch()
    else:
        (tree / "a.csv").rename(tree / "videos" / "a.csv")
    assert fingerprint_tree(tree, cache) != before


def test_links_that_lead_out_and_pipes_are_never_read(tree: Path, reads: list[str]) -> None:
    outside = tree.parent / "secret.txt"
    outside.write_text("secret")
    (tree / "out").symlink_to(outside)
    (tree / "folder").symlink_to(tree.parent)
    (tree / "zero").symlink_to("/dev/zero")
    (tree / "broken").symlink_to("nowhere")
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "pipe")
    fingerprint_tree(tree, HashCache(tree.parent / "hashes.json"))
    assert reads == ["a.csv", "b.mp4"]


@pytest.mark.usefixtures("settled")
def test_a_name_that_is_not_utf8_can_be_remembered(tree: Path, reads: list[str]) -> None:
    (tree / "a.csv").rename(os.fsdecode(os.fsencode(tree) + b"/\xff.csv"))
    cache_file = tree.parent / "hashes.json"
    fingerprint_tree(tree, HashCache(cache_file))
    fingerprint_tree(tree, HashCache(cache_file))
    assert len(reads) == 2


def test_a_link_inside_counts_with_its_content(tree: Path) -> None:
    cache = HashCache(tree.parent / "hashes.json")
    (tree / "link").symlink_to("a.csv")
    with_link = fingerprint_tree(tree, cache)
    (tree / "link").unlink()
    (tree / "link").write_text("a")
    assert fingerprint_tree(tree, cache) == with_link


def test_a_file_that_grows_while_it_is_read_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow(path: Path) -> str:
        path.write_text("more than before")
        return sha256_bytes(b"")

    monkeypatch.setattr(hashing, "sha256_file", grow)
    with pytest.raises(InputError, match="changed while it was read"):
        HashCache(tree.parent / "hashes.json").sha256(tree / "a.csv")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        fingerprint_tree(tmp_path / "raw", HashCache(tmp_path / "hashes.json"))


@pytest.mark.usefixtures("settled")
def test_an_intact_directory_is_read_once(tree: Path, reads: list[str]) -> None:
    write_manifest(tree, kind="raw", facts={})
    for _ in range(2):
        assert is_intact(tree, HashCache(tree.parent / "hashes.json"))
    assert reads == ["a.csv", "b.mp4"]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", ["bit", "manifest", "more", "less", "pipe"])
def test_a_damaged_directory_is_not_intact(tree: Path, damage: str) -> None:
    write_manifest(tree, kind="raw", facts={})
    cache = HashCache(tree.parent / "hashes.json")
    assert is_intact(tree, cache)
    video = tree / "videos" / "b.mp4"
    if damage == "more":
        (tree / "empty").touch()
    elif damage == "manifest":
        (tree / "manifest.json").unlink()
    else:
        video.unlink()
        if damage == "bit":
            video.write_text("bc")
        elif damage == "pipe":
            os.mkfifo(video)
    assert not is_intact(tree, cache)
