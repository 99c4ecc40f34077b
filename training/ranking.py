"""Areas under the ROC and precision-recall curves, for many weightings of the rows at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class CurveAreas(NamedTuple):
    """One value per weighting; NaN where a side of the question has no weight."""

    auroc: Floats
    auprc: Floats


def measure_curves(score: Floats, is_positive: NDArray[np.bool_], weights: Floats) -> CurveAreas:
    """Return both areas, ties counted as ties; the scores are sorted once for all weightings.

    Args:
        score: [row], higher means more likely positive.
        is_positive: [row].
        weights: [weighting, row], not negative.

    Returns:
        AUROC: the chance that a positive outranks a negative, ties half. AUPRC: average precision,
        the sum over thresholds of precision times the gain in recall.
    """
    order = np.argsort(-score, kind="stable")
    ranked = weights[:, order]
    positive = is_positive[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))  # one per distinct score
    gained = np.add.reduceat(ranked * positive, starts, axis=1)  # (weighting, threshold)
    false = np.add.reduceat(ranked * (1.0 - positive), starts, axis=1)
    true_so_far, false_so_far = gained.cumsum(axis=1), false.cumsum(axis=1)
    positives, negatives = true_so_far[:, -1], false_so_far[:, -1]
    is_defined = (positives > 0) & (negatives > 0)
    below = negatives[:, None] - false_so_far + false / 2
    named = true_so_far + false_so_far
    precision = np.divide(true_so_far, named, out=np.zeros_like(named), where=named > 0)
    undefined = np.full(len(weights), np.nan)
    auroc = np.divide(
        (gained * below).sum(axis=1), positives * negatives, out=undefined.copy(), where=is_defined
    )
    auprc = np.divide((gained * precision).sum(axis=1), positives, out=undefined, where=is_defined)
    return CurveAreas(auroc=auroc, auprc=auprc)
