"""How many test sequences share their participant with training when sequences are dealt at random.

Of `sequence_count` sequences a random `train_count` are trained on and a random `test_count` of the
others tested on. No file and no split is looked at here; `docs/splits.md` derives the formulas.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def expect_shared(multiplicities: Mapping[int, int], train_count: int, test_count: int) -> float:
    """Return the expected number of test sequences whose participant is also trained on.

    Args:
        multiplicities: sequences of a participant -> how many participants have so many.
        train_count: sequences to train on.
        test_count: sequences to test on.
    """
    total = sum(size * people for size, people in multiplicities.items())
    if not test_count:
        return 0.0
    weighted = _weigh_chances(total, train_count, max(multiplicities))
    shares = (people * float(weighted[size]) for size, people in multiplicities.items())
    return test_count / total * math.fsum(shares)


def bound_shared(
    sequence_count: int, participant_count: int, train_count: int, test_count: int
) -> tuple[float, float]:
    """Return what the expectation can't go below or above, whatever each participant has.

    The mean of `weighted chances` over participants lies between the lower and the upper hull of
    the points (sequences of a participant, weighted chance), at the mean number of sequences.
    """
    if not test_count:
        return 0.0, 0.0
    largest = sequence_count - participant_count + 1
    weighted = _weigh_chances(sequence_count, train_count, largest)[1:]
    mean = sequence_count / participant_count
    scale = test_count / sequence_count * participant_count
    return -_upper_hull(-weighted, mean) * scale, _upper_hull(weighted, mean) * scale


def estimate_shared(
    sequence_count: int, participant_count: int, train_count: int, test_count: int
) -> float:
    """Return the expectation when only the number of participants is known.

    Assumes that every participant has one sequence and that each of the others fell on a
    participant at random: a participant has 1 + Binomial(others, 1 / participants).
    """
    extra = sequence_count - participant_count
    if participant_count == 1 or not test_count:
        return expect_shared({sequence_count: participant_count}, train_count, test_count)
    weighted = _weigh_chances(sequence_count, train_count, extra + 1)
    hit, miss = -math.log(participant_count), math.log1p(-1 / participant_count)
    mean = math.fsum(
        float(weighted[1 + more])
        * math.exp(
            math.lgamma(extra + 1)
            - math.lgamma(more + 1)
            - math.lgamma(extra - more + 1)
            + more * hit
            + (extra - more) * miss
        )
        for more in range(extra + 1)
    )
    return test_count / sequence_count * participant_count * mean


def _weigh_chances(sequence_count: int, train_count: int, largest: int) -> Floats:
    """Return, at `size`, `size` times the chance that a tested sequence has a trained sibling.

    It has none with C(N - size, t) / C(N - 1, t): all t are among those of other participants.

    Returns:
        float64 [size], 0 to `largest`; 0 at sizes 0 and 1.
    """
    sizes = np.arange(1, largest)
    factors = np.maximum(sequence_count - train_count - sizes, 0) / (sequence_count - sizes)
    chances = 1 - np.concatenate([[1.0, 1.0], np.cumprod(factors)])
    weighted: Floats = np.arange(largest + 1) * chances[: largest + 1]
    return weighted


def _upper_hull(values: Floats, at: float) -> float:
    """Return the least concave function over (1, values[0]), (2, values[1]), ..., at one point."""
    corners: list[tuple[int, float]] = []
    for x, value in enumerate(values.tolist(), start=1):
        while len(corners) > 1 and _is_below(corners[-2], corners[-1], (x, value)):
            corners.pop()
        corners.append((x, value))
    return float(np.interp(at, [x for x, _ in corners], [y for _, y in corners]))


def _is_below(left: tuple[int, float], middle: tuple[int, float], right: tuple[int, float]) -> bool:
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1]) * (right[0] - left[0]) <= rise
