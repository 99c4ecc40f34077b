"""Who is seen as one with somebody else, or not at all behind them: from when on, until when.

Two regions that merge give a box that widens; a person who goes behind another one is lost while
the other's box stays as it is. Both are told by where the person's own motion would have led.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transforms.extract.detection.boxes import (
    covered_share,
    intersection_over_union,
    side_touched,
)
from transforms.extract.protocols import Box
from transforms.extract.tracking.fragments import Fragment

EVENT_FRAMES: Final = 4
"""A person may go unseen for this long without a reason."""
_APPROACH_FRAMES: Final = 12
"""Who vanishes this shortly before they would walk into somebody has done so."""
_STEP_FRAMES: Final = 15
"""A walker's own box widens and narrows by half with each step: that is no second person."""
_MIN_COVERED: Final = 0.5
_MIN_GROWTH: Final = 1.3
"""A box that widens by this when another one ends holds both from then on."""
_MAX_HIDDEN_S: Final = 3.0
_MAX_LAST_SEEN: Final = 0.85
"""Who was covered more than this when last seen was no other person but a second box."""


@dataclass(frozen=True)
class Sighting:
    """A fragment between two gaps, with the frames around that tell its motion at both ends."""

    seen: Fragment
    until_end: Fragment
    from_start: Fragment


@dataclass(frozen=True)
class _Event:
    """Another person begins (or ceases) to be seen as one with somebody."""

    frame: int  # the first frame of the new state
    other: Fragment
    is_joint: bool  # one box holds both; else the other one is hidden
    is_sure: bool  # the two were also seen apart; else it may be a second box on one person


def find_sightings(fragment: Fragment) -> list[Sighting]:
    """Part a fragment at all its gaps; motion is told across the short ones as well."""
    found = []
    for wide in fragment.runs(max_gap=EVENT_FRAMES):
        for seen in wide.runs():
            until_end, from_start = wide.part(0, seen.last), wide.part(seen.first, wide.last)
            found.append(Sighting(seen, until_end or seen, from_start or seen))
    return found


def find_shared_frames(
    run: Fragment, others: Sequence[Sighting], frame_shape: tuple[int, int], fps: float
) -> set[int]:
    """Return the frames of a run in which others merged with it or were hidden by it."""
    starts: list[_Event] = []
    ends: list[_Event] = []
    for sighting in others:
        gone, came = sighting.until_end, sighting.from_start
        merge = _merge_frame(run, gone, frame_shape)
        if merge is not None:
            is_joint = _widens(run, gone, merge, -1)
            is_sure = is_joint or _is_apart(gone, run, gone.last)
            starts.append(_Event(merge, gone, is_joint, is_sure))
        split = _split_frame(run, came, frame_shape)
        if split is not None:
            is_joint = _widens(run, came, split - 1, 1)
            is_sure = is_joint or _is_apart(came, run, came.first)
            ends.append(_Event(split, came, is_joint, is_sure))
    # One fragment that ends where this one starts is the same person with a new id, not a merge;
    # for a few frames both ids may have had a box. Of several it is the one that fits best.
    at_start = [
        event for event in starts if event.is_sure and event.frame <= run.first + EVENT_FRAMES
    ]
    if at_start:
        starts.remove(max(at_start, key=lambda event: _resemblance(run, event)))
    at_end = [event for event in ends if event.is_sure and event.frame > run.last - EVENT_FRAMES]
    if at_end:
        ends.remove(max(at_end, key=lambda event: _resemblance(run, event)))
    # Who was seen only as a second box on somebody proves no meeting, but may well end one: where
    # two people changed their ids, each is seen so just before or after.
    shared: set[int] = set()
    for start in (event for event in starts if event.is_sure):
        stop = min((end.frame for end in ends if end.frame > start.frame), default=None)
        shared |= _follow_event(run, start, stop, 1, fps)
    for end in (event for event in ends if event.is_sure):
        before = max((start.frame for start in starts if start.frame < end.frame), default=None)
        shared |= _follow_event(run, end, before, -1, fps)
    return shared


