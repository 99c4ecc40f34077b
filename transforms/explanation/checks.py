"""Checks that a map has to pass before it is looked at: does it depend on what was learnt?

Adebayo et al., Sanity Checks for Saliency Maps, 2018: a map that stays the same when the weights
are replaced by random ones shows the input's outline and not the model. A map that merely follows
noise would pass that, so the mean map of one half of the people has to resemble the other's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.explanation.regions import Reals, cover_cells
from transforms.explanation.shares import METHODS, Floats, Group, average_people

ALL_WEIGHTS: Final = "all weights randomised"
HEAD_WEIGHTS: Final = "head randomised"
OTHER_PEOPLE: Final = "other people"
_MIN_COVER: Final = 0.05
"""Cells that the figure covers less are not compared: that a background is empty proves nothing."""
_MIN_PEOPLE: Final = 4

Whole = Mapping[str, Floats]  # by method, (16, 11) as `SequenceMaps.whole`


def correlate_maps(one: Reals, other: Reals, silhouette: Reals) -> float | None:
    """Return Spearman's rank correlation over the cells of the figure.

    Args:
        one: `(16, 11)`.
        other: `(16, 11)`.
        silhouette: `(64, 44)`, the mean of the frames in [0, 1].

    Returns:
        None where a map is the same everywhere.
    """
    from scipy.stats import spearmanr

    inside = cover_cells(silhouette) > _MIN_COVER
    first, second = one[inside], other[inside]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def tabulate_checks(
    randomised: Mapping[str, Sequence[tuple[Floats, Whole, Whole]]],
    groups: Sequence[Group],
    limit: float,
) -> pl.DataFrame:
    """Return one row per method and check; `is_passed` is null where it could not be made.

    Args:
        randomised: by check, silhouette and maps of a sequence before and after.
        groups: all sequences, for `OTHER_PEOPLE`.
        limit: see `ExplanationSettings.correlation_limit`.
    """
    rows: list[dict[str, Any]] = []
    for method in _list_methods(randomised, groups):
        for check, found in randomised.items():
            if (method, check) == ("attention", HEAD_WEIGHTS):
                continue  # it is taken before the head
            values = [
                abs(value)
                for silhouette, before, after in found
                if (value := correlate_maps(before[method], after[method], silhouette)) is not None
            ]
            value = float(np.mean(values)) if values else None
            rows.append(_row(method, check, value, "below", limit, len(values)))
        halves = [_compare_halves(group, method) for group in groups]
        known = [value for value in halves if value is not None]
        rows.append(
            _row(method, OTHER_PEOPLE, min(known) if known else None, "above", limit, len(known))
        )
    schema = {
        "method": pl.String,
        "check": pl.String,
        "correlation": pl.Float64,  # mean of absolute values; of OTHER_PEOPLE the lowest of groups
        "must_be": pl.String,
        "limit": pl.Float64,
        "compared": pl.Int32,  # sequences; of OTHER_PEOPLE groups
        "is_passed": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema)


def _list_methods(
    randomised: Mapping[str, Sequence[tuple[Floats, Whole, Whole]]], groups: Sequence[Group]
) -> tuple[str, ...]:
    """Return the maps that were made; all there are where checks were asked for of no sequence."""
    if groups:
        return groups[0].methods
    compared = [before for found in randomised.values() for _, before, _ in found]
    if compared:
        return tuple(method for method in METHODS if method in compared[0])
    return METHODS if randomised else ()


def _row(
    method: str, check: str, value: float | None, must_be: str, limit: float, compared: int
) -> dict[str, Any]:
    is_passed = None if value is None else (value < limit if must_be == "below" else value > limit)
    return {
        "method": method,
        "check": check,
        "correlation": value,
        "must_be": must_be,
        "limit": limit,
        "compared": compared,
        "is_passed": is_passed,
    }


def _compare_halves(group: Group, method: str) -> float | None:
    """Return how much alike the mean maps of every other person and of the rest are."""
    people = sorted({one.participant_id for one in group.members})
    if len(people) < _MIN_PEOPLE:
        return None
    means: list[Reals] = []
    for half in (set(people[::2]), set(people[1::2])):
        maps = {
            one.sequence_id: one.whole[method]
            for one in group.members
            if one.participant_id in half
        }
        means.append(average_people(group, maps)[0])
    silhouette = average_people(group, {one.sequence_id: one.silhouette for one in group.members})
    return correlate_maps(means[0], means[1], silhouette[0])
