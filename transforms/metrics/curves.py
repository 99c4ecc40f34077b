"""Points of the curves people look at beside the areas: ROC, precision-recall, reliability.

Each takes `score` [row] in 0..1, higher meaning more likely positive, and `is_positive` [row], and
returns points float64 [point, 2], x before y, none where the curve is undefined.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.metrics.judged import Floats

_RELIABILITY_BINS: Final = 10
_NO_POINTS: Final = (0, 2)


def trace_roc(score: Floats, is_positive: NDArray[np.bool_]) -> Floats:
    """Return (false positive rate, true positive rate) from the strictest threshold on.

    Rows with equal scores are named together. Points inside a straight stretch are left out.
    """
    hits, named = _count_from_the_top(score, is_positive)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return np.zeros(_NO_POINTS)
    corners = np.column_stack([named - hits, hits])
    corners = np.concatenate([np.zeros((1, 2)), corners])
    before, after = np.diff(corners[:-1], axis=0), np.diff(corners[1:], axis=0)
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    kept = np.concatenate([[True], turns, [True]])
    rates: Floats = corners[kept] / [negatives, positives]
    return rates


def trace_precision_recall(score: Floats, is_positive: NDArray[np.bool_]) -> Floats:
    """Return (recall, precision), one point per distinct score from the strictest on."""
    hits, named = _count_from_the_top(score, is_positive)
    positives = int(is_positive.sum())
    if not positives or positives == len(is_positive):
        return np.zeros(_NO_POINTS)
    return np.column_stack([hits / positives, hits / named])


def trace_reliability(score: Floats, is_positive: NDArray[np.bool_]) -> Floats:
    """Return (mean score, share of positives) of ten bins of equal width; empty bins are left out.

    Bins are open below, as those of the calibration error.
    """
    bins = np.clip(np.ceil(score * _RELIABILITY_BINS).astype(np.int64) - 1, 0, None)
    bins = np.minimum(bins, _RELIABILITY_BINS - 1)
    counts = np.bincount(bins, minlength=_RELIABILITY_BINS)
    used = counts > 0
    sums = [np.bincount(bins, values, _RELIABILITY_BINS) for values in (score, is_positive)]
    return np.column_stack([column[used] / counts[used] for column in sums])


def _count_from_the_top(score: Floats, is_positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return positives and rows at or above each distinct score, highest first, float64 [score]."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.flatnonzero(np.diff(ranked, append=-np.inf))
    return np.cumsum(is_positive[order])[ends].astype(np.float64), (ends + 1).astype(np.float64)
