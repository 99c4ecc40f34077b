"""Masks to silhouettes as gait-recognition practice normalises them.

The rule: crop to the vertical extent at full width, scale to height 64 keeping the aspect (bicubic,
no antialiasing), centre on the first column whose cumulative mass exceeds half the total, cut 32
columns to each side. Unlike the field's tool, a frame that cannot be normalised says why. The
arithmetic lives in `transforms.extract.normalisation.kernel`.

Equal to OpenCV's bytes but where a scaled level lies within 3e-5 of a half: there its float32
rounding, which depends on the processor, may fall one grey level to the other side.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.extract.normalisation.kernel import (
    HALF_PX,
    KEPT,
    MIN_SUM,
    SIZE_PX,
    TOO_LIGHT,
    UNCENTRED,
    UNDECIDED,
    compiled_kernel,
)

TOO_FEW_PIXELS: Final = "normalisation_too_few_pixels"
NO_CENTRE: Final = "normalisation_no_centre"

_REASONS: Final = {KEPT: None, TOO_LIGHT: TOO_FEW_PIXELS, UNCENTRED: NO_CENTRE}


def normalise_frame(mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str | None]:
    """Normalise one full-frame mask.

    Args:
        mask: `(height, width)` uint8, grey levels 0..255 or the values {0, 1}, which mean {0, 255}.

    Returns:
        The silhouette `(64, 64)` uint8 0..255 and None, or zeros and the reason.

    Raises:
        InputError: the mask has another shape or type.
    """
    _require_mask(mask)
    silhouette = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    outcome = compiled_kernel()(np.ascontiguousarray(mask), 0, mask.shape[1], silhouette)
    if outcome == UNDECIDED:
        return normalise_with_opencv(mask)
    return silhouette, _REASONS[outcome]


def normalise_crop(
    mask: NDArray[np.uint8], box: tuple[int, int, int, int], frame_shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], str | None]:
    """Normalise a mask as if it stood in an otherwise empty frame, without building the frame.

    Args:
        mask: `(y1 - y0, x1 - x0)` uint8, levels as for `normalise_frame`.
        box: x0, y0, x1, y1, half-open, inside the frame.
        frame_shape: height and width.

    Returns:
        What `normalise_frame` returns for the frame.

    Raises:
        InputError: mask, box and frame do not fit together.
    """
    _require_mask(mask)
    x0, y0, x1, y1 = box
    height, width = frame_shape
    if mask.shape != (y1 - y0, x1 - x0) or x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise InputError(
            "a mask does not fill its box inside the frame",
            where=f"box {box} in a frame of {height}x{width}",
            expected=f"a box inside the frame and a mask of {y1 - y0}x{x1 - x0}",
            found=f"a mask of {mask.shape[0]}x{mask.shape[1]}",
            fix="pass the box the mask was cut from and the height and width of its frame",
        )
    silhouette = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    outcome = compiled_kernel()(np.ascontiguousarray(mask), x0, width, silhouette)
    if outcome != UNDECIDED:
        return silhouette, _REASONS[outcome]
    frame = cv2.copyMakeBorder(
        mask, y0, height - y1, x0, width - x1, cv2.BORDER_CONSTANT, value=(0,)
    )
    return normalise_with_opencv(np.asarray(frame, dtype=np.uint8))


def normalise_with_opencv(mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str | None]:
    """Normalise one full-frame mask by a chain of OpenCV calls, slower and byte for byte.

    For the few frames the kernel leaves undecided: fewer than four rows or columns, or a centre
    that hangs on how OpenCV rounds a half. Arguments and result are `normalise_frame`'s.
    """
    silhouette = np.zeros((SIZE_PX, SIZE_PX), dtype=np.uint8)
    left, top, extent, rows = cv2.boundingRect(mask)
    if extent == 0:
        return silhouette, TOO_FEW_PIXELS
    band = mask[top : top + rows]
    inside = band[:, left : left + extent]
    mass = cv2.sumElems(inside)[0]
    if inside.max() == 1:
        band = band * np.uint8(255)
        mass *= 255
    if mass <= MIN_SUM:
        return silhouette, TOO_FEW_PIXELS
    width = SIZE_PX * mask.shape[1] // rows
    if width == 0:
        return silhouette, NO_CENTRE
    scaled = cv2.resize(band, (width, SIZE_PX), interpolation=cv2.INTER_CUBIC)
    cumulative = np.cumsum(cv2.reduce(scaled, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0])
    if cumulative[-1] == 0:
        return silhouette, NO_CENTRE
    centre = int(np.searchsorted(cumulative, cumulative[-1] / 2, side="right"))
    if centre == 0:
        # The field's tool takes column 0 for "no centre found"; its output is the contract.
        return silhouette, NO_CENTRE
    first, last = max(centre - HALF_PX, 0), min(centre + HALF_PX, width)
    offset = first - (centre - HALF_PX)
    silhouette[:, offset : offset + last - first] = scaled[:, first:last]
    return silhouette, None


def _require_mask(mask: NDArray[np.uint8]) -> None:
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise InputError(
            "this is not a mask",
            expected="an array (height, width) of uint8",
            found=f"shape {mask.shape} of {mask.dtype}",
            fix="pass one channel, 0..255 or {0, 1}",
        )
