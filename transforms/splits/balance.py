"""How alike the sides of a split are in sex, age, height and weight, as numbers for the proof."""

import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from transforms.splits.solver import BALANCED

_DIGITS: Final = 6  # means are shown, not computed with; more digits would only differ by machine


def tabulate_balance(
    participants: pl.DataFrame, sides: Mapping[str, str]
) -> list[dict[str, str | int | float | None]]:
    """Return one row per class and side: participants, sequences, and each column's mean.

    Args:
        participants: columns participant_id, label and `BALANCED`.
        sides: participant_id -> side.

    Returns:
        Rows sorted by label and side. `<column>_mean` is null where no value is known;
        `<column>_shift` is the mean's distance from the class's mean in standard deviations of
        the class, null where that is zero or unknown.
    """
    side = pl.col("participant_id").replace_strict(dict(sides), return_dtype=pl.String)
    table = participants.with_columns(side=side)
    rows: list[dict[str, str | int | float | None]] = []
    for label in sorted(table["label"].unique()):
        members = table.filter(pl.col("label") == label)
        for name in sorted(members["side"].unique()):
            some = members.filter(pl.col("side") == name)
            row: dict[str, str | int | float | None] = {
                "label": label,
                "side": name,
                "participants": some.height,
                "sequences": int(some["sequence_count"].sum()),
            }
            for column in BALANCED:
                mean, shift = _compare(some[column], members[column])
                row |= {f"{column}_mean": mean, f"{column}_shift": shift}
            rows.append(row)
    return rows


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
