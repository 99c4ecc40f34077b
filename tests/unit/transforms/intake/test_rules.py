"""Rows that contradict each other are all named, with the lines of the others."""

import polars as pl

from transforms.intake.problems import Problem
from transforms.intake.rules import (
    check_participants_are_used,
    check_references,
    check_start_offsets,
    check_sync_groups,
    check_unique_ids,
)


def _participants(*rows: tuple[str, str]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["participant_id", "label"], orient="row")
    return frame.with_row_index("line", offset=2)


def _recordings(*rows: tuple[str, str, str, str, str]) -> pl.DataFrame:
    names = ["recording_id", "participant_id", "view", "session", "sync_group"]
    return pl.DataFrame(rows, schema=names, orient="row").with_row_index("line", offset=2)


def _codes(problems: list[Problem]) -> list[tuple[int | None, str]]:
    return [(problem.row, problem.code) for problem in problems]


def test_a_repeated_row_is_refused_and_the_first_stays() -> None:
    frame = _participants(("P1", "negative"), ("P2", "negative"), ("P1", "negative"))
    (problem,) = check_unique_ids("participants.csv", frame, "participant_id")
    assert (problem.row, problem.code) == (4, "duplicate_participant_id")
    assert "lines 2, 4" in problem.message


def test_a_participant_with_two_labels_is_refused_altogether() -> None:
    frame = _participants(("P1", "negative"), ("P1", "positive"))
    problems = check_unique_ids("participants.csv", frame, "participant_id")
    assert _codes(problems) == [(2, "conflicting_label"), (3, "conflicting_label")]


def test_ids_that_differ_in_case_only_are_a_conflict() -> None:
    frame = _participants(("P1", "negative"), ("p1", "negative"))
    problems = check_unique_ids("participants.csv", frame, "participant_id")
    assert {problem.code for problem in problems} == {"conflicting_participant_id"}
    assert len(problems) == 2


def test_two_recordings_with_one_id_are_both_refused() -> None:
    frame = _recordings(("R1", "P1", "side", "", ""), ("R1", "P2", "side", "", ""))
    problems = check_unique_ids("recordings.csv", frame, "recording_id")
    assert _codes(problems) == [(2, "conflicting_recording_id"), (3, "conflicting_recording_id")]


def test_empty_ids_are_not_duplicates() -> None:
    frame = _participants(("", "negative"), ("", "positive"))
    assert check_unique_ids("participants.csv", frame, "participant_id") == []


def test_references_must_exist_and_participants_should_be_used() -> None:
    participants = _participants(("P1", "negative"), ("P2", "negative"))
    recordings = _recordings(("R1", "P1", "side", "", ""), ("R2", "p1", "side", "", ""))
    assert _codes(check_references(recordings, participants)) == [(3, "unknown_participant")]
    (warning,) = check_participants_are_used(participants, recordings)
    assert (warning.row, warning.code) == (3, "participant_without_recordings")
    assert warning.severity == "warning"


def test_a_sound_sync_group_has_no_problem() -> None:
    frame = _recordings(("R1", "P1", "side", "s1", "G"), ("R2", "P1", "front", "s1", "G"))
    assert check_sync_groups(frame) == []


def test_a_mixed_sync_group_is_refused_for_each_reason() -> None:
    frame = _recordings(
        ("R1", "P1", "side", "s1", "G"),
        ("R2", "P2", "side", "s2", "G"),
        ("R3", "P1", "side", "s1", ""),
    )
    problems = check_sync_groups(frame)
    assert {problem.code for problem in problems} == {
        "sync_group_mixed_participants",
        "sync_group_mixed_sessions",
        "sync_group_repeated_view",
    }
    assert {problem.row for problem in problems} == {2, 3}


def test_a_sync_group_of_one_is_a_warning() -> None:
    (problem,) = check_sync_groups(_recordings(("R1", "P1", "side", "s1", "G")))
    assert (problem.code, problem.severity) == ("sync_group_of_one", "warning")


def test_start_offsets_need_a_sync_group_and_all_of_it() -> None:
    frame = _recordings(
        ("R1", "P1", "side", "s1", "G"),
        ("R2", "P1", "front", "s1", "G"),
        ("R3", "P1", "side", "s2", "H"),
        ("R4", "P1", "front", "s2", "H"),
        ("R5", "P1", "side", "s3", ""),
        ("R6", "P1", "side", "s4", "K"),
    ).with_columns(pl.Series("start_offset_s", ["0.2", "-0.15", "0", "", "0.3", ""]))
    problems = check_start_offsets(frame)
    assert _codes(problems) == [
        (6, "start_offset_without_sync_group"),
        (5, "start_offset_missing"),
    ]
    assert [problem.severity for problem in problems] == ["error", "warning"]
