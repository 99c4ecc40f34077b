from pathlib import Path

import numpy as np
import pytest

from transforms.errors import InputError
from transforms.extract.overrides import Override, apply_override, read_overrides
from transforms.extract.result import RecordingResult

HEADER = "recording_id,decision,track_id,name,reason\n"
IDS = ("r1", "r2", "r3")


def write(path: Path, text: str) -> Path:
    ledger = path / "overrides.csv"
    ledger.write_text(text, encoding="utf-8")
    return ledger


def result(verdict: str, kept: int = 2) -> RecordingResult:
    reasons = (None,) * kept + ("area_jump",)
    return RecordingResult(
        verdict=verdict,
        reason_code=None if verdict == "accepted" else "because",
        reason="a gate",
        pts_s=np.arange(len(reasons), dtype=float),
        drop_reasons=reasons,
        silhouettes=np.ones((kept, 64, 64), np.uint8),
        mask_boxes=np.ones((kept, 4), np.int32),
        mask_bits=np.ones(kept, np.uint8),
    )


def test_no_ledger_holds_no_decisions(tmp_path: Path) -> None:
    assert read_overrides(tmp_path / "overrides.csv", IDS) == {}
    assert read_overrides(write(tmp_path, HEADER), IDS) == {}


def test_the_last_row_of_a_recording_counts(tmp_path: Path) -> None:
    rows = (
        'r1,reject,,Ann,"limps, see notes"\n'
        "r2,accept,1@0123abcd,Bo,the child\n"
        "r1,accept,,Cy,looked again\n"
    )
    assert read_overrides(write(tmp_path, "\ufeff" + HEADER + rows), IDS) == {
        "r1": Override("accept", "Cy", "looked again"),
        "r2": Override("accept", "Bo", "the child", "1@0123abcd"),
    }


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("r9,accept,,Ann,why", "no recording 'r9'"),
        ("r1,perhaps,,Ann,why", "'perhaps'"),
        ("r1,accept,,,why", "name and a reason"),
        ("r1,accept,,Ann,", "name and a reason"),
        ("r1,accept,1,Ann,why", "contact sheet writes it"),
        ("r1,accept,1@0123abcg,Ann,why", "contact sheet writes it"),
        ("r1,reject,1@0123abcd,Ann,why", "accept only"),
        ("r1,accept,,Ann", "5 cells"),
        ("r1,accept,,Ann,why,more", "5 cells"),
        (f"r1,accept,,Ann,{'x' * 501}", "500 characters"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_applied(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_overrides(write(tmp_path, f"{HEADER}r2,accept,,Bo,fine\n{row}\n"), IDS)
    assert "line 3" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n", b"", HEADER.encode() + b'r1,"'])
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "overrides.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"overrides\.csv"):
        read_overrides(tmp_path / "overrides.csv", IDS)


def test_without_a_decision_the_gates_verdict_takes_effect() -> None:
    accepted = apply_override(result("accepted"), None)
    assert len(accepted.kept_frames) == 2
    rejected = apply_override(result("rejected"), None)
    assert rejected.drop_reasons == ("sequence_rejected", "sequence_rejected", "area_jump")
    assert len(rejected.silhouettes) == len(rejected.mask_boxes) == len(rejected.mask_bits) == 0


def test_a_person_may_accept_what_a_gate_rejected() -> None:
    found = apply_override(result("rejected"), Override("accept", "Ann", "fine"))
    assert (found.verdict, found.reason_code, len(found.silhouettes)) == ("accepted", None, 2)


def test_a_person_may_reject_what_the_gates_accepted() -> None:
    found = apply_override(result("accepted"), Override("reject", "Ann", "crutches"))
    assert (found.verdict, found.reason_code) == ("rejected", "rejected_by_a_person")
    assert found.reason == "Ann: crutches"
    assert len(found.kept_frames) == 0


@pytest.mark.parametrize(("verdict", "kept"), [("rejected", 0), ("failed", 0), ("quarantined", 0)])
def test_nobody_can_accept_what_is_not_there(verdict: str, kept: int) -> None:
    found = apply_override(result(verdict, kept), Override("accept", "Ann", "please"))
    assert found.verdict == verdict
    assert "accepted by Ann: please, without effect" in (found.reason or "")
    assert ("no track_id" in (found.reason or "")) == (verdict == "quarantined")


def test_a_ledger_that_is_a_link_or_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text(HEADER)
    (tmp_path / "overrides.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(InputError, match="link or no file"):
        read_overrides(tmp_path / "overrides.csv", IDS)
    with pytest.raises(InputError, match="link or no file"):
        read_overrides(tmp_path, IDS)


def test_a_reason_may_hold_unusual_line_ends(tmp_path: Path) -> None:
    rows = 'r1,reject,,Ann,"first\u2028second"\n'
    assert read_overrides(write(tmp_path, HEADER + rows), IDS)["r1"].reason == "first\u2028second"
