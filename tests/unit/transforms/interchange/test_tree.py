import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.transforms.interchange.trees import draw, put_pickle, put_pictures
from transforms.errors import InputError
from transforms.interchange.tree import Candidate, walk_tree


def _walk(tree: Path) -> dict[str, Candidate]:
    return {one.place: one for one in walk_tree(tree)[0]}


def _faults(tree: Path) -> dict[str, str | None]:
    return {place: one.fault.code if one.fault else None for place, one in _walk(tree).items()}


def test_both_layouts_and_the_field_s_spellings_are_found(tmp_path: Path) -> None:
    put_pickle(tmp_path, "00001/Positive/000_180")
    put_pickle(tmp_path, "00002/critical/000_180")
    put_pictures(tmp_path, "00003/NEGATIVE/000_180", draw("x"))
    found, problems = walk_tree(tmp_path)
    assert [(one.sequence_id, one.label, one.view, one.fault) for one in found] == [
        ("00001", "positive", "000_180", None),
        ("00002", "neutral", "000_180", None),
        ("00003", "negative", "000_180", None),
    ]
    assert [len(one.files.names) for one in found] == [1, 1, 3]
    assert problems == []


def test_an_id_with_several_views_gets_one_sequence_each(tmp_path: Path) -> None:
    put_pickle(tmp_path, "p1/neutral/side")
    put_pickle(tmp_path, "p1/neutral/front")
    put_pickle(tmp_path, "p2/neutral/front")
    assert [one.sequence_id for one in walk_tree(tmp_path)[0]] == ["p1_front", "p1_side", "p2"]


def test_names_that_mean_something_are_refused_under_harmless_ids(tmp_path: Path) -> None:
    for place in ("-rf/positive/v", "a b/positive/v", "ok/positive/..v", "...x/positive/v"):
        put_pickle(tmp_path, place)
    put_pickle(tmp_path, "a\nb/positive/v")
    put_pickle(tmp_path, "=cmd/positive/v")
    folder = os.fsencode(tmp_path) + b"/\xff\xfe/positive/v"
    os.makedirs(folder)  # noqa: PTH103 -- the name is no text
    with open(folder + b"/v.pkl", "wb"):  # noqa: PTH123
        pass
    found = walk_tree(tmp_path)[0]
    assert {one.fault.code for one in found if one.fault} == {"bad_id", "bad_view"}
    assert len(found) == 7
    assert all(one.fault and one.sequence_id.startswith("refused_") for one in found)
    assert len({one.sequence_id for one in found}) == 7
    for one in found:
        assert (one.id + one.view + one.place).isprintable()
        one.place.encode()


