import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from transforms import files
from transforms.files import (
    atomic_path,
    canonical_json,
    exchange_names,
    publish_directory,
    publish_directory_once,
    write_bytes_atomic,
)


@pytest.fixture(params=["exchange", "two renames"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Publish as Linux can, and as file systems do that cannot exchange names."""
    if request.param == "two renames":
        monkeypatch.setattr(files, "exchange_names", lambda first, second: False)
    return str(request.param)


def publish(target: Path, text: str) -> None:
    with publish_directory(target) as staging:
        (staging / "file").write_text(text)


def test_equal_values_give_equal_json_whatever_their_order() -> None:
    assert canonical_json({"b": 1, "a": [2]}) == canonical_json({"a": [2], "b": 1})


def test_json_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_bytes_atomic(target, b"old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"ne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("either_way")
def test_published_directory_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("first", "second"):
        with publish_directory(target) as staging:
            (staging / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


def test_failed_publication_leaves_the_old_directory(tmp_path: Path) -> None:
    target = tmp_path / "out"
    publish(target, "old")

    def fail() -> None:
        with publish_directory(target) as staging:
            (staging / "file").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_failing_rename_leaves_the_old_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    target = tmp_path / "out"
    publish(target, "old")
    rename, calls = Path.rename, [0]

    def fail(self: Path, to: Path) -> Path:
        calls[0] += 1
        if calls[0] == failing:
            raise OSError(errno.EIO, "injected")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail)
    try:
        publish(target, "new")
    except OSError:
        assert (target / "file").read_text() == "old"
    else:
        assert calls[0] < failing
        assert (target / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_killed_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    publish(target, "old")
    target.rename(tmp_path / ".tmp-out-old")

    def fail() -> None:
        with publish_directory(target):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_two_renames_left_over_is_swept(tmp_path: Path) -> None:
    target = tmp_path / "out"
    publish(target, "new")
    (tmp_path / ".tmp-out-old").mkdir()
    publish(target, "newer")
    assert list(tmp_path.iterdir()) == [target]


def test_names_are_exchanged_or_left_alone(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    assert exchange_names(tmp_path / "a", tmp_path / "b") in (True, False)
    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert names in ({"a": "b", "b": "a"}, {"a": "a", "b": "b"})
    with pytest.raises(FileNotFoundError):
        exchange_names(tmp_path / "a", tmp_path / "none")


def test_a_reader_always_finds_a_version(tmp_path: Path) -> None:
    """The kernel decides between the old and the new one; none is never the answer."""
    target = tmp_path / "out"
    publish(target, "0")
    (tmp_path / "x").touch()
    (tmp_path / "y").touch()
    if not exchange_names(tmp_path / "x", tmp_path / "y"):
        pytest.skip("this file system cannot exchange names")
    done = threading.Event()
    missing = []

    def look() -> None:
        while not done.is_set():
            if not target.is_dir():
                missing.append(1)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(100):
        publish(target, str(number))
    done.set()
    reader.join()
    assert missing == []


def test_leftovers_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    for name in (f".tmp-out-{'0' * 32}", f".tmp-out-{'f' * 32}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("x")
    with publish_directory(tmp_path / "out") as staging:
        assert list(staging.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_living_writers_work_is_not_swept(tmp_path: Path) -> None:
    with publish_directory(tmp_path / "out") as first:
        (first / "file").write_text("first")
        publish(tmp_path / "out", "second")
        publish(tmp_path / "out-2", "another name that begins the same")
        assert (tmp_path / "out" / "file").read_text() == "second"
    assert (tmp_path / "out" / "file").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-2"]


def test_writers_of_names_that_begin_the_same_leave_each_other_alone(tmp_path: Path) -> None:
    with publish_directory(tmp_path / "out-2") as longer:
        (longer / "file").write_text("longer")
        publish(tmp_path / "out", "shorter")
    assert (tmp_path / "out-2" / "file").read_text() == "longer"


@pytest.mark.parametrize("obstacle", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_whatever_is_in_the_way_is_replaced(
    tmp_path: Path, obstacle: Callable[[Path], None]
) -> None:
    obstacle(tmp_path / "out")
    publish(tmp_path / "out", "new")
    assert (tmp_path / "out" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_content_that_its_name_determines_is_published_once(tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        publish_directory_once(tmp_path / "key", {"file": text})
    assert (tmp_path / "key" / "file").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
