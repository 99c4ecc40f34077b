import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.interchange.trees import draw, put_pickle, put_pictures, run_import
from transforms.errors import InputError
from transforms.interchange import importer
from transforms.interchange.sequence_files import SequenceContent, SequenceFiles
from transforms.shards.codec import decode_silhouettes
from transforms.worker_pool import Lost


def _table(output: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(output / f"{name}.parquet")


def _verdicts(output: Path) -> dict[str, str | None]:
    rows = _table(output, "intake/recordings").select("file", "reason_code")
    return dict(rows.iter_rows())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    put_pickle(tree, "00001/Positive/000_180")
    put_pickle(tree, "00002/critical/000_180", draw("2", width=44))
    put_pictures(tree, "00003/negative/000_180", draw("3", 12))
    put_pickle(tree, "00004/negative/000_180", draw("4").astype(float))
    return tree


def test_a_tree_becomes_the_tables_of_a_batch(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    summary = run_import(tree, output, fps=15.0, batch_id="b1")
    assert (summary.accepted, summary.rejected) == (3, {"wrong_dtype": 1})
    rows = _table(output, "extraction/sequences").sort("sequence_id").to_dicts()
    assert [(row["sequence_id"], row["participant_id"], row["label"]) for row in rows] == [
        ("00001", "00001", "positive"),
        ("00002", "00002", "neutral"),
        ("00003", "00003", "negative"),
    ]
    last = rows[-1]
    decoded = decode_silhouettes(last["silhouettes"], last["codec"], (12, 64, 64))
    assert (decoded == draw("3", 12)).all()
    assert last["frame_index"] == list(range(12))
    assert last["pts_s"][:2] == [0.0, pytest.approx(1 / 15)]
    assert (last["view"], last["batch_id"], last["fps"]) == ("000_180", "b1", 15.0)
    assert last["extraction_key"].startswith("import_1_")
    rejected = _table(output, "intake/recordings").filter(pl.col("verdict") == "rejected")
    assert "expected uint8" in rejected["reason"][0]
    assert _table(output, "extraction/frames").height == 3 + 3 + 12
    problems = _table(output, "intake/problems")
    assert dict(problems.select("code", "severity").iter_rows()) == {
        "id_as_participant": "warning",
        "wrong_dtype": "error",
    }


def test_dropped_frames_stay_in_the_ledger(tmp_path: Path) -> None:
    mask = np.zeros((120, 160), np.uint8)
    mask[20:110, 60:90] = 255
    put_pictures(tmp_path / "tree", "a/positive/v", [mask, np.zeros_like(mask), mask])
    run_import(tmp_path / "tree", tmp_path / "output", fps=10.0)
    frames = _table(tmp_path / "output", "extraction/frames")
    assert frames["status"].to_list() == ["kept", "dropped", "kept"]
    assert frames["sequence_index"].to_list() == [0, None, 1]
    assert frames["reason"].to_list() == [None, "normalisation_too_few_pixels", None]
    sequence = _table(tmp_path / "output", "extraction/sequences").to_dicts()[0]
    assert sequence["frame_index"] == [0, 2]
    assert sequence["pts_s"] == [0.0, 0.2]
    problems = _table(tmp_path / "output", "intake/problems")
    assert ("dropped_frames", "1 of 3") in problems.select("code", "value").rows()


def _list(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "sequences.csv"
    path.write_text("\n".join(["id,participant_id,session,fps", *rows]) + "\n")
    return path


def test_the_list_says_whose_walk_each_id_is(tree: Path, tmp_path: Path) -> None:
    listing = _list(tmp_path, "00001,P1,s1,25", "00003,P3,,", "00009,P9,,")
    output = tmp_path / "output"
    run_import(tree, output, sequence_list=listing, fps=20.0)
    rows = _table(output, "extraction/sequences").sort("sequence_id").to_dicts()
    assert [(row["participant_id"], row["session"], row["fps"]) for row in rows] == [
        ("P1", "s1", 25.0),
        ("P3", None, 20.0),
    ]
    assert _verdicts(output)["00002/critical/000_180"] == "unlisted_id"
    problems = _table(output, "intake/problems").select("code", "value").rows()
    assert ("absent_id", "00009") in problems
    assert "id_as_participant" not in dict(problems)
    assert _table(output, "intake/participants")["participant_id"].to_list() == ["P1", "P3"]


def test_a_person_with_several_classes_is_refused(tree: Path, tmp_path: Path) -> None:
    listing = _list(tmp_path, "00001,P1,,", "00002,P1,,", "00003,P3,,", "00004,P3,,")
    output = tmp_path / "output"
    run_import(tree, output, sequence_list=listing)
    assert _verdicts(output) == {
        "00001/Positive/000_180": "conflicting_labels",
        "00002/critical/000_180": "conflicting_labels",
        "00003/negative/000_180": None,
        "00004/negative/000_180": "wrong_dtype",
    }


def test_of_copies_the_first_stays_unless_they_contradict(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    put_pickle(tree, "a/positive/v", draw("1"), protocol=2)
    put_pickle(tree, "b/positive/v", draw("1"), protocol=5)
    put_pickle(tree, "c/positive/v", draw("2"))
    put_pickle(tree, "d/negative/v", draw("2"))
    run_import(tree, tmp_path / "unlisted")
    assert _verdicts(tmp_path / "unlisted") == {
        "a/positive/v": None,
        "b/positive/v": "duplicate_content",
        "c/positive/v": "duplicate_content_conflict",
        "d/negative/v": "duplicate_content_conflict",
    }
    listing = _list(tmp_path, "a,P1,,", "b,P2,,", "c,P3,,", "d,P4,,")
    run_import(tree, tmp_path / "listed", sequence_list=listing)
    assert set(_verdicts(tmp_path / "listed").values()) == {"duplicate_content_conflict"}


def test_a_tree_of_which_nothing_is_taken_still_gives_tables(tmp_path: Path) -> None:
    put_pickle(tmp_path / "tree", "a/positive/v", "no array")
    summary = run_import(tmp_path / "tree", tmp_path / "output")
    assert (summary.accepted, summary.rejected) == (0, {"not_an_array": 1})
    assert _table(tmp_path / "output", "extraction/sequences").height == 0


def test_files_that_hang_or_crash_the_reader_cost_themselves_only(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def map_badly(function: Any, files: list[SequenceFiles], **_: Any) -> Any:
        yield 0, Lost("timeout", None, 1)
        yield 1, Lost("died", -9, 1)
        yield from ((position, function(files[position])) for position in (2, 3))

    monkeypatch.setattr(importer, "map_in_workers", map_badly)
    run_import(tree, tmp_path / "output")
    codes = [
        _verdicts(tmp_path / "output")[f"0000{n}/{c}/000_180"]
        for n, c in ((1, "Positive"), (2, "critical"), (3, "negative"))
    ]
    assert codes == ["timeout", "unreadable", None]


def test_too_much_memory_is_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_pickle(tmp_path / "tree", "a/positive/v")

    def take_it_all(data: bytes) -> SequenceContent:
        raise MemoryError

    monkeypatch.setattr("transforms.interchange.sequence_files.read_pickled_array", take_it_all)
    folder = tmp_path / "tree" / "a" / "positive" / "v"
    content = importer.read_sequence(SequenceFiles(folder, ("v.pkl",)))
    assert content.fault is not None
    assert content.fault.code == "too_large"


@pytest.mark.parametrize("fps", [0.0, float("nan"), float("inf"), -30.0])
def test_a_frame_rate_must_be_possible(tree: Path, tmp_path: Path, fps: float) -> None:
    with pytest.raises(InputError, match="frame rate is not possible"):
        run_import(tree, tmp_path / "output", fps=fps)


@pytest.mark.parametrize("batch_id", ["", "../x", "a b", "=x"])
def test_a_batch_name_must_be_an_id(tree: Path, tmp_path: Path, batch_id: str) -> None:
    with pytest.raises(InputError, match="the batch's name is no id"):
        run_import(tree, tmp_path / "output", batch_id=batch_id)
    assert os.listdir(tmp_path / "output") == []  # noqa: PTH208
