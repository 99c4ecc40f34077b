"""Whether two walks are one recording: laid over each other, do bodies and movements agree?"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.near_duplicates.alignment import align_walks
from transforms.near_duplicates.space import Projection, Space
from transforms.near_duplicates.tolerance import segment_edges
from transforms.near_duplicates.walks import Walk

MIN_OVERLAP_FRAMES: Final = 16
_POSE_BLOCK: Final = 4
# Fitted by logistic regression on one synthetic cohort (docs/audit.md) and rounded: what the
# logarithm of each counts, and the sum at which two walks are taken for one recording.
_SHAPE_WEIGHT: Final = 1.0
_POSE_WEIGHT: Final = 2.5
_UNSTEADINESS_WEIGHT: Final = 1.5
_OVERLAP_WEIGHT: Final = 0.6
_LIMIT: Final = 5.2


@dataclass(frozen=True)
class Match:
    """How two walks lie over each other; a difference of 1 is what copying makes.

    Attributes:
        is_mirrored: the second is mirrored.
        rate: frames of the first shown per frame of the second: above 1, the second is faster.
        overlap_frames: how long the common part is, in frames of the sequence that has fewer there.
        shape: mean squared difference of the bodies over the whole common part.
        pose: mean squared difference of the movements, short stretches averaged.
        unsteadiness: how far the steps from frame to frame are from an even speed, in frames.
    """

    is_mirrored: bool
    rate: float
    overlap_frames: int
    shape: float
    pose: float
    unsteadiness: float


def match_walks(
    first: Walk, second: Walk, space: Space, stretches: tuple[int, int], *, is_mirrored: bool
) -> Match | None:
    """Lay the second walk over the first; None where no common part is long enough.

    Args:
        first: one walk.
        second: another.
        space: of both.
        stretches: one stretch of each that look alike.
        is_mirrored: whether the second is to be mirrored.
    """
    if first.shape is None or first.pose is None or second.shape is None or second.pose is None:
        return None
    second_pose = _turn(second.pose, space.pose, is_mirrored)
    offset = _mean_of(first.pose, stretches[0]) - _mean_of(second_pose, stretches[1])
    rows, columns = align_walks(first.pose, second_pose, offset)
    if rows.size < MIN_OVERLAP_FRAMES // 2:
        return None
    spans = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    if min(spans) < MIN_OVERLAP_FRAMES:
        return None
    body = first.shape[rows] - _turn(second.shape, space.shape, is_mirrored)[columns]
    movement = first.pose[rows] - second_pose[columns]
    movement -= movement.mean(axis=0)
    rate = _fit_rate(rows, columns)
    return Match(
        is_mirrored=is_mirrored,
        rate=rate,
        overlap_frames=min(spans),
        shape=_mean_square(body, len(body)),
        pose=_mean_square(movement, _POSE_BLOCK),
        unsteadiness=float(np.abs(np.diff(rows) - rate * np.diff(columns)).mean()),
    )


def measure_distance(match: Match) -> float:
    """Return how far two walks are from being one recording; below 1 they are taken for one."""
    evidence = (
        _OVERLAP_WEIGHT * math.log(match.overlap_frames)
        - _SHAPE_WEIGHT * math.log(match.shape + 0.02)
        - _POSE_WEIGHT * math.log(match.pose + 0.05)
        - _UNSTEADINESS_WEIGHT * math.log(match.unsteadiness + 0.1)
    )
    return math.exp((_LIMIT - evidence) / (_SHAPE_WEIGHT + _POSE_WEIGHT + _UNSTEADINESS_WEIGHT))


def _turn(
    features: NDArray[np.float32], projection: Projection, is_mirrored: bool
) -> NDArray[np.float32]:
    return features * projection.signs if is_mirrored else features


def _mean_of(pose: NDArray[np.float32], stretch: int) -> NDArray[np.float32]:
    edges = segment_edges(len(pose))
    return np.asarray(pose[edges[stretch] : edges[stretch + 1]].mean(axis=0), dtype=np.float32)


def _fit_rate(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
    """Return how many frames of the first pass for one of the second, by least squares."""
    across, along = columns - columns.mean(), rows - rows.mean()
    return float(across @ along / (across @ across))


def _mean_square(differences: NDArray[np.float32], block: int) -> float:
    """Return the mean square of the means of blocks of frames, remainders left out."""
    count = max(len(differences) // block, 1)
    blocks = differences[: count * block].reshape(count, -1, differences.shape[1])
    return float(np.square(blocks.mean(axis=1, dtype=np.float64)).mean())
