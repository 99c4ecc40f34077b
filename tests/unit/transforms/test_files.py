from pathlib import Path

import pytest

from transforms.files import atomic_path, canonical_json, publish_directory, write_bytes_atomic


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


def test_published_directory_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("first", "second"):
        with publish_directory(target) as staging:
            (staging / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


def test_failed_publication_leaves_the_old_directory(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with publish_directory(target) as staging:
        (staging / "file").write_text("old")

    def fail() -> None:
        with publish_directory(target) as staging:
            (staging / "file").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (target / "file").read_text() == "old"


def test_leftovers_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    leftover = tmp_path / ".tmp-out-new"
    leftover.mkdir()
    (leftover / "half").write_text("x")
    with publish_directory(tmp_path / "out") as staging:
        assert list(staging.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
