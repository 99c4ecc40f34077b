"""One thing wrong with a batch, and how a value from outside is shown to a person.

Which things are wrong is decided by the tables, the rules and the probe.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

import polars as pl

from transforms.printable import shorten
from transforms.schemas import PROBLEMS

_SHOWN_CHARACTERS: Final = 60
_FORMULA_STARTS: Final = ("=", "+", "-", "@")

# What a person should look at although nothing is refused for it.
_WARNINGS: Final = frozenset(
    {
        "unknown_column",
        "unlisted_file",
        "id_without_digit",
        "participant_without_recordings",
        "start_offset_missing",
        "sync_group_of_one",
        "truncated_video",
        # Of imported trees:
        "absent_id",
        "converted_dtype",
        "dropped_frames",
        "id_as_participant",
        "scaled_levels",
    }
)


@dataclass(frozen=True)
class Problem:
    """One thing wrong: where it is, what was found and what would have been right.

    Attributes:
        file: the table or video, relative to the batch folder.
        row: the line of the CSV file on which the row begins, the header being line 1.
        column: the column of the table.
        value: what was found, made safe to show (see `show_value`).
        expected: what would have been right.
        code: a stable word for this kind of problem.
        message: one sentence for a person.
    """

    file: str
    row: int | None
    column: str | None
    value: str | None
    expected: str
    code: str
    message: str

    @property
    def severity(self) -> str:
        """`warning` where nothing is refused because of it, else `error`."""
        return "warning" if is_warning(self.code) else "error"


def is_warning(code: str) -> bool:
    """Tell whether nothing is refused because of a problem with this code."""
    return code in _WARNINGS


def show_value(text: str) -> str:
    """Return a value from outside shortened, with nothing in it that a reader could trip over.

    Control, direction and other invisible characters are escaped; what a spreadsheet would take
    for a formula is led by an apostrophe.
    """
    safe = shorten(text, _SHOWN_CHARACTERS)
    return f"'{safe}" if safe.startswith(_FORMULA_STARTS) else safe


def problems_frame(problems: Iterable[Problem]) -> pl.DataFrame:
    """Return problems as the table PROBLEMS, sorted by file, row, column and code."""
    rows = [asdict(problem) | {"severity": problem.severity} for problem in problems]
    types = {"row": pl.Int32}
    schema = {name: types.get(name, pl.String()) for name in PROBLEMS.names}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.sort("file", "row", "column", "code", "value", nulls_last=False)