def test_links_pipes_and_devices_are_never_read(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    put_pickle(outside, "o/positive/v")
    put_pickle(tree, "good/positive/v")
    (tree / "linked_id").symlink_to(outside / "o")
    (tree / "a").mkdir()
    (tree / "a" / "positive").symlink_to(outside / "o" / "positive")
    (tree / "b" / "positive").mkdir(parents=True)
    (tree / "b" / "positive" / "v").symlink_to(outside / "o" / "positive" / "v")
    (tree / "c" / "positive" / "v").mkdir(parents=True)
    (tree / "c" / "positive" / "v" / "v.pkl").symlink_to(outside / "o" / "positive" / "v" / "v.pkl")
    (tree / "d" / "positive" / "v").mkdir(parents=True)
    os.mkfifo(tree / "d" / "positive" / "v" / "v.pkl")
    (tree / "e" / "positive" / "v").mkdir(parents=True)
    (tree / "e" / "positive" / "v" / "v.pkl").mkdir()
    (tree / "loop").symlink_to(tree)
    os.mkfifo(tree / "pipe")
    found, problems = walk_tree(tree)
    assert {one.id: one.fault.code if one.fault else None for one in found} == {
        "good": None,
        "c": "link",
        "d": "not_a_file",
        "e": "not_a_file",
    }
    assert {(problem.file, problem.code, problem.severity) for problem in problems} == {
        ("linked_id", "link", "error"),
        ("a/positive", "link", "error"),
        ("b/positive/v", "link", "error"),
        ("loop", "link", "error"),
        ("pipe", "not_a_file", "error"),
    }


def test_files_outside_the_layout_are_named_and_stop_nothing(tmp_path: Path) -> None:
    path = put_pickle(tmp_path, "a/positive/v")
    for stray in ("README.txt", "a/x.csv", "a/positive/y.json", "a/positive/v/.DS_Store"):
        (tmp_path / stray).touch()
    (path.parent / "._v.pkl").touch()
    found, problems = walk_tree(tmp_path)
    assert [one.fault for one in found] == [None]
    assert {problem.code for problem in problems} == {"unlisted_file"}
    assert {problem.severity for problem in problems} == {"warning"}
    assert len(problems) == 5


def test_a_folder_that_can_not_be_read_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_pickle(tmp_path, "a/positive/v")
    put_pickle(tmp_path, "b/positive/v")
    scan = os.scandir

    def refuse_one(folder: Path) -> Iterator[os.DirEntry[str]]:
        if folder == tmp_path / "a":
            raise PermissionError(13, "no", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse_one)
    found, problems = walk_tree(tmp_path)
    assert [one.id for one in found] == ["b"]
    assert [(one.file, one.code, one.value) for one in problems] == [
        ("a", "unreadable", "Permission denied")
    ]


def test_a_folder_must_hold_one_sequence(tmp_path: Path) -> None:
    (put_pickle(tmp_path, "a/positive/v").parent / "w.pkl").touch()
    (put_pickle(tmp_path, "b/positive/v").parent / "0.png").touch()
    (tmp_path / "c" / "positive" / "v").mkdir(parents=True)
    assert _faults(tmp_path) == {
        "a/positive/v": "several_files",
        "b/positive/v": "several_files",
        "c/positive/v": "no_frames",
    }


def test_ids_of_several_classes_and_unknown_classes_are_refused(tmp_path: Path) -> None:
    put_pickle(tmp_path, "a/positive/v")
    put_pickle(tmp_path, "a/negative/w")
    put_pickle(tmp_path, "b/scoliosis/v")
    put_pickle(tmp_path, "c/positive/v")
    put_pickle(tmp_path, "c/unknown/w")
    assert _faults(tmp_path) == {
        "a/positive/v": "conflicting_labels",
        "a/negative/w": "conflicting_labels",
        "b/scoliosis/v": "unknown_label",
        "c/positive/v": None,
        "c/unknown/w": "unknown_label",
    }


def test_ids_that_differ_by_case_or_meet_in_another_are_refused(tmp_path: Path) -> None:
    put_pickle(tmp_path, "p1/positive/v")
    put_pickle(tmp_path, "P1/positive/v")
    put_pickle(tmp_path, "q/positive/side")
    put_pickle(tmp_path, "q/Positive/side")
    put_pickle(tmp_path, "r/positive/a")
    put_pickle(tmp_path, "r/positive/b")
    put_pickle(tmp_path, "r_a/positive/x")
    put_pickle(tmp_path, "s/positive/v")
    faults = _faults(tmp_path)
    assert {place for place, code in faults.items() if code is None} == {
        "r/positive/b",
        "s/positive/v",
    }
    assert {code for code in faults.values() if code} == {"id_clash"}


def test_ids_and_views_too_long_together_are_refused(tmp_path: Path) -> None:
    put_pickle(tmp_path, f"{'a' * 80}/positive/v")
    put_pickle(tmp_path, f"{'b' * 79}/positive/v")
    put_pickle(tmp_path, f"{'b' * 79}/positive/w")
    found = walk_tree(tmp_path)[0]
    assert {one.id[0]: one.fault.code if one.fault else None for one in found} == {
        "a": None,
        "b": "bad_id",
    }


@pytest.mark.parametrize("name", ["missing", "file", "empty"])
def test_a_tree_without_sequences_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "a" / "positive").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no such folder|no sequence in"):
        walk_tree(tmp_path / name)
