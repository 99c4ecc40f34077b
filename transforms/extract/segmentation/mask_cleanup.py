"""Whose pixels a crop's are: the person's own, or another's, or nobody's.

How probabilities become pixels in the first place: `mask_doubt`. Only `keep_person`, for masks of
the background difference, may add pixels.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_uint8
from transforms.extract.protocols import Box

_JOIN_SHARE: Final = 0.03
_CRACK_SHARE: Final = 0.02
_SPECK_SHARE: Final = 0.004
_COARSE_PX: Final = 200
_MAX_STEP: Final = 15
"""Beyond it the mean of a block with one pixel set would round to zero."""
_FULL: Final = 255


def grow_box(
    box: Box, x_margin: float, y_margin: float, frame_shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return whole pixels around a box with a margin in pixels, at least one, in the picture."""
    height, width = frame_shape
    x0 = min(max(0, round(box[0] - x_margin)), width - 1)
    y0 = min(max(0, round(box[1] - y_margin)), height - 1)
    x1 = max(x0 + 1, min(width, round(box[2] + x_margin)))
    y1 = max(y0 + 1, min(height, round(box[3] + y_margin)))
    return (x0, y0, x1, y1)


def shift_box(box: Box, x0: int, y0: int) -> Box:
    """Return a box of the picture in the pixels of a crop that starts at `x0, y0`."""
    return (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)


def clear_neighbours(pixels: NDArray[np.uint8], box: Box, neighbours: Sequence[Box]) -> None:
    """Clear, in place, what lies in the box of another person and not in the person's own.

    Args:
        pixels: `(height, width)` uint8, a mask or probabilities.
        box: the person's box in these pixels.
        neighbours: the boxes of others in these pixels.
    """
    x0, y0, x1, y1 = _whole(box)
    for other in neighbours:
        u0, v0, u1, v1 = _whole(other)
        own = pixels[y0:y1, x0:x1].copy()
        pixels[v0:v1, u0:u1] = 0
        pixels[y0:y1, x0:x1] = own


def keep_own_component(mask: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Keep the component that fills most of the box; pieces with small gaps between are one.

    Args:
        mask: `(height, width)` uint8 {0, 255}.
        box: the person's box in the mask's pixels.

    Returns:
        `(height, width)` uint8 {0, 255}; empty where nothing lies in the box.
    """
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count > 2:
        # Weak spots cut a body into pieces: join over small gaps to decide what belongs together.
        joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _disc(_JOIN_SHARE, mask.shape[0]))
        count, labels = cv2.connectedComponents(joined, connectivity=8)
    x0, y0, x1, y1 = _whole(box)
    inside = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=count)
    inside[0] = 0
    best = int(np.argmax(inside))
    if best == 0:
        return np.zeros_like(mask)
    if count == 2:
        return mask
    return as_uint8(cv2.bitwise_and(mask, as_uint8((labels == best) * np.uint8(_FULL))))


def keep_own_component_coarsely(mask: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Do as `keep_own_component` on a mask scaled down, for smooth masks of large pictures.

    Joining pieces at full size would cost more than the rest of the clean-up; pieces nearer to one
    another than a coarse pixel are one here.
    """
    step = coarse_step(mask)
    height, width = mask.shape
    size = (-(-width // step), -(-height // step))
    padded = cv2.copyMakeBorder(
        mask,
        0,
        size[1] * step - height,
        0,
        size[0] * step - width,
        cv2.BORDER_CONSTANT,
        value=(0,),
    )
    # The mean of whole blocks is zero only where nothing of the mask is.
    coarse = as_uint8(cv2.resize(padded, size, interpolation=cv2.INTER_AREA))
    coarse = as_uint8(cv2.threshold(coarse, 0, _FULL, cv2.THRESH_BINARY)[1])
    x0, y0, x1, y1 = (value / step for value in box)
    kept = keep_own_component(coarse, (x0, y0, x1, y1))
    return as_uint8(cv2.bitwise_and(mask, enlarge_blocks(kept > 0, step, mask.shape)))


def coarse_step(image: NDArray[np.uint8]) -> int:
    """Return how many pixels make one of some two to four hundred of the longer side."""
    height, width = image.shape
    return int(min(_MAX_STEP, max(1, max(height, width) // _COARSE_PX)))


def enlarge_blocks(
    is_set: NDArray[np.bool_], step: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return `shape` uint8 {0, 255} in which each coarse pixel is a block of `step` pixels."""
    height, width = is_set.shape
    blocks = cv2.resize(
        is_set.view(np.uint8) * np.uint8(_FULL),
        (width * step, height * step),
        interpolation=cv2.INTER_NEAREST,
    )
    return as_uint8(blocks[: shape[0], : shape[1]])


def keep_person(mask: NDArray[np.uint8], box: Box, neighbours: Sequence[Box]) -> NDArray[np.uint8]:
    """Keep the component that belongs to the box, with the holes that noise left in it closed.

    For masks of the background difference: it is noisy, and zero where clothes match the scene.

    Args:
        mask: `(height, width)` uint8 {0, 255}.
        box: the person's box in the mask's pixels.
        neighbours: boxes of others; what lies in them and outside `box` is cleared first.

    Returns:
        `(height, width)` uint8 {0, 255}; empty where nothing lies in the box.
    """
    mask = as_uint8(cv2.medianBlur(mask, 3))
    clear_neighbours(mask, box, neighbours)
    kept = keep_own_component(mask, box)
    # Where clothes turn from darker to brighter than the scene, the difference crosses zero.
    kernel = _disc(_CRACK_SHARE, mask.shape[0])
    return _fill_specks(as_uint8(cv2.morphologyEx(kept, cv2.MORPH_CLOSE, kernel)))


def _fill_specks(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill holes too small to be the space between arm and trunk."""
    limit = _SPECK_SHARE * np.count_nonzero(mask)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(_FULL - mask, connectivity=4)
    is_speck = stats[:, cv2.CC_STAT_AREA] < limit
    is_speck[0] = False
    if count > 1 and is_speck.any():
        mask[is_speck[labels]] = _FULL
    return mask


def _disc(share: float, height: int) -> NDArray[np.uint8]:
    reach = max(3, round(share * height)) | 1
    return as_uint8(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))


def _whole(box: Box) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (max(0, round(value)) for value in box)
    return (x0, y0, x1, y1)
