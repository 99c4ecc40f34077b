"""Confounders as the columns of a matrix; everything that is learnt comes from the side fitted on.

Numbers are standardised, with the mean and a column of their own for missing values; of levels the
common ones get a column each. A column that is constant on the side fitted on is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from transforms.confounders.people import LEVELS, NUMBERS, Floats, People

_MOST_LEVELS: Final = 32
_FEWEST_PARTICIPANTS: Final = 2  # with a level, for it to get a column; the others share one
_OTHER: Final = -1


@dataclass(frozen=True)
class Encoder:
    """What was learnt of the side fitted on.

    Attributes:
        names: the confounders used.
        centres: confounder -> mean and standard deviation of the known values.
        levels: confounder -> the levels with a column of their own.
        kept: the columns that are not constant on the side fitted on.
    """

    names: tuple[str, ...]
    centres: dict[str, tuple[float, float]]
    levels: dict[str, tuple[str, ...]]
    kept: tuple[int, ...]


def fit_encoder(people: People, names: Sequence[str]) -> Encoder:
    """Learn from `people` how to write the confounders `names` as columns."""
    centres = {name: _centre(people.numbers[name]) for name in names if name in NUMBERS}
    levels = {name: _common_levels(people.levels[name]) for name in names if name in LEVELS}
    encoder = Encoder(tuple(names), centres, levels, ())
    columns = _write_columns(encoder, people)
    kept = np.flatnonzero(np.ptp(columns, axis=0) > 0)
    return Encoder(tuple(names), centres, levels, tuple(int(place) for place in kept))


def encode(encoder: Encoder, people: People) -> Floats:
    """Return float64 [participant, column]; no column where nothing differs."""
    return _write_columns(encoder, people)[:, list(encoder.kept)]


def _write_columns(encoder: Encoder, people: People) -> Floats:
    count = len(people.ids)
    columns: list[Floats] = []
    for name in encoder.names:
        if name in NUMBERS:
            mean, deviation = encoder.centres[name]
            values = people.numbers[name]
            is_missing = np.isnan(values)
            scaled = (np.where(is_missing, mean, values) - mean) / (deviation or 1.0)
            columns.append(np.stack([scaled, is_missing.astype(np.float64)], axis=1))
        else:
            columns.append(_level_shares(people.levels[name], encoder.levels[name], count))
    return np.concatenate(columns, axis=1) if columns else np.zeros((count, 0))


def _centre(values: Floats) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    # `ptp`: the deviation of equal values may be 1e-15 instead of 0, which would blow it up.
    if len(known) == 0 or np.ptp(known) == 0:
        return (float(known[0]) if len(known) else 0.0), 0.0
    return float(known.mean()), float(known.std())


def _common_levels(table: pl.DataFrame) -> tuple[str, ...]:
    counts = table.group_by("level").agg(pl.len()).sort(-pl.col("len").cast(pl.Int64), "level")
    common = counts.filter(pl.col("len") >= _FEWEST_PARTICIPANTS).head(_MOST_LEVELS)
    return tuple(common["level"])


def _level_shares(table: pl.DataFrame, levels: tuple[str, ...], count: int) -> Floats:
    """Return the shares [participant, level], levels without a column of their own in the last."""
    places = {level: place for place, level in enumerate(levels)}
    place = table["level"].replace_strict(places, default=_OTHER, return_dtype=pl.Int64).to_numpy()
    shares = np.zeros((count, len(levels) + 1))
    np.add.at(shares, (table["row"].to_numpy(), place), table["share"].to_numpy())
    return shares