def _resemblance(run: Fragment, event: _Event) -> float:
    """Return how well the other one, had they gone on, would lie where the run begins or ends."""
    frame = min(max(event.frame, run.first), run.last)
    box = run.box_at(frame)
    return 0.0 if box is None else intersection_over_union(event.other.predict(frame), box)


def _follow_event(
    run: Fragment, event: _Event, stop: int | None, step: int, fps: float
) -> set[int]:
    """Return the frames of a run that two people share, from where they met to where they part.

    Args:
        run: what is seen of the two.
        event: where the other one merged with it (`step` 1) or came out of it (`step` -1).
        stop: the next event of the opposite kind in the direction of `step`.
        step: direction of time.
        fps: frames per second.
    """
    frame = event.frame if step > 0 else event.frame - 1
    if event.is_joint and stop is not None:
        # `stop` itself is shared where it is a merge, and not where it is a split.
        return set(range(frame, stop) if step > 0 else range(stop, frame + 1))
    width = _width(run.box_at(frame)) if event.is_joint else None
    frames: set[int] = set()
    for _ in range(round(_MAX_HIDDEN_S * fps)):
        if not run.first <= frame <= run.last:
            break
        if frame == stop if step > 0 else stop is not None and frame < stop:
            break
        box = run.box_at(frame)
        if box is not None:
            is_wide = width is not None and _width(box) * _MIN_GROWTH >= width
            if not is_wide and covered_share(event.other.predict(frame), box) < _MIN_COVERED:
                break
        frames.add(frame)
        frame += step
    return frames


def _merge_frame(run: Fragment, other: Fragment, frame_shape: tuple[int, int]) -> int | None:
    """Return the first frame in which `run` covers where `other` went, or None."""
    if side_touched(other.detections[-1].box, frame_shape) is not None:
        return None
    return _first_covered(run, other, other.last, 1)


def _split_frame(run: Fragment, other: Fragment, frame_shape: tuple[int, int]) -> int | None:
    """Return the first frame in which `other` stands beside `run` it came from, or None."""
    if side_touched(other.detections[0].box, frame_shape) is not None:
        return None
    last = _first_covered(run, other, other.first, -1)
    return None if last is None else last + 1


def _first_covered(run: Fragment, other: Fragment, seen: int, step: int) -> int | None:
    """Return the frame nearest to where `other` was seen in which `run` covers where it must be."""
    for frame in range(seen + step, seen + step * (_APPROACH_FRAMES + 1), step):
        box = run.box_at(frame)
        if box is not None and covered_share(other.predict(frame), box) >= _MIN_COVERED:
            return frame
    return None


def _widens(run: Fragment, other: Fragment, frame: int, step: int) -> bool:
    """Tell whether a run's box at a frame is wider than one person's.

    One person's are the boxes on the side of `step`: the run's own, the other one's where the run
    has none there.
    """
    near = range(frame + step, frame + step * (_STEP_FRAMES + 1), step)
    single = [box for at in near if (box := run.box_at(at)) is not None]
    if not single:
        single = [item.box for item in (*other.detections[:3], *other.detections[-3:])]
    for at in range(frame, frame - step * EVENT_FRAMES, -step):
        joint = run.box_at(at)
        if joint is not None:
            return _width(joint) >= _MIN_GROWTH * max(_width(box) for box in single)
    return False


def _width(box: Box | None) -> float:
    return 0.0 if box is None else box[2] - box[0]


def _is_apart(other: Fragment, run: Fragment, frame: int) -> bool:
    """Tell whether the two were seen as two people in a frame."""
    box, own = run.box_at(frame), other.box_at(frame)
    if box is None or own is None:
        return False
    return covered_share(own, box) <= _MAX_LAST_SEEN
