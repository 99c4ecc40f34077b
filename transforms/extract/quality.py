"""Whether a frame's mask, and then a sequence of them, is good enough to keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import MaskCrop
from transforms.settings import QualitySettings

MASK_TOO_SMALL: Final = "mask_too_small"
TOUCHING_BORDER: Final = "touching_border"
INCOMPLETE_BODY: Final = "incomplete_body"
AREA_JUMP: Final = "area_jump"

_MAX_BORDER_PX: Final = 2
"""Mask pixels on the picture's edge that are noise rather than a body cut off."""
_WINDOW_FRAMES: Final = 31
"""Frames that tell a frame's usual height and area: more than one gait cycle."""


@dataclass(frozen=True)
class SequenceVerdict:
    """What the gates say of a whole sequence."""

    is_accepted: bool
    reason_code: str | None
    reason: str | None
    quality_score: float


def judge_masks(
    crops: Sequence[MaskCrop], frame_shape: tuple[int, int], settings: QualitySettings
) -> list[str | None]:
    """Return per mask the reason to drop it, or None.

    Args:
        crops: the target's masks in the order of the frames.
        frame_shape: height and width of the picture.
        settings: thresholds.
    """
    areas = np.array([np.count_nonzero(crop.mask) for crop in crops], dtype=np.float64)
    heights = np.array([_height(crop) for crop in crops], dtype=np.float64)
    reasons: list[str | None] = []
    for area, crop in zip(areas, crops, strict=True):
        if area < settings.min_mask_px:
            reasons.append(MASK_TOO_SMALL)
        elif _border_contact(crop, frame_shape) > _MAX_BORDER_PX:
            reasons.append(TOUCHING_BORDER)
        else:
            reasons.append(None)
    whole = np.array([reason is None for reason in reasons], dtype=bool)
    usual_heights = _running_median(heights, whole)
    usual_areas = _running_median(areas, whole)
    for position in np.flatnonzero(whole):
        if heights[position] < settings.min_completeness * usual_heights[position]:
            reasons[position] = INCOMPLETE_BODY
            continue
        change = abs(areas[position] - usual_areas[position]) / usual_areas[position]
        if change > settings.max_area_jump:
            reasons[position] = AREA_JUMP
    return reasons


def judge_sequence(
    kept_count: int, span_count: int, mean_confidence: float, settings: QualitySettings
) -> SequenceVerdict:
    """Judge a sequence by how much of the target's time it holds.

    Args:
        kept_count: frames kept.
        span_count: frames from the target's first to its last.
        mean_confidence: mean mask confidence of the kept frames, 0..1.
        settings: thresholds.
    """
    fraction = kept_count / span_count if span_count else 0.0
    score = fraction * mean_confidence
    if kept_count < settings.min_kept_frames:
        reason = f"{kept_count} frames kept, expected at least {settings.min_kept_frames}"
        return SequenceVerdict(False, "too_few_frames", reason, score)
    if fraction < settings.min_kept_fraction:
        reason = (
            f"{fraction:.0%} of the target's frames kept, "
            f"expected at least {settings.min_kept_fraction:.0%}"
        )
        return SequenceVerdict(False, "too_many_dropped", reason, score)
    return SequenceVerdict(True, None, None, score)


def _height(crop: MaskCrop) -> int:
    rows = np.flatnonzero(crop.mask.any(axis=1))
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0


def _border_contact(crop: MaskCrop, frame_shape: tuple[int, int]) -> int:
    """Return the largest number of mask pixels on one edge of the picture."""
    height, width = frame_shape
    x0, y0, x1, y1 = crop.box
    edges = (
        (x0 == 0, crop.mask[:, 0]),
        (y0 == 0, crop.mask[0]),
        (x1 == width, crop.mask[:, -1]),
        (y1 == height, crop.mask[-1]),
    )
    return max((int(np.count_nonzero(line)) for is_edge, line in edges if is_edge), default=0)


def _running_median(values: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return per position the median of the usable values in the window around it."""
    places = np.flatnonzero(usable)
    result = np.full(len(values), np.nan)
    half = _WINDOW_FRAMES // 2
    for position in places:
        low, high = np.searchsorted(places, (position - half, position + half + 1))
        result[position] = np.median(values[places[low:high]])
    return result
