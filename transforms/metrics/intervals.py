"""Confidence intervals for metrics that lie between 0 and 1, from their resampled values.

The resamples (`transforms.metrics.bootstrap`) say how much a metric varies over other participants.
That becomes the number of independent answers that would vary as much, and Wilson's interval for so
many. Percentiles of the resamples are simpler, but cover far too rarely for few participants and
near 0 and 1: `docs/metrics.md` has the measurement of both.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from transforms.metrics.bootstrap import Floats

Interval = tuple[float, float]


@dataclass(frozen=True)
class Evidence:
    """What a metric was seen on.

    Attributes:
        people: participants it is about; of those inside or outside a positive set, the fewer.
        rows: answers it is about: participants, or their sequences.
        is_clustered: participants have several rows.
    """

    people: int
    rows: int
    is_clustered: bool


def score_interval(
    value: float, spread: Floats, confidence: float, evidence: Evidence
) -> Interval | None:
    """Return the Wilson interval of as many independent answers as the metric is worth.

    Where no resample differs, as for a perfect score, each participant counts as one answer. Where
    none can differ, as for the area 0.5 of scores that are all equal, the interval is the value.

    Args:
        value: the metric.
        spread: the metric in each resample, NaN where undefined.
        confidence: how often the interval should hold the truth.
        evidence: what the metric was seen on.

    Returns:
        None where more than half of the resamples leave the metric undefined, or all of them.
    """
    defined = spread[~np.isnan(spread)]
    if len(defined) < 2 or 2 * len(defined) < len(spread):
        return None
    share = min(max(value, 0.0), 1.0)
    variance = float(np.var(defined, ddof=1))
    if variance == 0 and 0 < share < 1 and evidence.people > 1 and not evidence.is_clustered:
        return value, value
    answers = float(evidence.people)
    if variance > 0 and 0 < share < 1:
        # A share of n answers is never worth more than n; near 0 and 1 few resamples show its luck.
        answers = min(share * (1 - share) / variance, float(evidence.rows))
    return _wilson(share, answers, _quantile(confidence, evidence))


def difference_interval(
    first: tuple[float, Interval], second: tuple[float, Interval], correlation: float
) -> Interval:
    """Return the interval of second minus first, each given as a value and its interval.

    Newcombe's square-and-add rule for two estimates that vary together (Zou 2007).

    Args:
        first: what is subtracted.
        second: what it is subtracted from.
        correlation: of the two over resamples of the participants; 0 for other participants.
    """
    (one, (one_low, one_high)), (other, (other_low, other_high)) = first, second
    difference = other - one
    return (
        difference - _add(other - other_low, one_high - one, correlation),
        difference + _add(other_high - other, one - one_low, correlation),
    )


def correlate(first: Floats, second: Floats) -> float:
    """Return the correlation of two metrics over resamples, 0 where one of them never varies."""
    is_defined = ~(np.isnan(first) | np.isnan(second))
    first, second = first[is_defined], second[is_defined]
    if len(first) < 2:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 0 else 0.0


def _add(one: float, other: float, correlation: float) -> float:
    square = one**2 + other**2 - 2 * correlation * one * other
    return float(np.sqrt(max(square, 0.0)))


def _wilson(share: float, answers: float, quantile: float) -> Interval:
    square = quantile**2
    shrink = 1 / (1 + square / answers)
    centre = (share + square / (2 * answers)) * shrink
    half = quantile * shrink * np.sqrt(share * (1 - share) / answers + square / (4 * answers**2))
    # Rounding must not leave the value outside of its own interval.
    return min(max(float(centre - half), 0.0), share), max(min(float(centre + half), 1.0), share)


def _quantile(confidence: float, evidence: Evidence) -> float:
    """Return how many standard errors the interval reaches."""
    upper = (1 + confidence) / 2
    if not evidence.is_clustered:
        return NormalDist().inv_cdf(upper)  # Wilson's own: the variance follows from the share
    from scipy.special import stdtrit

    # How alike the sequences of a person are is itself estimated, from that many people.
    return float(stdtrit(max(evidence.people - 1, 1), upper))
