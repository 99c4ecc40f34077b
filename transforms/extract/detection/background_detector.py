"""The detector that needs no weights: foreground regions of person shape."""

from collections.abc import Iterable, Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_float32, as_uint8
from transforms.extract.detection.background import measure_distance
from transforms.extract.protocols import Detection, Frame, RecordingContext

_WORKING_HEIGHT_PX: Final = 180
_MIN_DISTANCE: Final = 3.0
"""Standard deviations of the scene's noise beyond which a pixel is foreground."""
_MIN_HEIGHT_FRACTION: Final = 0.1
_CLOSING_FRACTION: Final = 0.05
_HISTOGRAM_BINS: Final = 4


class BackgroundDetector:
    """Finds people as person-shaped regions that differ from the recording's own background.

    Who stands still for most of the recording belongs to the background and is not seen.
    """

    def detect(
        self, frames: Iterable[Frame], context: RecordingContext
    ) -> Iterator[tuple[Detection, ...]]:
        """Yield person-shaped foreground regions with their appearance, best first."""
        height, width = context.frame_shape
        scale = min(1.0, _WORKING_HEIGHT_PX / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        scene = context.background
        model = scene.resized(*size)
        for frame in frames:
            image = frame.picture.scaled(size[1], size[0], cv2.INTER_AREA)
            lit = model.lit(scene.gain(frame))
            foreground = find_foreground(measure_distance(image, lit, model.noise, 1.0))
            yield _describe_regions(image, foreground, width / size[0], height / size[1])


def find_foreground(distance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return `(height, width)` uint8 {0, 255}: what differs from the scene, cleaned and closed."""
    foreground = as_uint8(distance > _MIN_DISTANCE) * np.uint8(255)
    reach = max(3, round(_CLOSING_FRACTION * distance.shape[0])) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, reach // 3) | 1, reach))
    return as_uint8(cv2.morphologyEx(cv2.medianBlur(foreground, 3), cv2.MORPH_CLOSE, kernel))


def _describe_regions(
    image: NDArray[np.uint8], foreground: NDArray[np.uint8], x_scale: float, y_scale: float
) -> tuple[Detection, ...]:
    height = foreground.shape[0]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(foreground, connectivity=8)
    found = []
    for label in range(1, count):
        x, y, w, h, area = (int(value) for value in stats[label])
        if h < _MIN_HEIGHT_FRACTION * height:
            continue
        score = score_shape(w, h, area, height)
        inside = labels[y : y + h, x : x + w] == label
        feature = describe_appearance(image[y : y + h, x : x + w], inside)
        box = (x * x_scale, y * y_scale, (x + w) * x_scale, (y + h) * y_scale)
        found.append(Detection(box, score, feature))
    return tuple(sorted(found, key=lambda detection: (-detection.score, detection.box)))


def score_shape(width_px: int, height_px: int, area_px: int, frame_height_px: int) -> float:
    """Say how much a region looks like a walking person, 0..1, by aspect, filling and size."""
    aspect = _trapezoid(height_px / width_px, 0.7, 1.3, 5.0, 9.0)
    filling = _trapezoid(area_px / (width_px * height_px), 0.12, 0.28, 0.9, 1.0)
    size = _trapezoid(height_px / frame_height_px, 0.08, 0.2, 2.0, 3.0)
    return float(aspect * filling * size)


def _trapezoid(value: float, low: float, full: float, full_until: float, high: float) -> float:
    return float(np.interp(value, (low, full, full_until, high), (0.0, 1.0, 1.0, 0.0)))


def describe_appearance(image: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return colour histograms of the upper and lower half of a person, each of sum 1/2.

    Args:
        image: `(height, width, channel)` uint8.
        inside: `(height, width)` bool, the person's pixels.

    Returns:
        `(2 * 64,)` float32, square roots taken, so that a dot product is the Bhattacharyya
        coefficient 0..1 of two appearances.
    """
    bins = _HISTOGRAM_BINS
    levels = (image // (256 // bins)).astype(np.int32)
    code = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
    half = len(image) // 2
    parts = []
    for rows in (slice(0, half), slice(half, None)):
        counts = np.bincount(code[rows][inside[rows]], minlength=bins**3).astype(np.float32)
        parts.append(counts / max(1.0, 2 * counts.sum()))
    return as_float32(np.sqrt(np.concatenate(parts)))
