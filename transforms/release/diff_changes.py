"""A change from one release to another, and how two tables, lists or mappings are compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from transforms.release.diff_rule import Level

Values = Mapping[str, object]
"""By the name of a record."""


@dataclass(frozen=True)
class Item:
    """A record that changed; None where it was not there, or is not any more."""

    name: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Change:
    """One kind of change.

    Attributes:
        part: participants, sequences, labels, splits, pixels, schema, metrics, ...
        kind: added, removed or changed.
        what: what it is that changed, in words.
        level: what it asks of the version number.
        items: the records, by name.
    """

    part: str
    kind: str
    what: str
    level: Level
    items: tuple[Item, ...]


def compare_presence(
    part: str, what: str, before: Iterable[str], after: Iterable[str]
) -> list[Change]:
    """Return what was added (minor) and removed (major)."""
    old, new = set(before), set(after)
    return [
        Change(part, "added", what, Level.MINOR, tuple(map(Item, sorted(new - old)))),
        Change(part, "removed", what, Level.MAJOR, tuple(map(Item, sorted(old - new)))),
    ]


def list_common_columns(
    a: pl.DataFrame, b: pl.DataFrame, key: str, left_out: Iterable[str]
) -> list[tuple[str, Values, Values]]:
    """Return each column that both tables have: its name, and its values by record."""
    names = [name for name in a.columns if name in b.columns and name not in left_out]
    return [(name, list_values(a, key, name), list_values(b, key, name)) for name in names]


def list_values(table: pl.DataFrame, key: str, column: str) -> Values:
    """Return a column's values by record; none if the table has no such column."""
    if column not in table.columns:
        return {}
    return dict(zip(table[key].to_list(), table[column].to_list(), strict=True))


def list_changed(before: Values, after: Values) -> tuple[Item, ...]:
    """Return the records of both sides whose value differs."""
    return tuple(
        Item(name, _show(before[name]), _show(after[name]))
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    )


def _show(value: object) -> str:
    return "n/a" if value is None else str(value)
