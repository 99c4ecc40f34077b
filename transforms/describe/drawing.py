"""What pictures drawn with OpenCV share: a blank sheet, a line of text, an even choice, a PNG.

The bytes depend only on the arguments. What is drawn is the business of the modules that draw.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.describe.style import bgr

Image = NDArray[np.uint8]  # (height, width, 3) blue, green, red

MUTED: Final = "#5b6670"
GROUND: Final = "#eef1f4"


def blank(height: int, width: int, colour: str) -> Image:
    """Return an image of one colour."""
    return np.full((height, width, 3), bgr(colour), dtype=np.uint8)


def write_line(
    image: Image, text: str, x: int, y: int, colour: str, *, size: int, weight: int
) -> None:
    """Write one line at a baseline, cut with an ellipsis where the image ends."""
    font = cv2.FontFace("sans")
    line = text.replace("\n", " ").replace("\r", " ")
    # A pixel a letter at least: what is longer can't fit, and need not be measured.
    line = line[: image.shape[1]]
    cut = line
    while cut and _measure(font, line, size, weight) > image.shape[1] - x:
        cut = cut[:-1]
        line = cut.rstrip() + "…"
    cv2.putText(image, line, (x, y), bgr(colour), font, size, weight)


def measure_line(text: str, *, size: int, weight: int) -> int:
    """Return how many pixels wide a line of text is."""
    return _measure(cv2.FontFace("sans"), text, size, weight)


def _measure(font: Any, text: str, size: int, weight: int) -> int:
    # `Any`: OpenCV ships no type for its fonts.
    return int(cv2.getTextSize((0, 0), text, (0, 0), font, size, weight)[2])


def spread(count: int, limit: int) -> list[int]:
    """Return at most `limit` of the positions 0..count-1, evenly spread, both ends included."""
    if count <= limit:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, limit).round()]


def encode_png(image: Image) -> bytes:
    """Return an image as PNG bytes.

    Raises:
        ValueError: OpenCV refuses the image.
    """
    # Without filters: flat areas and sharp edges take a quarter less than with OpenCV's choice.
    # Level 9 takes four times as long as 7 and saves another quarter.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 7, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    is_written, data = cv2.imencode(".png", image, options)
    if not is_written:
        raise ValueError(f"OpenCV can't encode an image of {image.shape}")
    return data.tobytes()
