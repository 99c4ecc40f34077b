"""What rows and tables of a batch must be true of together: unique ids, references, sync groups.

Single cells are judged in `tables`, videos in `probe`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from transforms.intake.problems import Problem, show_value
from transforms.intake.tables import LINE

_Row = Mapping[str, Any]  # `Any`: text cells, and an integer under `line`


def check_unique_ids(file: str, frame: pl.DataFrame, column: str) -> list[Problem]:
    """Return a problem for every row whose id is not its own.

    Of rows that are equal in every cell the first stays good. Rows that share an id and differ are
    all problems, since nobody can tell here which of them is true; two labels for one participant
    are such a case. Ids that differ in letter case only count as equal: file systems and people
    take them for the same.
    """
    problems = []
    for rows in _group(frame, column, fold_case=True).values():
        if len(rows) == 1:
            continue
        cells = [{key: value for key, value in row.items() if key != LINE} for row in rows]
        if all(other == cells[0] for other in cells):
            concerned: Sequence[_Row] = rows[1:]
            code, message = f"duplicate_{column}", "the row repeats an earlier one"
        else:
            concerned = rows
            code, message = _conflict(column, cells)
        lines = show_lines(row[LINE] for row in rows)
        problems += [
            _problem(file, row, column, f"one row per {column}", code, f"{message}: {lines}")
            for row in concerned
        ]
    return problems


def check_references(recordings: pl.DataFrame, participants: pl.DataFrame) -> list[Problem]:
    """Return a problem for every recording whose participant has no row at all."""
    known = set(participants["participant_id"])
    return [
        _problem(
            "recordings.csv",
            row,
            "participant_id",
            "an id from participants.csv",
            "unknown_participant",
            "the participant is not in participants.csv",
        )
        for row in recordings.iter_rows(named=True)
        if row["participant_id"] and row["participant_id"] not in known
    ]


def check_participants_are_used(
    participants: pl.DataFrame, recordings: pl.DataFrame
) -> list[Problem]:
    """Return a warning for every participant without a recording."""
    used = set(recordings["participant_id"])
    return [
        _problem(
            "participants.csv",
            row,
            "participant_id",
            "at least one row in recordings.csv",
            "participant_without_recordings",
            "no recording names this participant",
        )
        for row in participants.iter_rows(named=True)
        if row["participant_id"] and row["participant_id"] not in used
    ]


def check_sync_groups(recordings: pl.DataFrame) -> list[Problem]:
    """Return problems of recordings that claim to show one walk from several cameras.

    A group is one participant in one session, each view once; a group of one is a warning.
    """
    problems: list[Problem] = []
    for rows in _group(recordings, "sync_group", fold_case=False).values():
        lines = show_lines(row[LINE] for row in rows)
        participants = {row["participant_id"] for row in rows}
        sessions = {row["session"] for row in rows}
        views = [row["view"] for row in rows]
        findings = [
            (len(participants) > 1, "participant_id", "one participant", "mixed_participants"),
            (len(sessions) > 1, "session", "one session", "mixed_sessions"),
            (len(set(views)) < len(views), "view", "each view once", "repeated_view"),
            (len(rows) == 1, "sync_group", "at least two recordings", "of_one"),
        ]
        for is_found, column, expected, ending in findings:
            if is_found:
                message = f"the sync group {show_value(rows[0]['sync_group'])} is {lines}"
                problems += [
                    _problem(
                        "recordings.csv",
                        row,
                        column,
                        f"{expected} in a sync group",
                        f"sync_group_{ending}",
                        message,
                    )
                    for row in rows
                ]
    return problems


def check_start_offsets(recordings: pl.DataFrame) -> list[Problem]:
    """Return problems of recordings that say when they start, or don't although others do.

    Without a sync group there is no clock that an offset could be counted on. Where only some
    recordings of a group have one it helps nobody, which is a warning.
    """
    lost = [
        _problem(
            "recordings.csv",
            row,
            "start_offset_s",
            "empty, or a sync group whose clock it is counted on",
            "start_offset_without_sync_group",
            "there is no sync group to be ahead of or behind",
        )
        for row in recordings.iter_rows(named=True)
        if row["start_offset_s"] and not row["sync_group"]
    ]
    untold = [
        _problem(
            "recordings.csv",
            row,
            "start_offset_s",
            "a number, as other recordings of the sync group have",
            "start_offset_missing",
            f"other recordings of the sync group {show_value(row['sync_group'])} say when they "
            "start",
        )
        for rows in _group(recordings, "sync_group", fold_case=False).values()
        if any(row["start_offset_s"] for row in rows)
        for row in rows
        if not row["start_offset_s"]
    ]
    return lost + untold


def _conflict(column: str, cells: Sequence[_Row]) -> tuple[str, str]:
    if len({row[column] for row in cells}) > 1:
        return f"conflicting_{column}", "ids that differ in letter case only"
    if "label" in cells[0] and len({row["label"].lower() for row in cells}) > 1:
        return "conflicting_label", "one participant with several labels"
    return f"conflicting_{column}", "rows that share an id and differ otherwise"


def _group(frame: pl.DataFrame, column: str, *, fold_case: bool) -> dict[str, list[_Row]]:
    groups: dict[str, list[_Row]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        if row[column]:
            groups[row[column].casefold() if fold_case else row[column]].append(row)
    return groups


def show_lines(lines: Iterable[int]) -> str:
    """Return `line 7` or `lines 3, 4`, of many lines the first ones."""
    shown = [str(line) for line in lines]
    text = ", ".join(shown[:10]) + (", ..." if len(shown) > 10 else "")
    return f"line {text}" if len(shown) == 1 else f"lines {text}"


def _problem(file: str, row: _Row, column: str, expected: str, code: str, message: str) -> Problem:
    return Problem(
        file=file,
        row=row[LINE],
        column=column,
        value=show_value(row[column]),
        expected=expected,
        code=code,
        message=message,
    )
