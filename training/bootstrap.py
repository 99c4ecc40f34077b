"""Confidence intervals by resampling participants, all of a participant's rows together.

A resample is a weight per participant (how often it was drawn), so that metrics which take weights
are computed for all resamples at once.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def draw_weights(participant_count: int, resamples: int, seed: int) -> Floats:
    """Return how often each participant is drawn, with replacement, in each resample.

    The same count and seed give the same draws, so two models judged on the same participants in
    the same order are compared in pairs.

    Returns:
        float64 [resample, participant], whole numbers, rows adding up to `participant_count`.
    """
    random = np.random.default_rng(seed)
    share = np.full(participant_count, 1.0 / participant_count)
    return random.multinomial(participant_count, share, size=resamples).astype(np.float64)


def percentile_interval(values: Floats, confidence: float) -> tuple[float, float] | None:
    """Return the central interval that holds `confidence` of the resampled values.

    Resamples in which the metric is undefined (NaN) are left out; None where they are more than
    half, because what is left would say little about the metric.
    """
    defined = values[~np.isnan(values)]
    if 2 * len(defined) < len(values):
        return None
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)
