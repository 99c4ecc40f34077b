"""One walk that two cameras saw becomes clips: the offset is found or taken, then segments are cut.

The same for the pairs of a dataset and for two videos from anywhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.dual_view.alignment import Alignment, Estimate, choose_offset, estimate_offset
from transforms.dual_view.motion import Walk
from transforms.dual_view.pairing import FRONT, SIDE, Reject
from transforms.dual_view.segments import Clip, Frames, cut_segments, divide
from transforms.settings import ClipSettings


@dataclass(frozen=True)
class SeenWalk:
    """What one camera saw of a walk.

    Attributes:
        frames: those that were kept.
        silhouettes: `(frame, 64, width)` uint8.
        boxes: `(frame, 4)` float64 x0, y0, x1, y1 in pixels of the video.
    """

    frames: Frames
    silhouettes: NDArray[np.uint8]
    boxes: NDArray[np.float64]

    def of_view(self, view: str) -> Walk:
        """Return what its motion is measured on."""
        return Walk(view, self.frames.times_s, self.silhouettes, self.boxes)


@dataclass(frozen=True)
class Cut:
    """What became of a walk: its offset, or why there is none, and its clips."""

    estimate: Estimate | None
    alignment: Alignment | Reject
    clips: tuple[Clip, ...] = ()
    rejects: tuple[Reject, ...] = ()


def cut_walk(
    sync_group: str,
    front: SeenWalk,
    side: SeenWalk,
    declared_s: float | None,
    settings: ClipSettings,
) -> Cut:
    """Return the clips of a walk.

    Args:
        sync_group: what the walk is called.
        front: what the front camera saw.
        side: what the side camera saw.
        declared_s: when the side video began on the front video's clock, if anybody said.
        settings: of the offset and of the clips.
    """
    estimate = estimate_offset(front.of_view(FRONT), side.of_view(SIDE), settings.max_offset_s)
    alignment = choose_offset(sync_group, declared_s, estimate, settings)
    if isinstance(alignment, Reject):
        return Cut(estimate, alignment)
    found = cut_segments(sync_group, front.frames, side.frames, alignment.offset_s, settings)
    return Cut(estimate, alignment, *divide(found))
