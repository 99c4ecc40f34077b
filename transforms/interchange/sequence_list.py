"""`sequences.csv` beside a tree: whose walk each id is, and what else a tree has no place for."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transforms.errors import InputError
from transforms.intake.problems import Problem, is_warning
from transforms.intake.tables import LINE, CellRule, ColumnContract, check_cells, read_table
from transforms.shards.webdataset import SEQUENCE_ID

LIST_NAME: Final = "sequences.csv"
_HEADER: Final = ("id", "participant_id", "session", "fps")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RATE: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,17})?")


def _id_rule(pattern: re.Pattern[str], longest: int) -> CellRule:
    return CellRule(
        "bad_id",
        f"1 to {longest} letters (a-z), digits, - or _, not beginning with - or _",
        lambda text: pattern.fullmatch(text) is not None,
    )


_COLUMNS: Final = (
    ColumnContract("id", True, False, (_id_rule(SEQUENCE_ID, 80),)),
    ColumnContract("participant_id", True, False, (_id_rule(_NAME, 64),)),
    ColumnContract("session", False, True, (_id_rule(_NAME, 64),)),
    ColumnContract(
        "fps",
        False,
        True,
        (
            CellRule(
                "out_of_range",
                "frames per second, 1 to 1000",
                lambda text: _RATE.fullmatch(text) is not None and 1 <= float(text) <= 1000,
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Listed:
    """What the list says about one id."""

    participant_id: str
    session: str | None = None
    fps: float | None = None


def read_sequence_list(path: Path) -> tuple[dict[str, Listed], list[Problem]]:
    """Return what the list says by id, and everything wrong with its rows, which are left out.

    Raises:
        InputError: the table as a whole can't be used.
    """
    table = read_table(path, _COLUMNS)
    if table.faults:
        raise InputError(
            "; ".join(table.faults),
            where=path,
            expected="a CSV file with the columns id, participant_id[, session, fps]",
        )
    problems = [*table.problems, *check_cells(table, _COLUMNS)]
    refused = {problem.row for problem in problems if not is_warning(problem.code)}
    listed: dict[str, Listed] = {}
    twice: dict[str, int] = {}
    for row in table.frame.iter_rows(named=True):
        if row[LINE] in refused:
            continue
        if row["id"] in listed or row["id"] in twice:
            twice[row["id"]] = row[LINE]
            listed.pop(row["id"], None)
            continue
        fps = float(row["fps"]) if row["fps"] else None
        listed[row["id"]] = Listed(row["participant_id"], row["session"] or None, fps)
    problems += [
        Problem(path.name, line, "id", name, "one row per id", "duplicate_id", "the id is repeated")
        for name, line in twice.items()
    ]
    return listed, problems


def encode_sequence_list(rows: Mapping[str, Listed]) -> bytes:
    """Return the list as CSV, sorted by id."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for name, row in sorted(rows.items()):
        # Python's own words for a number give the same number back.
        fps = "" if row.fps is None else repr(row.fps).removesuffix(".0")
        writer.writerow((name, row.participant_id, row.session or "", fps))
    return text.getvalue().encode()
