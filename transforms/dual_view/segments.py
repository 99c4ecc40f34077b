"""Two aligned walks become clips: short segments with as many frames of one view as of the other.

The clock is the front video's. A clip whose frames are not all there is a reject with its reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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
    if not len(front.times_s) or not len(side.times_s):
        yield Reject(sync_group, "segments", "no_common_time", "a view has no frame")
        return
    side_times_s = side.times_s + offset_s
    begin = max(front.times_s[0] - front.interval_s / 2, side_times_s[0] - side.interval_s / 2)
    end = min(front.times_s[-1] + front.interval_s / 2, side_times_s[-1] + side.interval_s / 2)
    if end - begin + _ROUNDING_S < settings.duration_s:
        reason = f"the views have {max(end - begin, 0.0):.2f} s in common, expected at least "
        reason += f"{settings.duration_s:g} s"
        yield Reject(sync_group, "segments", "no_common_time", reason)
        return
    count = int(np.floor((end - begin - settings.duration_s + _ROUNDING_S) / settings.stride_s)) + 1
    middles = (np.arange(settings.frames) + 0.5) * settings.duration_s / settings.frames
    for number in range(count):
        clip_id = f"{sync_group}_c{number:03d}"
        start_s = float(begin + number * settings.stride_s)
        chosen = {}
        for view, frames, times_s in ((FRONT, front, front.times_s), (SIDE, side, side_times_s)):
            places, distances_s = find_nearest(times_s, start_s + middles)
            missing = int(np.count_nonzero(distances_s > frames.interval_s / 2 + _ROUNDING_S))
            if missing:
                reason = f"{missing} of {settings.frames} frames of the {view} view are missing"
                yield Reject(sync_group, "segments", "frames_missing", reason, clip_id)
                break
            chosen[view] = places
        else:
            yield Clip(clip_id, start_s, chosen[FRONT], chosen[SIDE])


def find_nearest(times_s: FloatArray, moments_s: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the place of the time nearest to each moment, and how far off it is."""
    after = np.clip(np.searchsorted(times_s, moments_s), 1, max(len(times_s) - 1, 1))
    after = np.minimum(after, len(times_s) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(times_s[before] - moments_s) <= np.abs(times_s[after] - moments_s)
    places = np.where(is_before, before, after)
    return places, np.abs(times_s[places] - moments_s)
