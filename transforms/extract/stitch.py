"""Hindsight over a whole recording: cut fragments where people merged, join what belongs together.

Two people who cross give one region for a while. Which of the two comes out on which side is not
decided by the nearest box but by motion, size and clothes before and after.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from transforms.extract.fragments import Fragment
from transforms.extract.protocols import Box

_EVENT_FRAMES: Final = 4
"""A person may go unseen for this long around a merge or a split."""
_MIN_COVERED: Final = 0.5
_MIN_RELATIVE_HEIGHT: Final = 0.5
_MIN_PERSON_FRAMES: Final = 4
_BORDER_PX: Final = 3.0
_MAX_GAP_FRAMES: Final = 90
_MAX_COST: Final = 3.0
_MAX_MISS: Final = 1.5
"""Farthest a prediction may miss, in body heights, before growth with the gap."""
_MAX_UNLIKE_RETURN: Final = 0.15
_IMPOSSIBLE: Final = 1e6


def cut_where_shared(
    fragments: Sequence[Fragment], frame_shape: tuple[int, int]
) -> tuple[list[Fragment], frozenset[int]]:
    """Remove from every fragment the frames in which it stood for two people.

    Returns:
        The remaining pieces, and the indices of the frames that were shared.
    """
    runs = [run for fragment in fragments for run in fragment.runs()]
    shared_by_run: list[set[int]] = []
    for run in runs:
        others = [
            other
            for other in runs
            if other is not run
            and len(other.frames) >= _MIN_PERSON_FRAMES
            and other.height_px >= _MIN_RELATIVE_HEIGHT * run.height_px
        ]
        spans = _find_shared_spans(run, others, frame_shape)
        shared_by_run.append({frame for first, last in spans for frame in range(first, last + 1)})
    shared = frozenset(frame for frames in shared_by_run for frame in frames)
    remaining = iter(zip(runs, shared_by_run, strict=True))
    pieces: list[Fragment] = []
    for fragment in fragments:
        doubtful: set[int] = set()
        for _ in fragment.runs():
            doubtful |= next(remaining)[1]
        # In a gap that falls into a meeting, ByteTrack may have changed from one to the other.
        doubtful |= {
            frame
            for frame in shared
            if fragment.first < frame < fragment.last and frame not in fragment.position
        }
        pieces += _part_at(fragment, doubtful)
    return pieces, shared


def _part_at(fragment: Fragment, frames: set[int]) -> list[Fragment]:
    """Drop frames from a fragment and part it there."""
    pieces = []
    start = fragment.first
    for frame in [*sorted(frames), fragment.last + 1]:
        piece = fragment.part(start, frame - 1)
        if piece is not None:
            pieces.append(piece)
        start = frame + 1
    return pieces


def _find_shared_spans(
    fragment: Fragment, others: Sequence[Fragment], frame_shape: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the spans of frames, both ends included, in which a fragment holds two people."""
    merges = sorted(
        frame
        for other in others
        if (frame := _merge_frame(fragment, other, frame_shape)) is not None
    )
    splits = sorted(
        frame
        for other in others
        if (frame := _split_frame(fragment, other, frame_shape)) is not None
    )
    # One fragment that ends where this one starts is the same person with a new id, not a merge.
    at_start = [frame for frame in merges if frame <= fragment.first + 1]
    if len(at_start) == 1:
        merges.remove(at_start[0])
    at_end = [frame for frame in splits if frame >= fragment.last]
    if len(at_end) == 1:
        splits.remove(at_end[0])
    spans: list[tuple[int, int]] = []
    for merge in merges:
        if spans and merge <= spans[-1][1]:
            continue
        after = [frame for frame in splits if frame > merge]
        spans.append((merge, after[0] - 1 if after else fragment.last))
    if splits and (not merges or splits[0] < merges[0]):
        spans.insert(0, (fragment.first, splits[0] - 1))
    return [(max(first, fragment.first), min(last, fragment.last)) for first, last in spans]


