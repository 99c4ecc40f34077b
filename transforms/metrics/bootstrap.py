"""Confidence intervals by resampling participants, all of a participant's rows together.

A resample is a weight per participant (how often it was drawn), so that metrics which take weights
are computed for all resamples at once.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NO_INTERVAL: Final = "no interval: undefined in more than half of the resamples"


def draw_weights(participant_count: int, resamples: int, seed: int) -> Floats:
    """Return how often each participant is drawn, with replacement, in each resample.

    The same count and seed give the same draws, so two models judged on the same participants in
    the same order are compared in pairs.

    Returns:
        float64 [resample, participant], whole numbers, rows adding up to `participant_count`.
    """
    return _draw(np.random.default_rng(seed), participant_count, resamples)


def draw_weights_in_parts(
    participant_count: int, resamples: int, seed: int, *, at_once: int
) -> Iterator[Floats]:
    """Yield the rows of `draw_weights`, the same ones, at most `at_once` at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, at_once):
        yield _draw(random, participant_count, min(at_once, resamples - start))


def percentile_interval(values: Floats, confidence: float) -> tuple[float, float] | None:
    """Return the central interval that holds `confidence` of the resampled values.

    Resamples in which the metric is undefined (NaN) are left out; None where they are more than
    half, because what is left would say little about the metric, or where there are none.
    """
    defined = values[~np.isnan(values)]
    if not len(defined) or 2 * len(defined) < len(values):
        return None
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def _draw(random: np.random.Generator, participant_count: int, resamples: int) -> Floats:
    share = np.full(participant_count, 1.0 / participant_count)
    return random.multinomial(participant_count, share, size=resamples).astype(np.float64)
