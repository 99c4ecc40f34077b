"""Two models judged on the same participants: how much better is the second, and how sure is that.

Both are resampled together, so that a participant who is hard for both does not widen the interval
of their difference.
"""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from transforms.errors import InputError
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import read_predictions
from transforms.metrics.seeds import (
    UNITS,
    describe_difference,
    describe_measured,
    measure_seeds,
    require_same_test,
)
from transforms.settings import EvaluationSettings

FIRST: Final = "first"
SECOND: Final = "second"
DIFFERENCE: Final = "difference"  # second minus first

Comparison = dict[str, dict[str, dict[str, Any]]]  # `Any`: JSON


def compare_experiments(
    first: Sequence[pl.DataFrame],
    second: Sequence[pl.DataFrame],
    settings: EvaluationSettings,
    *,
    names: tuple[str, str] = (FIRST, SECOND),
) -> Comparison:
    """Return unit -> metric -> the value of both and their difference.

    Each of the three is what `transforms.metrics.seeds.describe_measured` gives.

    Args:
        first: a table of `predictions_schema` per seed.
        second: the same of the other model, in the same order of seeds.
        settings: resamples, confidence and seed of the intervals.
        names: what to call the two in errors.

    Raises:
        InputError: there is no seed, one has more of them, or the test sides are not the same.
    """
    if not first or len(first) != len(second):
        raise InputError(
            "both models need the same seeds, at least one",
            found=f"{names[0]}: {len(first)}, {names[1]}: {len(second)}",
        )
    judged = [[read_predictions(table) for table in tables] for tables in (first, second)]
    require_same_test(
        [*first, *second],
        what="only models judged on the same test side can be compared",
        where=" and ".join(names),
    )
    people = int(judged[0][0].participant.max()) + 1
    weights = draw_weights(people, settings.bootstrap_resamples, settings.seed)
    found: Comparison = {}
    for unit in UNITS:
        one, other = (measure_seeds(seeds, unit, weights) for seeds in judged)
        found[unit] = {
            metric: {
                FIRST: describe_measured(one[metric], settings.confidence),
                SECOND: describe_measured(other[metric], settings.confidence),
                DIFFERENCE: describe_difference(
                    one[metric], other[metric], settings.confidence, is_paired=True
                ),
            }
            for metric in one
        }
    return found
