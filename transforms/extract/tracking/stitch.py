"""Hindsight over a whole recording: join the pieces that are one person, all joints at once.

Who of two people comes out of a meeting on which side is not decided by the nearest box but by
motion, size and clothes before and after. Where two ways to join are about as good, none is taken.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.detection.boxes import side_touched
from transforms.extract.tracking.fragments import Fragment

_MAX_GAP_S: Final = 3.6
_MAX_UNEXPLAINED_S: Final = 1.0
"""Who was out of sight for longer, hidden by nobody, is known again by clothes alone."""
_MAX_COST: Final = 3.0
_MIN_MARGIN: Final = 0.35
"""Two people whose joints could be exchanged for this much more cost are not told apart."""
_MAX_MISS: Final = 1.5
"""Farthest a prediction may miss, in body heights."""
_MISS_SCALE: Final = 0.25
_MISS_SCALE_PER_FRAME: Final = 0.005
_SIZE_SCALE: Final = 0.2
_UNLIKE_SCALE: Final = 0.3
_MAX_UNLIKE_RETURN: Final = 0.15
_MAX_GROWTH_FRAMES: Final = 25
"""Coming nearer is extrapolated no farther than this."""
_IMPOSSIBLE: Final = 1e6


def stitch_fragments(
    fragments: Sequence[Fragment],
    frame_shape: tuple[int, int],
    fps: float = 25.0,
    shared: frozenset[int] = frozenset(),
) -> list[Fragment]:
    """Join fragments of one person over the whole recording, all joints chosen together.

    Args:
        fragments: of people, cut where they met.
        frame_shape: height and width of the picture.
        fps: frames per second.
        shared: frames in which people met: reasons not to be seen.
    """
    from scipy.optimize import linear_sum_assignment

    ordered = sorted(fragments, key=lambda fragment: (fragment.first, fragment.detections[0].box))
    count = len(ordered)
    if count < 2:
        return ordered
    cost = np.full((count, count), _IMPOSSIBLE)
    for i, earlier in enumerate(ordered):
        for j, later in enumerate(ordered):
            if 0 < later.first - earlier.last <= _MAX_GAP_S * fps:
                cost[i, j] = _joint_cost(earlier, later, frame_shape, fps, shared)
    # A joint dearer than the limit must never be taken to make another one possible.
    cost[cost > _MAX_COST] = _IMPOSSIBLE
    rows, columns = linear_sum_assignment(cost)
    follower = {
        int(i): int(j) for i, j in zip(rows, columns, strict=True) if cost[i, j] <= _MAX_COST
    }
    for i in _find_ambiguous(follower, cost):
        del follower[i]
    joined: list[Fragment] = []
    for i in sorted(set(range(count)) - set(follower.values())):
        chain = [ordered[i]]
        while i in follower:
            i = follower[i]
            chain.append(ordered[i])
        joined.append(
            Fragment(
                tuple(frame for part in chain for frame in part.frames),
                tuple(item for part in chain for item in part.detections),
            )
        )
    return joined


def _find_ambiguous(follower: dict[int, int], cost: NDArray[np.float64]) -> set[int]:
    """Return the starts of joints that could be exchanged in pairs at little more cost."""
    found: set[int] = set()
    joints = sorted(follower.items())
    for position, (i, j) in enumerate(joints):
        for k, m in joints[:position]:
            exchanged = cost[i, m] + cost[k, j]
            if exchanged - cost[i, j] - cost[k, m] < _MIN_MARGIN:
                found |= {i, k}
    return found


def _joint_cost(
    earlier: Fragment,
    later: Fragment,
    frame_shape: tuple[int, int],
    fps: float,
    shared: frozenset[int],
) -> float:
    """Say how implausible it is that two fragments are one person; above `_MAX_COST` it is not."""
    before, after = earlier.appearance(at_end=True), later.appearance(at_end=False)
    unlike = 0.0 if before is None or after is None else 1 - float(before @ after)
    is_known = before is not None and after is not None and unlike <= _MAX_UNLIKE_RETURN
    gap = later.first - earlier.last
    leaving, coming = earlier.motion(at_end=True), later.motion(at_end=False)
    reach = min(gap, _MAX_GROWTH_FRAMES) / 2
    growth = reach * (leaving.velocity[2] + coming.velocity[2])
    size = _end_size(earlier, at_end=True) + growth - _end_size(later, at_end=False)
    cost = abs(size) / _SIZE_SCALE + unlike / _UNLIKE_SCALE
    side = side_touched(earlier.detections[-1].box, frame_shape)
    if side is not None and side == side_touched(later.detections[0].box, frame_shape):
        # Out at one side and in again: only size and clothes can speak for it.
        return cost + 1.0 if is_known else _IMPOSSIBLE
    unseen = sum(frame not in shared for frame in range(earlier.last + 1, later.first))
    if unseen > _MAX_UNEXPLAINED_S * fps and not is_known:
        return _IMPOSSIBLE
    height = float(np.exp((leaving.state[2] + coming.state[2]) / 2))
    forward = leaving.at(later.first) - coming.at(later.first)
    backward = coming.at(earlier.last) - leaving.at(earlier.last)
    miss = float(np.hypot(*forward[:2]) + np.hypot(*backward[:2])) / 2 / height
    if miss > _MAX_MISS:
        return _IMPOSSIBLE
    return float(cost + miss / (_MISS_SCALE + _MISS_SCALE_PER_FRAME * gap))


def _end_size(fragment: Fragment, *, at_end: bool) -> float:
    """Return the logarithm of the height at one end."""
    motion = fragment.motion(at_end=at_end)
    return float(motion.at(fragment.last if at_end else fragment.first)[2])
