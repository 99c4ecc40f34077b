"""How alike the sides of a split are in what the solver balances, as numbers for the proof."""

import math
from typing import Final

import polars as pl

from transforms.splits.features import BALANCED

_DIGITS: Final = 6  # means are shown, not computed with; more digits would only differ by machine
_COLUMNS: Final = tuple(name for name in BALANCED if name != "site")


def tabulate_balance(
    participants: pl.DataFrame, rows: pl.DataFrame
) -> list[dict[str, str | int | float | None]]:
    """Return one row per class and side: participants, sequences, and each column's mean.

    Args:
        participants: columns participant_id, label and `features.BALANCED`.
        rows: columns participant_id, label, side; one row per sequence.

    Returns:
        Rows sorted by label and side. `<column>_mean` is null where no value is known;
        `<column>_shift` is the mean's distance from the class's mean in standard deviations of
        the class, null where that is zero or unknown.
    """
    found: list[dict[str, str | int | float | None]] = []
    sides = rows.group_by("label", "side").agg(pl.col("participant_id"))
    for label, side, ids in sides.sort("label", "side").iter_rows():
        members = participants.filter(pl.col("label") == label)
        some = members.filter(pl.col("participant_id").is_in(list(set(ids))))
        row: dict[str, str | int | float | None] = {
            "label": label,
            "side": side,
            "participants": some.height,
            "sequences": len(ids),
        }
        for column in _COLUMNS:
            mean, shift = _compare(some[column], members[column])
            row |= {f"{column}_mean": mean, f"{column}_shift": shift}
        found.append(row)
    return found


def _compare(some: pl.Series, members: pl.Series) -> tuple[float | None, float | None]:
    part, whole = _known(some), _known(members)
    if not part:
        return None, None
    mean = math.fsum(part) / len(part)
    centre = math.fsum(whole) / len(whole)
    deviation = math.sqrt(math.fsum((value - centre) ** 2 for value in whole) / len(whole))
    shift = round((mean - centre) / deviation, _DIGITS) if deviation > 0 else None
    return round(mean, _DIGITS), shift


def _known(values: pl.Series) -> list[float]:
    return [float(value) for value in values if value is not None]
