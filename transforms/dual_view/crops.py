"""One person cut out of a frame, as the published protocol of dual-view models has it.

The crop is the frame's own box, scaled to the height of the picture with its aspect kept, and
padded with black to a square. Boxes are not smoothed over time, as in that protocol: a person's
size is the same in each frame, and what a jumping box does to a model is part of its data.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_uint8
from transforms.extract.pictures import Picture


def crop_person(picture: Picture, box: NDArray[np.floating], size_px: int) -> NDArray[np.uint8]:
    """Return `(size_px, size_px, 3)` uint8 BGR: the box, centred on black.

    A box that is wider than high is scaled to the width instead, so that nothing is cut off.

    Args:
        picture: the whole frame, upright.
        box: x0, y0, x1, y1 in pixels, half-open; the parts outside the picture are left out.
        size_px: side of the square.

    Raises:
        ValueError: nothing of the box lies in the picture.
    """
    height, width = picture.shape
    x0, y0 = (max(int(np.floor(value)), 0) for value in box[:2])
    x1, y1 = min(int(np.ceil(box[2])), width), min(int(np.ceil(box[3])), height)
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"box {box.tolist()} lies outside the picture of {width}x{height}")
    cut = picture.colour((slice(y0, y1), slice(x0, x1)))
    scale = size_px / max(cut.shape[:2])
    rows, columns = (min(max(round(side * scale), 1), size_px) for side in cut.shape[:2])
    # Averaging where it shrinks, so that fine patterns do not flicker.
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = as_uint8(cv2.resize(cut, (columns, rows), interpolation=kind))
    square = np.zeros((size_px, size_px, 3), np.uint8)
    top, left = (size_px - rows) // 2, (size_px - columns) // 2
    square[top : top + rows, left : left + columns] = scaled
    return square
