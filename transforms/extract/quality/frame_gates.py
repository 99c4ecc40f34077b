"""Whether one frame's mask is good enough to keep, judged beside the other frames of its walk.

What is asked of the sequence as a whole: `transforms.extract.quality.sequence_gates`.
"""

from collections.abc import Sequence
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_uint8
from transforms.extract.protocols import MaskCrop
from transforms.settings import QualitySettings

MASK_TOO_SMALL: Final = "mask_too_small"
FEET_CUT_OFF: Final = "feet_cut_off"
HEAD_CUT_OFF: Final = "head_cut_off"
TOUCHING_SIDE: Final = "touching_side"
LOW_CONFIDENCE: Final = "low_confidence"
INCOMPLETE_BODY: Final = "incomplete_body"
AREA_JUMP: Final = "area_jump"
ASPECT_JUMP: Final = "aspect_jump"
BLURRED: Final = "blurred"

_MAX_BORDER_PX: Final = 2
"""Mask pixels on the picture's edge that are noise rather than a body cut off."""
_WINDOW_FRAMES: Final = 31
"""Frames that tell a frame's usual height and area: more than one gait cycle."""
_NEIGHBOURS: Final = 3
"""Frames to each side that tell how wide the body is at this moment of its step."""
_SHARPNESS_HEIGHT_PX: Final = 128
"""Blur is looked for at twice the silhouette's height: what is finer cannot be seen in it."""
_ROUNDING_DETAIL: Final = 20 / 12
"""Variance of the Laplacian of whole grey levels' rounding alone: the squares of its weights are 20
together."""
_SHARPNESS_NOISE: Final = 4.0
"""Grey levels squared that sensor noise alone has; keeps empty crops from looking sharp."""


def judge_masks(
    crops: Sequence[MaskCrop],
    frame_shape: tuple[int, int],
    sharpness: NDArray[np.float32],
    settings: QualitySettings,
) -> list[str | None]:
    """Return per mask the reason to drop it, or None; the first reason that applies.

    Args:
        crops: the target's masks in the order of the frames.
        frame_shape: height and width of the picture.
        sharpness: `(crop,)` float32, see `measure_sharpness`.
        settings: thresholds.
    """
    if not crops:
        return []
    extents = np.array([cv2.boundingRect(crop.mask) for crop in crops], dtype=np.float64)
    widths, heights = extents[:, 2], extents[:, 3]
    areas = np.array([cv2.countNonZero(crop.mask) for crop in crops], dtype=np.float64)
    confidences = np.array([crop.confidence for crop in crops])
    reasons: list[str | None] = [cut_off_edge(crop, frame_shape) for crop in crops]
    _set_reason(reasons, areas < settings.min_mask_px, MASK_TOO_SMALL, overrules=True)
    # A NaN is no confidence: hence "not at least" instead of "below".
    _set_reason(reasons, ~(confidences >= settings.min_confidence), LOW_CONFIDENCE)
    # From here on a frame is held against the others, which must themselves be whole.
    whole = np.array([reason is None for reason in reasons], dtype=bool)
    usual_heights = _running_median(heights, whole)
    usual_areas = _running_median(areas, whole)
    _set_reason(reasons, heights < settings.min_completeness * usual_heights, INCOMPLETE_BODY)
    jumps = np.abs(areas - usual_areas) > settings.max_area_jump * usual_areas
    _set_reason(reasons, jumps, AREA_JUMP)
    alike = np.array([reason is None for reason in reasons], dtype=bool)
    aspects = widths / np.maximum(heights, 1.0)
    narrowest, widest = _neighbour_range(aspects, alike)
    tolerance = 1.0 + settings.max_aspect_jump
    _set_reason(
        reasons, (aspects > widest * tolerance) | (aspects < narrowest / tolerance), ASPECT_JUMP
    )
    measured = sharpness[np.isfinite(sharpness)]
    if len(measured):
        _set_reason(
            reasons, sharpness < settings.min_relative_sharpness * np.median(measured), BLURRED
        )
    return reasons


def cut_off_edge(crop: MaskCrop, frame_shape: tuple[int, int]) -> str | None:
    """Return which end of the body the picture's edge cuts off, or None."""
    height, width = frame_shape
    x0, y0, x1, y1 = crop.box
    edges = (
        (FEET_CUT_OFF, y1 == height, crop.mask[-1]),
        (HEAD_CUT_OFF, y0 == 0, crop.mask[0]),
        (TOUCHING_SIDE, x0 == 0, crop.mask[:, 0]),
        (TOUCHING_SIDE, x1 == width, crop.mask[:, -1]),
    )
    for reason, is_edge, line in edges:
        if is_edge and np.count_nonzero(line) > _MAX_BORDER_PX:
            return reason
    return None


def measure_sharpness(grey: NDArray[np.uint8]) -> float:
    """Return how much of a crop's contrast lies in its finest detail, 0 where it is flat.

    The variance of the Laplacian over that of the grey levels: darker or paler pictures of the same
    scene give about the same number. Crops are first brought to one height, so that people near and
    far can be compared.

    Args:
        grey: `(height, width)` uint8, the brightness around the person.
    """
    if grey.size == 0:
        return 0.0
    scale = _SHARPNESS_HEIGHT_PX / grey.shape[0]
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), _SHARPNESS_HEIGHT_PX)
        grey = as_uint8(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    detail = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item() ** 2 - _ROUNDING_DETAIL
    contrast = cv2.meanStdDev(grey)[1].item() ** 2
    return float(max(detail, 0.0) / (contrast + _SHARPNESS_NOISE))


def _set_reason(
    reasons: list[str | None], applies: NDArray[np.bool_], reason: str, *, overrules: bool = False
) -> None:
    """Note the reason, in place, where it applies and, unless it overrules, none stands yet."""
    for position in np.flatnonzero(applies):
        if overrules or reasons[position] is None:
            reasons[position] = reason


def _running_median(values: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return per usable position the median of the usable values around it, NaN elsewhere."""
    windows = _windows(values[usable], _WINDOW_FRAMES // 2, "symmetric")
    result = np.full(len(values), np.nan)
    result[usable] = np.median(windows, axis=-1)
    return result


def _neighbour_range(
    values: NDArray[np.float64], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return per usable position the least and greatest value beside it, NaN elsewhere."""
    windows = _windows(values[usable], _NEIGHBOURS, "reflect")
    beside = np.delete(windows, _NEIGHBOURS, axis=-1)
    least, greatest = np.full(len(values), np.nan), np.full(len(values), np.nan)
    least[usable], greatest[usable] = beside.min(axis=-1), beside.max(axis=-1)
    return least, greatest


def _windows(
    values: NDArray[np.float64], reach: int, mode: Literal["symmetric", "reflect"]
) -> NDArray[np.float64]:
    """Return `(value, 2 * reach + 1)`: each value with those around it, mirrored at the ends."""
    if len(values) == 0:
        return np.zeros((0, 2 * reach + 1))
    padded = np.pad(values, reach, mode=mode)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