def _merge_frame(fragment: Fragment, other: Fragment, frame_shape: tuple[int, int]) -> int | None:
    """Return the first frame in which `fragment` covers where `other` went, or None."""
    if _touches_side(other.detections[-1].box, frame_shape):
        return None
    for frame in range(other.last + 1, other.last + 1 + _EVENT_FRAMES):
        position = fragment.position.get(frame)
        if position is not None:
            covered = _covered(other.predict(frame), fragment.detections[position].box)
            return frame if covered >= _MIN_COVERED else None
    return None


def _split_frame(fragment: Fragment, other: Fragment, frame_shape: tuple[int, int]) -> int | None:
    """Return the first frame in which `other` stands beside `fragment` it came from, or None."""
    if _touches_side(other.detections[0].box, frame_shape):
        return None
    for frame in range(other.first - 1, other.first - 1 - _EVENT_FRAMES, -1):
        position = fragment.position.get(frame)
        if position is not None:
            covered = _covered(other.predict(frame), fragment.detections[position].box)
            return other.first if covered >= _MIN_COVERED else None
    return None


def stitch_fragments(fragments: Sequence[Fragment], frame_shape: tuple[int, int]) -> list[Fragment]:
    """Join fragments of one person over the whole recording, all joints chosen together."""
    from scipy.optimize import linear_sum_assignment

    ordered = sorted(fragments, key=lambda fragment: (fragment.first, fragment.detections[0].box))
    count = len(ordered)
    if count < 2:
        return ordered
    cost = np.full((count, count), _IMPOSSIBLE)
    for i, earlier in enumerate(ordered):
        for j, later in enumerate(ordered):
            gap = later.first - earlier.last
            if 0 < gap <= _MAX_GAP_FRAMES:
                cost[i, j] = _joint_cost(earlier, later, frame_shape)
    # A joint dearer than the limit must never be taken to make another one possible.
    cost[cost > _MAX_COST] = _IMPOSSIBLE
    rows, columns = linear_sum_assignment(cost)
    follower = {
        int(i): int(j) for i, j in zip(rows, columns, strict=True) if cost[i, j] <= _MAX_COST
    }
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


def _joint_cost(earlier: Fragment, later: Fragment, frame_shape: tuple[int, int]) -> float:
    """Say how implausible it is that two fragments are one person; above `_MAX_COST` it is not."""
    before, after = earlier.appearance(at_end=True), later.appearance(at_end=False)
    unlike = 0.0 if before is None or after is None else 1 - float(before @ after)
    cost = abs(float(np.log(later.height_px / earlier.height_px))) / 0.3 + unlike / 0.3
    side = _side_touched(earlier.detections[-1].box, frame_shape)
    if side is not None and side == _side_touched(later.detections[0].box, frame_shape):
        # Out at one side and in again: only size and clothes can speak for it.
        is_known = before is not None and after is not None and unlike <= _MAX_UNLIKE_RETURN
        return cost + 1.0 if is_known else _IMPOSSIBLE
    gap = later.first - earlier.last
    height = (earlier.height_px + later.height_px) / 2
    forward = _centre_distance(earlier.predict(later.first), later.detections[0].box)
    backward = _centre_distance(later.predict(earlier.last), earlier.detections[-1].box)
    miss = (forward + backward) / 2 / height
    if miss > _MAX_MISS:
        return _IMPOSSIBLE
    return cost + miss / (0.25 + 0.01 * gap)


def _centre_distance(a: Box, b: Box) -> float:
    return float(np.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3])) / 2


def _covered(inner: Box, outer: Box) -> float:
    """Return the share of `inner` that lies in `outer`."""
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / max(1e-9, (inner[2] - inner[0]) * (inner[3] - inner[1]))


def _touches_side(box: Box, frame_shape: tuple[int, int]) -> bool:
    return _side_touched(box, frame_shape) is not None


def _side_touched(box: Box, frame_shape: tuple[int, int]) -> str | None:
    if box[0] <= _BORDER_PX:
        return "left"
    return "right" if box[2] >= frame_shape[1] - _BORDER_PX else None
