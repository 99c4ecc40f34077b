"""What sides should share besides counts: participants' columns as whole numbers, and tolerances.

A side whose mean lies within a tenth of a standard deviation of the class's counts as balanced:
the usual threshold of standardised mean differences (Austin 2009). It also makes optima provable.
"""

import math
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.splits.solving.goals import Goal, Integers

BALANCED: Final = (
    "sequence_count",
    "is_female",
    "age_years",
    "height_cm",
    "weight_kg",
    "site",
    "duration_s",
)
"""Columns of the participants, in the order in which balance is pursued."""
TOLERANCE_SD: Final = 0.1
_UNITS_PER_SD: Final = 100  # balance is counted in whole hundredths of a standard deviation
_MAX_SITES: Final = 20
_OTHER_SITES: Final = "(other)"


def balance_goals(members: pl.DataFrame, expected: NDArray[np.float64]) -> list[Goal]:
    """Return a goal for every balanced column that varies, in their order.

    Args:
        members: the participants that are put on sides, with the columns `BALANCED`; nulls count
            as the mean.
        expected: how many participants each side would have if all had equally many sequences.
    """
    tolerance = np.floor(TOLERANCE_SD * _UNITS_PER_SD * expected).astype(np.int64)
    goals = []
    for name in BALANCED:
        quantities = standardise(_numbers_of(members, name))
        if quantities.shape[1]:
            shape = (len(expected), quantities.shape[1])
            goals.append(
                Goal(
                    name=name,
                    quantities=quantities,
                    targets=np.zeros(shape, np.int64),
                    tolerance=np.tile(tolerance[:, None], (1, quantities.shape[1])),
                )
            )
    return goals


def _numbers_of(members: pl.DataFrame, name: str) -> list[pl.Series]:
    """Return a column as numbers; a category is one column per value."""
    column = members[name]
    if name != "site":
        return [column.cast(pl.Float64)]
    counts = column.drop_nulls().value_counts().sort(["count", "site"], descending=[True, False])
    kept = counts["site"].head(_MAX_SITES).to_list()
    if counts.height > len(kept):
        column = _fold_rare(column, kept)
        kept.append(_OTHER_SITES)
    # Of two sites one says all.
    return [(column == one).cast(pl.Float64) for one in (kept[:1] if len(kept) == 2 else kept)]


def _fold_rare(column: pl.Series, kept: list[str]) -> pl.Series:
    return column.to_frame().select(
        pl.when(pl.col("site").is_in(kept) | pl.col("site").is_null())
        .then(pl.col("site"))
        .otherwise(pl.lit(_OTHER_SITES))
    )["site"]


def standardise(columns: list[pl.Series]) -> Integers:
    """Return columns centred on their means, in hundredths of a standard deviation.

    Returns:
        int64 `(participant, column)`; columns without variation are left out.
    """
    found = []
    for column in columns:
        values = column.to_numpy()
        known = values[~np.isnan(values)]
        if len(known) < 2 or np.ptp(known) == 0:
            continue
        # fsum is exact, so the last bit does not depend on how a machine adds up.
        mean = math.fsum(known) / len(known)
        deviation = math.sqrt(math.fsum((known - mean) ** 2) / len(known))
        scaled = (values - mean) / deviation * _UNITS_PER_SD
        found.append(np.rint(np.nan_to_num(scaled)).astype(np.int64))
    rows = len(columns[0]) if columns else 0
    return np.stack(found, axis=1) if found else np.zeros((rows, 0), dtype=np.int64)
