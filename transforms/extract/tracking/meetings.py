"""Where a fragment may stand for somebody else: people who merge, hide one another or overlap.

A background detector gives two people who meet one region; a neural one keeps two boxes, loses the
hidden person or jumps. Identity is in doubt in all these frames, and the silhouette is no single
person's: they are cut out, and `transforms.extract.tracking.stitch` joins what remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transforms.extract.detection.boxes import overlap_share
from transforms.extract.tracking.fragments import Fragment
from transforms.extract.tracking.hiding import (
    EVENT_FRAMES,
    Sighting,
    find_shared_frames,
    find_sightings,
)

_MIN_COVERED: Final = 0.5
_MIN_RELATIVE_HEIGHT: Final = 0.5
_MIN_PERSON_FRAMES: Final = 4
_MIN_PIECE_FRAMES: Final = 5
"""Less than this beside a meeting tells nothing of who it is, and belongs to the meeting."""


@dataclass(frozen=True)
class _Run:
    owner: int
    sighting: Sighting


@dataclass(frozen=True)
class Meetings:
    """What is left of the fragments, and the frames taken out."""

    pieces: list[Fragment]
    shared: frozenset[int]


def cut_where_shared(
    fragments: Sequence[Fragment], frame_shape: tuple[int, int], fps: float = 25.0
) -> Meetings:
    """Remove from every fragment the frames in which it may stand for two people.

    Args:
        fragments: of one recording, ghosts left out.
        frame_shape: height and width of the picture.
        fps: frames per second.
    """
    if len(fragments) == 1:  # nobody to meet; a gap may still be somebody else's
        return Meetings(fragments[0].runs(max_gap=EVENT_FRAMES), frozenset())
    runs = [_Run(owner, run) for owner, one in enumerate(fragments) for run in find_sightings(one)]
    doubtful: list[set[int]] = [set() for _ in fragments]
    for run in runs:
        others = [
            other.sighting
            for other in runs
            if other is not run
            and len(fragments[other.owner].frames) >= _MIN_PERSON_FRAMES
            and other.sighting.seen.height_px >= _MIN_RELATIVE_HEIGHT * run.sighting.seen.height_px
        ]
        doubtful[run.owner] |= find_shared_frames(run.sighting.seen, others, frame_shape, fps)
    for one, first in enumerate(fragments):
        for two in range(one):
            overlapped = _find_overlapped(first, fragments[two])
            doubtful[one] |= overlapped[0]
            doubtful[two] |= overlapped[1]
    shared = {frame for frames in doubtful for frame in frames}
    pieces: list[Fragment] = []
    too_short: set[int] = set()
    for fragment, frames in zip(fragments, doubtful, strict=True):
        # In a gap that falls into a meeting, ByteTrack may have changed from one to the other.
        in_gaps = {
            frame
            for frame in shared
            if fragment.first < frame < fragment.last and frame not in fragment.position
        }
        for piece in _part_at(fragment, frames | in_gaps):
            if frames and len(piece.frames) < _MIN_PIECE_FRAMES:
                too_short |= set(piece.frames)
            else:
                pieces.append(piece)
    return Meetings(pieces, frozenset(shared | too_short))


def _part_at(fragment: Fragment, frames: set[int]) -> list[Fragment]:
    """Drop frames from a fragment and part it there."""
    pieces = []
    start = fragment.first
    for frame in [*sorted(frames), fragment.last + 1]:
        piece = fragment.part(start, frame - 1) if frame > start else None
        if piece is not None:
            # After a long gap that nothing explains, it may be somebody else as well.
            pieces += piece.runs(max_gap=EVENT_FRAMES)
        start = frame + 1
    return pieces


def _find_overlapped(one: Fragment, other: Fragment) -> tuple[set[int], set[int]]:
    """Return the frames in which a box is covered by half, of the first and of the second.

    Of two of like size both are in doubt; else only who is covered by somebody nearer.
    """
    found: tuple[set[int], set[int]] = (set(), set())
    if one.last < other.first or other.last < one.first:
        return found
    if min(len(one.frames), len(other.frames)) < _MIN_PERSON_FRAMES:
        return found
    for frame, item in zip(one.frames, one.detections, strict=True):
        box = other.box_at(frame)
        if box is None or overlap_share(box, item.box) < _MIN_COVERED:
            continue
        relative = (item.box[3] - item.box[1]) / max(1e-9, box[3] - box[1])
        if relative <= 1 / _MIN_RELATIVE_HEIGHT:
            found[0].add(frame)
        if relative >= _MIN_RELATIVE_HEIGHT:
            found[1].add(frame)
    return found
