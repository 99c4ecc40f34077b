"""Two aligned walks, or one alone, become clips: segments with as many frames of each view.

The clock is the front video's. A clip whose frames are not all there is a reject with its reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.dual_view.pairing import FRONT, SIDE, Reject
from transforms.settings import ClipSettings

FloatArray = NDArray[np.float64]
_ROUNDING_S: Final = 0.002  # of timestamps in milliseconds, as containers keep them


@dataclass(frozen=True)
class Frames:
    """The kept frames of one view, in the order of the sequence.

    Attributes:
        times_s: `(frame,)` float64, rising, since the video's first frame.
        frame_index: `(frame,)` int32, index in the video.
        interval_s: from one frame of the video to the next.
    """

    times_s: FloatArray
    frame_index: NDArray[np.int32]
    interval_s: float


@dataclass(frozen=True)
class Clip:
    """A segment: positions in the two sequences, `(frame,)` each, at the same moments."""

    clip_id: str
    start_s: float
    front: NDArray[np.intp]
    side: NDArray[np.intp]

    def of_view(self, view: str) -> NDArray[np.intp]:
        """Return the positions in the sequence of one view."""
        return self.front if view == FRONT else self.side


def lay_frames(
    video_s: FloatArray, kept_s: FloatArray, frame_index: NDArray[np.int32], fps: float
) -> Frames:
    """Return the kept frames of a video on the clock that begins with its first frame.

    Args:
        video_s: `(frame,)` timestamps of every frame of the video.
        kept_s: `(kept,)` those of the kept frames.
        frame_index: `(kept,)` their index in the video.
        fps: counts where there are too few frames to measure their interval.
    """
    steps_s = np.diff(video_s)
    interval_s = float(np.median(steps_s)) if len(steps_s) else 1.0 / fps
    return Frames(kept_s - video_s[0], frame_index, interval_s)


def cut_segments(
    sync_group: str, front: Frames, side: Frames, offset_s: float, settings: ClipSettings
) -> Iterator[Clip | Reject]:
    """Yield the clips of a pair from the first moment that both views have to the last.

    A clip is divided into as many parts as it has frames; each view gives the frame nearest to the
    middle of each part, which must be within half a frame of it.

    Args:
        sync_group: the pair's.
        front: the frames of the front view.
        side: the frames of the side view.
        offset_s: the side video's first frame on the front video's clock.
        settings: duration, stride, frames.
    """
    shifted = replace(side, times_s=side.times_s + offset_s)
    yield from _cut(sync_group, {FRONT: front, SIDE: shifted}, settings)


def cut_video(name: str, frames: Frames, settings: ClipSettings) -> Iterator[Clip | Reject]:
    """Yield the clips of one video alone, from its first frame on; see `cut_segments`.

    Its positions stand in the places of both views.
    """
    yield from _cut(name, {"alone": frames}, settings)


def divide(found: Iterable[Clip | Reject]) -> tuple[tuple[Clip, ...], tuple[Reject, ...]]:
    """Return the clips among what was cut, and what is none."""
    every = tuple(found)
    clips = tuple(one for one in every if isinstance(one, Clip))
    return clips, tuple(one for one in every if isinstance(one, Reject))


def _cut(name: str, views: Mapping[str, Frames], settings: ClipSettings) -> Iterator[Clip | Reject]:
    """Yield the clips of one or two views on a common clock."""
    is_pair = len(views) > 1
    if not all(len(one.times_s) for one in views.values()):
        reason = "a view has no frame" if is_pair else "the video has no frame"
        yield Reject(name, "segments", "no_common_time", reason)
        return
    begin = max(one.times_s[0] - one.interval_s / 2 for one in views.values())
    end = min(one.times_s[-1] + one.interval_s / 2 for one in views.values())
    if end - begin + _ROUNDING_S < settings.duration_s:
        reason = f"the views have {max(end - begin, 0.0):.2f} s in common"
        if not is_pair:
            reason = f"the walk lasts {end - begin:.2f} s"
        reason += f", expected at least {settings.duration_s:g} s"
        yield Reject(name, "segments", "no_common_time", reason)
        return
    count = int(np.floor((end - begin - settings.duration_s + _ROUNDING_S) / settings.stride_s)) + 1
    middles = (np.arange(settings.frames) + 0.5) * settings.duration_s / settings.frames
    for number in range(count):
        clip_id = f"{name}_c{number:03d}"
        start_s = float(begin + number * settings.stride_s)
        chosen = {}
        for view, frames in views.items():
            places, distances_s = find_nearest(frames.times_s, start_s + middles)
            missing = int(np.count_nonzero(distances_s > frames.interval_s / 2 + _ROUNDING_S))
            if missing:
                where = f" of the {view} view" if is_pair else ""
                reason = f"{missing} of {settings.frames} frames{where} are missing"
                yield Reject(name, "segments", "frames_missing", reason, clip_id)
                break
            chosen[view] = places
        else:
            found = list(chosen.values())  # the front view first
            yield Clip(clip_id, start_s, found[0], found[-1])


def find_nearest(times_s: FloatArray, moments_s: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the place of the time nearest to each moment, and how far off it is."""
    after = np.clip(np.searchsorted(times_s, moments_s), 1, max(len(times_s) - 1, 1))
    after = np.minimum(after, len(times_s) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(times_s[before] - moments_s) <= np.abs(times_s[after] - moments_s)
    places = np.where(is_before, before, after)
    return places, np.abs(times_s[places] - moments_s)
