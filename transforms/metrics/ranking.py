"""Areas under the ROC and precision-recall curves, for many weightings of the rows at once.

Both take `score` [row], higher meaning more likely positive, `is_positive` [row] and `weights`
[weighting, row], whole numbers from 0 up. They count ties as ties and return one value per
weighting, NaN where a side of the question has no weight. The scores are sorted once for all.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def measure_auroc(score: Floats, is_positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the chance that a positive outranks a negative, ties half."""
    above, below = np.flatnonzero(is_positive), np.flatnonzero(~is_positive)
    below = below[np.argsort(score[below], kind="stable")]
    lower = np.searchsorted(score[below], score[above], "left")
    lower_or_tied = np.searchsorted(score[below], score[above], "right")
    so_far = np.zeros((len(weights), len(below) + 1))  # weight of so many lowest negatives
    np.cumsum(weights[:, below], axis=1, out=so_far[:, 1:])
    of_positives = weights[:, above]
    won = np.einsum("ij,ij->i", of_positives, so_far[:, lower] + so_far[:, lower_or_tied]) / 2
    pairs = of_positives.sum(axis=1) * so_far[:, -1]
    area = np.full(len(weights), np.nan)
    np.divide(won, pairs, out=area, where=pairs > 0)
    return area


def measure_auprc(score: Floats, is_positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return average precision: the sum over thresholds of precision times the gain in recall."""
    order = np.argsort(-score, kind="stable")
    ranked = weights[:, order]
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))  # one per distinct score
    # (weighting, threshold)
    gained = np.add.reduceat(ranked * is_positive[order], starts, axis=1)
    named = np.add.reduceat(ranked, starts, axis=1).cumsum(axis=1)
    hits = gained.cumsum(axis=1)
    precision = np.divide(hits, named, out=np.zeros_like(named), where=named > 0)
    positives, total = hits[:, -1], named[:, -1]
    area = np.full(len(weights), np.nan)
    is_defined = (positives > 0) & (positives < total)
    np.divide((gained * precision).sum(axis=1), positives, out=area, where=is_defined)
    return area
