"""The pieces a page of the report is made of; each is plain text that the template escapes.

How a piece looks is the template's and the style sheet's business.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import polars as pl

from transforms.describe.formatting import format_cell


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Tiles:
    """A few figures that sum something up: value and what it counts."""

    kind: ClassVar[str] = "tiles"
    tiles: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Statement:
    """One claim and whether it holds."""

    status: Literal["holds", "fails", "not checked", "caution"]
    claim: str
    detail: str


@dataclass(frozen=True)
class Statements:
    """What may be trusted, claim by claim."""

    kind: ClassVar[str] = "statements"
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Table:
    """A table whose first column names the row.

    `numeric` holds the positions of the columns that are set flush right, `codes` of those that
    hold hashes.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    codes: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: counts by truth (rows) and prediction (columns)."""

    kind: ClassVar[str] = "matrix"
    caption: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def share(self, row: int, column: int) -> float:
        """Return the share of a row's total, in [0, 1]."""
        return self.counts[row][column] / max(1, sum(self.counts[row]))


@dataclass(frozen=True)
class Picture:
    """An image inside the page."""

    kind: ClassVar[str] = "picture"
    source: str  # a data: URI
    alternative: str
    caption: str
    form: Literal["plot", "sheet"]


@dataclass(frozen=True)
class Terms:
    """Words and what they mean here."""

    kind: ClassVar[str] = "terms"
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Preformatted text: a command, a hash list, settings."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Missing:
    """A part that has not been made yet, and the command that makes it."""

    kind: ClassVar[str] = "missing"
    what: str
    command: str


@dataclass(frozen=True)
class Group:
    """Pieces under one title: a heading, a drawer that opens, a marked box or a row."""

    kind: ClassVar[str] = "group"
    form: Literal["part", "drawer", "box", "row"]
    title: str
    blocks: "tuple[Block, ...]"


_MOST_OPEN: Final = 8
"""Parts that a section shows at once; of more, each is a drawer."""
Block = (
    Text | Tiles | Statements | Table | Matrix | Picture | Terms | Code | Missing | Group
)  # what a section may hold


@dataclass(frozen=True)
class Section:
    """A numbered section of the report; `anchor` is its id in the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def part_or_drawer(title: str, blocks: "tuple[Block, ...]", *, among: int) -> Group:
    """Return one of `among` parts of a section: open, or a drawer where there are many."""
    return Group("part" if among <= _MOST_OPEN else "drawer", title, blocks)


def svg_picture(svg: str, alternative: str, caption: str) -> Picture:
    """Return a drawing as a picture inside the page."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return Picture(f"data:image/svg+xml;base64,{data}", alternative, caption, "plot")


def png_picture(png: bytes, alternative: str, caption: str) -> Picture:
    """Return a contact sheet as a picture inside the page."""
    data = base64.b64encode(png).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", alternative, caption, "sheet")


def table_of(
    frame: pl.DataFrame,
    caption: str,
    *,
    titles: Mapping[str, str] | None = None,
    limit: int | None = None,
    note: str = "",
) -> Table:
    """Return a data frame as a table, numbers set flush right.

    Args:
        frame: its first column names the rows.
        caption: what the table shows.
        titles: what to call a column; others keep their name with spaces for underscores.
        limit: the most rows to show; the note says how many are left out.
        note: a line under the table.
    """
    titles = titles or {}
    shown = frame if limit is None else frame.head(limit)
    if shown.height < frame.height:
        left_out = f"Shown: the first {shown.height} of {frame.height} rows."
        note = f"{left_out} {note}".strip()
    return Table(
        caption=caption,
        columns=tuple(titles.get(name, name.replace("_", " ")) for name in frame.columns),
        rows=tuple(tuple(format_cell(value) for value in row) for row in shown.iter_rows()),
        numeric=frozenset(place for place, kind in enumerate(frame.dtypes) if kind.is_numeric()),
        note=note,
    )


def rows_table(
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    numeric: Sequence[int] = (),
    codes: Sequence[int] = (),
    note: str = "",
) -> Table:
    """Return rows of plain values as a table; see `Table` for `numeric` and `codes`."""
    # `Any`: a row mixes text and numbers, and `format_cell` tells them apart.
    return Table(
        caption=caption,
        columns=tuple(columns),
        rows=tuple(tuple(format_cell(value) for value in row) for row in rows),
        numeric=frozenset(numeric),
        codes=frozenset(codes),
        note=note,
    )
