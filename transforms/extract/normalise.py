"""Masks to silhouettes as gait-recognition practice normalises them, byte for byte.

The rule: crop to the vertical extent at full width, scale to height 64 keeping the aspect (bicubic,
no antialiasing), centre on the first column whose cumulative mass exceeds half the total, cut 32
columns to each side. Unlike the field's tool, a frame that cannot be normalised says why.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE_PX: Final = 64
_HALF_PX: Final = SIZE_PX // 2
_MIN_SUM: Final = 10_000
"""The field drops masks whose grey levels sum to this or less (about 39 white pixels)."""

TOO_FEW_PIXELS: Final = "normalisation_too_few_pixels"
NO_CENTRE: Final = "normalisation_no_centre"


@dataclass(frozen=True)
class NormalisedFrames:
    """Silhouettes, and per frame the reason why there is none."""

    silhouettes: NDArray[np.uint8]  # (frame, 64, 64) 0..255; zeros where there is a reason
    reasons: tuple[str | None, ...]

    @property
    def is_kept(self) -> NDArray[np.bool_]:
        """Tell the frames that have a silhouette, `(frame,)`."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)


def normalise_frame(mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str | None]:
    """Normalise one full-frame mask.

    Args:
        mask: `(height, width)` uint8, grey levels 0..255 or the values {0, 1}, which mean {0, 255}.

    Returns:
        The silhouette `(64, 64)` uint8 0..255 and None, or zeros and the reason.
    """
    empty = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    left, top, extent, rows = cv2.boundingRect(mask)
    if extent == 0:
        return empty, TOO_FEW_PIXELS
    band = mask[top : top + rows]
    inside = band[:, left : left + extent]
    mass = cv2.sumElems(inside)[0]
    if inside.max() == 1:
        band = band * np.uint8(255)
        mass *= 255
    if mass <= _MIN_SUM:
        return empty, TOO_FEW_PIXELS
    width = int(SIZE_PX * mask.shape[1] / rows)
    if width == 0:
        return empty, NO_CENTRE
    scaled = cv2.resize(band, (width, SIZE_PX), interpolation=cv2.INTER_CUBIC)
    cumulative = np.cumsum(cv2.reduce(scaled, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0])
    if cumulative[-1] == 0:
        return empty, NO_CENTRE
    centre = int(np.searchsorted(cumulative, cumulative[-1] / 2, side="right"))
    if centre == 0:
        # The field's tool takes column 0 for "no centre found"; its output is the contract.
        return empty, NO_CENTRE
    first, last = max(centre - _HALF_PX, 0), min(centre + _HALF_PX, width)
    offset = first - (centre - _HALF_PX)
    empty[:, offset : offset + last - first] = scaled[:, first:last]
    return empty, None


def normalise_frames(masks: Iterable[NDArray[np.uint8]]) -> NormalisedFrames:
    """Normalise full-frame masks, one `(height, width)` after another; see `normalise_frame`."""
    silhouettes: list[NDArray[np.uint8]] = []
    reasons: list[str | None] = []
    for mask in masks:
        silhouette, reason = normalise_frame(mask)
        silhouettes.append(silhouette)
        reasons.append(reason)
    stacked = np.array(silhouettes, dtype=np.uint8).reshape(-1, SIZE_PX, SIZE_PX)
    return NormalisedFrames(stacked, tuple(reasons))
