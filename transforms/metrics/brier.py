"""The Brier score: its errors, and an interval for it.

It is a mean of errors of which few are large, and no share of answers: Wilson's interval covered 91
to 94 % at 60 participants, and this one 93 to 96 % (`docs/metrics.md` has the command).
"""

from typing import Final

import numpy as np

from transforms.metrics.intervals import Interval
from transforms.metrics.judged import Floats, Judged

WORST: Final = 2.0  # all of the probability on one wrong class


def squared_errors(judged: Judged) -> Floats:
    """Return each row's sum of squared differences from the truth, float64 [row] in 0 to 2."""
    truth = np.eye(len(judged.scheme.classes))[judged.truth]
    errors: Floats = ((judged.probabilities - truth) ** 2).sum(axis=1)
    return errors


def brier_interval(
    judged: Judged, participant_weights: Floats, confidence: float
) -> Interval | None:
    """Return the bootstrap-t interval of the mean error, on the scale of its logarithm.

    Each resample says how many of its own standard errors it lies from the value, which knows that
    a sample without a large error has too small an error bar. Participants are what is drawn.

    Args:
        judged: the rows.
        participant_weights: how often each participant is drawn, float64 [resample, participant].
        confidence: how often the interval should hold the truth.

    Returns:
        None where the errors do not differ, as of a single participant or of answers all perfect.
    """
    people = participant_weights.shape[1]
    sums = np.bincount(judged.participant, squared_errors(judged), people).astype(np.float64)
    counts = np.bincount(judged.participant, minlength=people).astype(np.float64)
    ((log_value,), (error,)) = _log_mean(sums, counts, np.ones((1, people)))
    log_values, errors = _log_mean(sums, counts, participant_weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = (log_values - log_value) / errors
    distances = distances[np.isfinite(distances)]
    if not np.isfinite(error) or error == 0 or 2 * len(distances) < len(participant_weights):
        return None
    tail = (1 - confidence) / 2
    below, above = np.quantile(distances, [tail, 1 - tail])
    limits = log_value - np.array([above, below]) * error
    low, high = np.exp(np.minimum(limits, np.log(WORST)))  # few people may ask for far beyond it
    return float(low), float(high)


def _log_mean(sums: Floats, counts: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the logarithm of the mean error under each weighting, and its standard error."""
    total = weights @ counts
    mean = (weights @ sums) / total
    # Of a ratio of two sums over participants, by its linear part.
    squares = weights @ sums**2 - 2 * mean * (weights @ (sums * counts))
    squares += mean**2 * (weights @ counts**2)
    people = weights.shape[1]
    error = np.sqrt(np.maximum(squares, 0) * people / max(people - 1, 1)) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(mean), error / mean
