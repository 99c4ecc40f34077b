"""A comparison of two releases as text for people, and as plain values for programs."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from transforms.describe.formatting import plural
from transforms.printable import escape
from transforms.release.diff import Difference
from transforms.release.diff_changes import Change, Item
from transforms.release.diff_rule import Level, highest
from transforms.release.diff_sides import Side

_KINDS: Final = ("added", "removed", "changed")
_HEADINGS: Final = ("", *_KINDS, "asks for")


def describe_difference(difference: Difference) -> dict[str, Any]:
    """Return the comparison as plain JSON values."""
    return {
        "older": _describe_side(difference.older),
        "newer": _describe_side(difference.newer),
        "changes": [asdict(change) for change in difference.changes],
        "level": difference.level,
        "version": asdict(difference.verdict),
    }


def _describe_side(side: Side) -> dict[str, str]:
    return {"directory": str(side.directory), "version": side.version, "format": side.format}


def render_difference(difference: Difference, *, shown: int | None) -> str:
    """Return the comparison as text.

    Args:
        difference: what changed.
        shown: how many records of one change are named; None: all.
    """
    older, newer = difference.older, difference.newer
    lines = [f"{escape(older.version)} ({older.directory})"]
    lines += [f"{escape(newer.version)} ({newer.directory})", ""]
    if older.format != newer.format:
        lines += [
            f"The releases have different formats, {escape(older.format)} and "
            f"{escape(newer.format)}: tables are compared in the columns that both have.",
            "",
        ]
    if difference.changes:
        lines += [*_tabulate(difference.changes), ""]
        for change in difference.changes:
            lines += [*_list_items(change, shown), ""]
    else:
        lines += ["Nothing differs.", ""]
    return "\n".join([*lines, judge_in_words(difference)])


def judge_in_words(difference: Difference) -> str:
    """Return whether the newer version number says what changed."""
    verdict, level = difference.verdict, difference.level
    found = escape(difference.newer.version) or "no version number"
    asked = f"A {level} change moves {verdict.part}" if verdict.part else "Nothing has to move"
    answer = "honours that" if verdict.is_honoured else "does not honour that"
    return f"{asked} (needed: {escape(verdict.needs)}); {found} {answer}."


def _tabulate(changes: tuple[Change, ...]) -> list[str]:
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for part in dict.fromkeys(change.part for change in changes):
        of_part = [change for change in changes if change.part == part]
        counts = [sum(len(c.items) for c in of_part if c.kind == kind) for kind in _KINDS]
        rows.append((part, *map(str, counts), str(highest([c.level for c in of_part]))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [_align(row, widths) for row in rows]


def _align(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if 0 < column < len(row) - 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _list_items(change: Change, shown: int | None) -> Iterator[str]:
    count = plural(len(change.items), "record")
    marks = {Level.MAJOR: " (major)", Level.MINOR: " (minor)"}
    what = "" if change.what == change.part else f", {escape(change.what)}"
    yield f"{change.part}{what} {change.kind}: {count}{marks.get(change.level, '')}"
    for item in change.items[:shown]:
        yield f"  {_show(item)}"
    if shown is not None and len(change.items) > shown:
        yield f"  and {len(change.items) - shown:,} more; --all shows them"


def _show(item: Item) -> str:
    if item.before is None and item.after is None:
        return escape(item.name)
    if item.before is None:
        return escape(f"{item.name}: {item.after}")
    return escape(f"{item.name}: {item.before} -> {item.after}")
