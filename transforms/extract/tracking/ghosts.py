"""Which fragments are nobody of their own: second boxes and parts of one person, false finds."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from transforms.extract.detection.boxes import covered_share, intersection_over_union
from transforms.extract.protocols import Box, Detection
from transforms.extract.tracking.fragments import Fragment

_MIN_INSIDE: Final = 0.75
"""Share of a ghost's box that lies in the box of the person whose ghost it is."""
_MIN_TIME_INSIDE: Final = 0.7
"""Share of a ghost's frames in which it lies there."""
_MAX_DRIFT: Final = 0.06
"""A ghost keeps its place on the body: spread of the distance of centres, in body heights."""
_MIN_SAME: Final = 0.6
"""A ghost's box that overlaps its person's like this is as good as their own."""
_MAX_FILLED_FRAMES: Final = 15
_SURE_DURATION_S: Final = 2.0
"""Who is followed for this long is there, even where the scores are low."""


def drop_ghosts(fragments: Sequence[Fragment], *, min_score: float, fps: float) -> list[Fragment]:
    """Leave out fragments that are no persons of their own.

    Where a person was missed and only their ghost was seen, its boxes go to the person.

    Args:
        fragments: of one recording.
        min_score: a short fragment whose median score is below this is a false find.
        fps: frames per second.
    """
    # The longer of two is the person; of equals the earlier one, so that never both are dropped.
    ranked = sorted(fragments, key=lambda fragment: (-len(fragment.frames), fragment.first))
    kept: list[Fragment] = []
    for fragment in ranked:
        for place, host in enumerate(kept):
            if _lives_inside(fragment, host):
                kept[place] = _fill(host, fragment)
                break
        else:
            kept.append(fragment)
    likely = [
        fragment
        for fragment in kept
        if fragment.score >= min_score or len(fragment.frames) >= _SURE_DURATION_S * fps
    ]
    return sorted(likely, key=lambda fragment: (fragment.first, fragment.detections[0].box))


def _lives_inside(fragment: Fragment, host: Fragment) -> bool:
    """Tell whether a fragment lies on another one's body most of its time, always in one place."""
    if fragment.last < host.first or host.last < fragment.first:
        return False
    offsets = []
    for frame, item in zip(fragment.frames, fragment.detections, strict=True):
        outer = _interpolate(host, frame)
        if outer is not None and covered_share(item.box, outer) >= _MIN_INSIDE:
            shift = item.box[0] + item.box[2] - outer[0] - outer[2]
            offsets.append(shift / 2 / max(1.0, outer[3] - outer[1]))
    if len(offsets) < _MIN_TIME_INSIDE * len(fragment.frames):
        return False
    return float(np.std(offsets)) <= _MAX_DRIFT


def _fill(host: Fragment, ghost: Fragment) -> Fragment:
    """Add those of a ghost's boxes that show the whole person where the person was missed."""
    added: list[tuple[int, Detection]] = []
    for frame, item in zip(ghost.frames, ghost.detections, strict=True):
        expected = _interpolate(host, frame)
        if (
            frame not in host.position
            and expected is not None
            and intersection_over_union(item.box, expected) >= _MIN_SAME
        ):
            added.append((frame, item))
    if not added:
        return host
    members = sorted(
        [*zip(host.frames, host.detections, strict=True), *added], key=lambda member: member[0]
    )
    return Fragment(tuple(frame for frame, _ in members), tuple(item for _, item in members))


def _interpolate(fragment: Fragment, frame: int) -> Box | None:
    """Return the box at a frame, also inside a short gap; None elsewhere."""
    box = fragment.box_at(frame)
    if box is not None or not fragment.first < frame < fragment.last:
        return box
    after = int(np.searchsorted(fragment.frames, frame))
    low, high = fragment.frames[after - 1], fragment.frames[after]
    if high - low > _MAX_FILLED_FRAMES:
        return None
    weight = (frame - low) / (high - low)
    mixed = (1 - weight) * fragment.boxes[after - 1] + weight * fragment.boxes[after]
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]), float(mixed[3]))
