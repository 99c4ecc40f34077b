import json
from pathlib import Path
from typing import Any

import pytest

from transforms.errors import InputError
from transforms.splits import partition_file
from transforms.splits.partition_file import MAX_ID_CHARACTERS, read_partition


def write(folder: Path, content: Any) -> Path:
    path = folder / "partition.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_the_lists_of_opengait_are_read_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, {"TRAIN_SET": ["00002", "00001"], "TEST_SET": ["00003"]})
    assert read_partition(path) == {"train": ("00002", "00001"), "test": ("00003",)}


@pytest.mark.parametrize("name", ["SELECTION_SET", "VAL_SET"])
def test_a_list_to_select_on_is_read_under_either_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, {"TRAIN_SET": ["a"], "TEST_SET": ["b"], name: ["c"]})
    assert read_partition(path)["selection"] == ("c",)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbf{"TRAIN_SET": ["a"], "TEST_SET": ["b"]}')
    assert read_partition(path) == {"train": ("a",), "test": ("b",)}


REFUSED: list[tuple[Any, str]] = [
    (b"", "the file is empty"),
    (b"{", "not valid JSON"),
    (b"\xff\xfe", "not valid JSON"),
    (b'{"TRAIN_SET": ["a"], "TRAIN_SET": ["c"], "TEST_SET": ["b"]}', "TRAIN_SET twice"),
    (b'{"TRAIN_SET": [NaN], "TEST_SET": ["b"]}', "NaN, which is no JSON"),
    (b'{"TRAIN_SET": [-Infinity], "TEST_SET": ["b"]}', "-Infinity, which is no JSON"),
    (b"[" * 200_000, "lists in lists without end"),
    (b'{"a":' * 200_000, "lists in lists without end"),
    (b'{"TRAIN_SET": [' + b"1" * 10_000 + b'], "TEST_SET": ["b"]}', "not valid JSON"),
    ([["a"], ["b"]], "expected a JSON object .* found a list"),
    (None, "found null"),
    ({"TRAIN_SET": ["a"]}, "no ids in TEST_SET"),
    ({"TRAIN_SET": [], "TEST_SET": []}, "no ids in TRAIN_SET and TEST_SET"),
    ({"TRAIN_SET": "abc", "TEST_SET": ["b"]}, "TRAIN_SET is no list.* found a string"),
    ({"TRAIN_SET": {"a": 1}, "TEST_SET": ["b"]}, "TRAIN_SET is no list.* found an object"),
    ({"TRAIN_SET": ["a"], "TEST_SET": ["b", 3]}, r"TEST_SET\[1\] is no id.* found a number"),
    ({"TRAIN_SET": ["a"], "TEST_SET": [True]}, r"TEST_SET\[0\] is no id.* found true or false"),
    ({"TRAIN_SET": ["a"], "TEST_SET": [["b"]]}, r"TEST_SET\[0\] is no id.* found a list"),
    ({"TRAIN_SET": [""], "TEST_SET": ["b"]}, "found 0 characters"),
    (
        {"TRAIN_SET": ["x" * (MAX_ID_CHARACTERS + 1)], "TEST_SET": ["b"]},
        f"found {MAX_ID_CHARACTERS + 1} characters",
    ),
    ({"TRAIN_SET": ["a"], "TEST_SET": ["b"], "GALLERY_SET": ["c"]}, "side is not known"),
    ({"TRAIN_SET": ["a"], "TEST_SET": ["b"], "VAL_SET": [], "SELECTION_SET": []}, "two lists"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_anything_else_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_partition(write(tmp_path, content))
    assert caught.value.where == str(tmp_path / "partition.json")


def test_ids_as_long_as_allowed_are_taken(tmp_path: Path) -> None:
    longest = "x" * MAX_ID_CHARACTERS
    assert read_partition(write(tmp_path, {"TRAIN_SET": [longest], "TEST_SET": ["b"]}))[
        "train"
    ] == (longest,)


def test_a_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_file, "MAX_BYTES", 100)
    path = write(tmp_path, {"TRAIN_SET": ["a" * 80], "TEST_SET": ["b"]})
    with pytest.raises(InputError, match="too large, expected at most 100 bytes"):
        read_partition(path)


def test_links_folders_and_nothing_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"TRAIN_SET": ["a"], "TEST_SET": ["b"]})
    link = tmp_path / "link.json"
    link.symlink_to(path)
    for place, message in (
        (link, "it is a link"),
        (tmp_path, "no regular file"),
        (tmp_path / "absent.json", "can't be read"),
    ):
        with pytest.raises(InputError, match=message):
            read_partition(place)


def test_names_from_outside_are_shown_safely(tmp_path: Path) -> None:
    hostile = {"TRAIN_SET": ["a"], "TEST_SET": ["b"], "\x1b[2J\u202e\ud800" + "x" * 500: []}
    with pytest.raises(InputError) as caught:
        read_partition(write(tmp_path, hostile))
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 400 + len(str(tmp_path))
    text.encode()  # lone surrogates could not be printed
