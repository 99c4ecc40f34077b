"""Whether two walks are one recording: laid over each other, do they agree as only a copy does?

People, and sessions of one person, differ in how each stride is walked and in when it comes: two
recordings laid over each other keep a rest of movement, and drift against each other by some
frames. A copy does neither, or, where frames are missing from it, not the first.

Where a walk hardly moves, as from the front and far off, two recordings leave a small rest, too,
and have nothing by which to drift. So a copy must also leave little of what the walks themselves
move, and show the same body, above all where only a few seconds are seen.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.near_duplicates.alignment import Path, align_walks
from transforms.near_duplicates.space import Space
from transforms.near_duplicates.walks import Walk

MIN_OVERLAP_FRAMES: Final = 16
_SHORT_BLOCK: Final = 4
_LONG_BLOCK: Final = 8
_LINE_PASSES: Final = 5
# Fitted by logistic regression on synthetic cohorts (docs/audit.md) and rounded: what the
# logarithm of each counts, and what the sum must reach.
_LINE_WEIGHTS: Final = {"frames": 3.8, "cover": 5.1, "movement": -2.6, "drift": -5.8}
_LINE_LIMIT: Final = 25.8
_GAPS_WEIGHTS: Final = {
    **{"frames": 2.9, "cover": 4.4, "movement": -1.7, "strides": -3.8},
    "unsteadiness": -1.4,
}
_GAPS_LIMIT: Final = 17.0
_DISTANCE_SCALE: Final = 8.0
_STILL: Final = 1e-6  # no walk moves less
# Between what copies leave and what strangers do where walks are short or calm (docs/audit.md).
_UNEXPLAINED_LIMIT: Final = 0.28
_BODY_LIMIT: Final = 7.0
_SHORT_FRAMES: Final = 140
"""Up to here both limits hold; a longer common part speaks for itself, and they grow with it."""


@dataclass(frozen=True)
class Match:
    """How two walks lie over each other; of movements, 1 is what copying makes of single frames.

    Attributes:
        is_mirrored: the second is mirrored.
        rate: frames of the first shown per frame of the second: above 1, the second is faster.
        overlap_frames: how long the common part is, in frames of the sequence that has fewer there.
        cover: its share of what would overlap if it were continued to the ends.
        movement: squared difference of the movements in the middle one of short blocks.
        strides: the same where seven of ten longer blocks differ less.
        drift: how far the common part leaves an even speed, in frames, averaged over blocks.
        unsteadiness: how far single steps leave the mean speed, in frames.
        unexplained: the movement as a share of how much the calmer walk moves in the common part.
        body: squared difference of the mean shapes there.
    """

    is_mirrored: bool
    rate: float
    overlap_frames: int
    cover: float
    movement: float
    strides: float
    drift: float
    unsteadiness: float
    unexplained: float
    body: float


def match_walks(first: Walk, second: Walk, space: Space, *, is_mirrored: bool) -> Match | None:
    """Lay the second walk over the first; None where no common part is long enough.

    Args:
        first: one walk.
        second: another.
        space: of both.
        is_mirrored: whether the second is to be mirrored.
    """
    if first.features is None or second.features is None:
        return None
    ours, theirs = first.features, second.features
    turn = np.float32(1)
    pose = theirs.pose * (space.pose.signs if is_mirrored else turn)
    stride = theirs.stride * (space.stride.signs if is_mirrored else turn)
    shape = theirs.shape * (space.shape.signs if is_mirrored else turn)
    rows, columns = align_walks(ours.pose, pose)
    if rows.size < MIN_OVERLAP_FRAMES // 2:
        return None
    spans = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    if min(spans) < MIN_OVERLAP_FRAMES:
        return None
    rate, drift = _fit_line(rows, columns)
    mean_rate = (spans[0] - 1) / (spans[1] - 1)
    moving, answering = ours.stride[rows].astype(np.float64), stride[columns].astype(np.float64)
    differences = moving - answering
    differences -= np.median(differences, axis=0)
    movement = _block_quantile(differences, _SHORT_BLOCK, 0.5)
    bodies = (ours.shape[rows] - shape[columns]).mean(axis=0, dtype=np.float64)
    own = min(walk.var(axis=0).mean() for walk in (moving, answering))
    return Match(
        is_mirrored=is_mirrored,
        rate=rate,
        overlap_frames=min(spans),
        cover=_measure_cover((rows, columns), spans, (len(ours.pose), len(pose))),
        movement=movement,
        strides=_block_quantile(differences, _LONG_BLOCK, 0.7),
        drift=drift,
        unsteadiness=float(np.abs(np.diff(rows) - mean_rate * np.diff(columns)).mean()),
        unexplained=movement / max(float(own), _STILL),
        body=float(np.square(bodies).mean()),
    )


def measure_distance(match: Match) -> float:
    """Return how far two walks are from being one recording; below 1 they are taken for one."""
    logarithms = {
        "frames": math.log(match.overlap_frames),
        "cover": math.log(match.cover + 0.1),
        "movement": math.log(match.movement + 0.05),
        "strides": math.log(match.strides + 0.03),
        "drift": math.log(match.drift + 0.1),
        "unsteadiness": math.log(match.unsteadiness + 0.1),
    }
    excess = max(
        sum(weight * logarithms[name] for name, weight in weights.items()) - limit
        for weights, limit in ((_LINE_WEIGHTS, _LINE_LIMIT), (_GAPS_WEIGHTS, _GAPS_LIMIT))
    )
    room = max(match.overlap_frames / _SHORT_FRAMES, 1)
    return max(
        math.exp(-excess / _DISTANCE_SCALE),
        match.unexplained / (room * _UNEXPLAINED_LIMIT),
        match.body / (room * _BODY_LIMIT),
    )


def _fit_line(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[float, float]:
    """Return the speed of most of a path and how far its blocks of frames leave it."""
    weights = np.ones(len(rows))
    slope, away = 1.0, np.zeros(len(rows))
    for _ in range(_LINE_PASSES):  # what lies far off counts less each time
        x = columns - np.average(columns, weights=weights)
        y = rows - np.average(rows, weights=weights)
        slope = float((weights * x * y).sum() / (weights * x * x).sum())
        away = y - slope * x
        weights = 1 / (1 + np.square(away))
    blocks = _block_means(away[:, None], _LONG_BLOCK)
    return slope, float(np.sqrt(np.square(blocks).mean()))


def _measure_cover(path: Path, spans: tuple[int, int], lengths: tuple[int, int]) -> float:
    rows, columns = path
    rate = spans[0] / spans[1]
    before = min(rows[0] / rate, columns[0])
    after = min((lengths[0] - 1 - rows[-1]) / rate, lengths[1] - 1 - columns[-1])
    return float(spans[1] / (spans[1] + before + after))


def _block_quantile(differences: NDArray[np.float64], block: int, share: float) -> float:
    """Return a quantile over blocks: where frames are missing, some blocks match nothing."""
    return float(np.quantile(np.square(_block_means(differences, block)).mean(axis=1), share))


def _block_means(values: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Return means over blocks of frames, remainders left out."""
    count = max(len(values) // block, 1)
    blocks = values[: count * block].reshape(count, -1, values.shape[1])
    return np.asarray(blocks.mean(axis=1))
