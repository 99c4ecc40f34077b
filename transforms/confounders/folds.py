"""Folds of participants, every class spread over them as evenly as whole people allow."""

import numpy as np
from numpy.typing import NDArray


def assign_folds(
    truth: NDArray[np.int64], fold_count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return each participant's fold, int64 [participant] in 0..fold_count - 1.

    Within a class, and over all, the sizes of two folds differ by one at most.

    Args:
        truth: class index of each participant.
        fold_count: how many folds.
        random: decides who goes where.
    """
    folds = np.zeros(len(truth), dtype=np.int64)
    dealt = 0
    for label in np.unique(truth):
        members = random.permutation(np.flatnonzero(truth == label))
        folds[members] = (dealt + np.arange(len(members))) % fold_count
        dealt += len(members)
    return folds
