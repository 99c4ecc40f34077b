"""The embedded segmenter: background difference inside the target's box, GrabCut where in doubt.

On clear frames GrabCut costs some ten times the rest of the stage and moves the outline by less
than a pixel, and it gives weakly contrasted limbs away. So it is asked only where the difference
leaves much of the body in doubt, and may only add to the silhouette.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_float32, as_uint8
from transforms.extract.detection.background import (
    BackgroundModel,
    measure_distance,
)
from transforms.extract.protocols import Box, Frame, MaskCrop, RecordingContext
from transforms.extract.segmentation.mask_cleanup import grow_box, keep_person, shift_box

_MARGIN: Final = 0.08
_MIN_MARGIN_PX: Final = 4
_BLUR_PX: Final = 0.6
_MIN_DISTANCE: Final = 3.0
"""Standard deviations beyond which a pixel may be the person."""
_EDGE_SHARE: Final = 0.25
_EDGE_REACH_PX: Final = 4
_EDGE_CAP: Final = 16.0
"""An edge lies where the difference falls to a share of its neighbourhood's, up to this cap."""
_DOUBT: Final = (2.2, 9.0)
_REFINE_FROM_DOUBT: Final = 0.35
"""Share of doubtful pixels from which GrabCut is asked; clear frames lie below 0.1."""
_REFINE_MAX_PX: Final = 8_000
_SHADOW_BAND: Final = 0.12
_SHADOW_DEPTH: Final = 0.65
_SHADOW_TINT: Final = 0.08


class BackgroundGrabCutSegmenter:
    """Cuts the target out by its difference from the recording's background."""

    def segment(
        self,
        frames: Iterable[Frame],
        target: Mapping[int, Box],
        neighbours: Mapping[int, Sequence[Box]],
        context: RecordingContext,
    ) -> Iterator[MaskCrop]:
        """Yield one crop per frame that `target` names; see `Segmenter`."""
        model = context.background
        for frame in frames:
            box = target.get(frame.index)
            if box is not None:
                yield cut_person(frame, box, neighbours.get(frame.index, ()), model)


def cut_person(
    frame: Frame, box: Box, neighbours: Sequence[Box], model: BackgroundModel
) -> MaskCrop:
    """Cut one person out of one frame.

    Args:
        frame: the picture.
        box: the person's box.
        neighbours: boxes of other people; their components are left out.
        model: the scene.
    """
    height, width = frame.picture.shape
    x_margin = max(_MIN_MARGIN_PX, _MARGIN * (box[2] - box[0]))
    y_margin = max(_MIN_MARGIN_PX, _MARGIN / 2 * (box[3] - box[1]))
    x0, y0, x1, y1 = crop = grow_box(box, x_margin, y_margin, (height, width))
    rows, columns = slice(y0, y1), slice(x0, x1)
    image = frame.picture.colour((rows, columns))
    lit = model.lit(model.gain(frame), rows, columns)
    distance = measure_distance(image, lit, model.noise[rows, columns], _BLUR_PX)
    inner = shift_box(box, x0, y0)
    is_person = find_outline(distance)
    _remove_shadow(is_person, image, lit, inner)
    mask = keep_person(
        is_person.astype(np.uint8) * np.uint8(255),
        inner,
        [shift_box(other, x0, y0) for other in neighbours],
    )
    doubtful = find_doubt(distance, mask)
    doubt = np.count_nonzero(doubtful) / max(1, int(np.count_nonzero(mask)))
    if doubt > _REFINE_FROM_DOUBT:
        mask = keep_person(refine_by_colour(image, mask, doubtful), inner, ())
    return MaskCrop(frame.index, crop, mask, float(np.clip(1 - doubt, 0, 1)))


def find_outline(distance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell the person's pixels by distance, the edge at a share of the local contrast.

    A fixed threshold would swell well-contrasted limbs by the codec's and the blur's halo.
    """
    reach = 2 * _EDGE_REACH_PX + 1
    nearby = cv2.dilate(distance, np.ones((reach, reach), np.uint8))
    threshold = np.clip(_EDGE_SHARE * nearby, _MIN_DISTANCE, _EDGE_CAP)
    outline: NDArray[np.bool_] = distance > threshold
    return outline


def _remove_shadow(
    is_person: NDArray[np.bool_], image: NDArray[np.uint8], lit: NDArray[np.float32], box: Box
) -> None:
    """Clear, in place, what only darkens the floor around the feet and keeps its tint."""
    top = max(0, round(box[3] - _SHADOW_BAND * (box[3] - box[1])))
    if top >= len(image):
        return
    seen = as_float32(cv2.GaussianBlur(image[top:].astype(np.float32), (0, 0), 1.5))
    expected = as_float32(cv2.GaussianBlur(lit[top:], (0, 0), 1.5))
    ratio = seen / np.maximum(expected, 8.0)
    darkest, brightest = ratio.min(axis=2), ratio.max(axis=2)
    is_person[top:] &= ~(
        (darkest > _SHADOW_DEPTH) & (brightest < 1.0) & (brightest - darkest < _SHADOW_TINT)
    )


def find_doubt(distance: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell the pixels at and in the silhouette that the difference does not decide."""
    near = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0
    low, high = _DOUBT
    reach = 2 * _EDGE_REACH_PX + 1
    # Beside a strong edge a weak difference is its halo and in no doubt.
    halo = np.minimum(0.2 * cv2.dilate(distance, np.ones((reach, reach), np.uint8)), 6.0)
    doubtful: NDArray[np.bool_] = near & (distance > low) & (distance < high) & (distance > halo)
    return doubtful


def refine_by_colour(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], doubtful: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Add doubtful pixels that GrabCut's colour models of the sure ones give to the person.

    Args:
        image: `(height, width, channel)` uint8.
        mask: `(height, width)` uint8 {0, 255}.
        doubtful: `(height, width)` bool; the pixels that may be added.
    """
    labels = np.where(mask > 0, np.uint8(cv2.GC_FGD), np.uint8(cv2.GC_BGD))
    labels[doubtful & (mask > 0)] = cv2.GC_PR_FGD
    labels[doubtful & (mask == 0)] = cv2.GC_PR_BGD
    scale = min(1.0, (_REFINE_MAX_PX / mask.size) ** 0.5)
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small = as_uint8(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    labels = as_uint8(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
    if not ((labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any()):
        return mask
    cv2.setRNGSeed(0)  # GrabCut's colour clusters start at random
    models = np.zeros((2, 1, 65))
    cv2.grabCut(small, labels, (0, 0, 1, 1), models[0], models[1], 1, cv2.GC_INIT_WITH_MASK)
    person = as_uint8((labels & 1) * 255)  # GC_FGD and GC_PR_FGD are the odd ones
    size = (mask.shape[1], mask.shape[0])
    person = as_uint8(cv2.resize(person, size, interpolation=cv2.INTER_LINEAR))
    return as_uint8(np.where(doubtful & (person > 127), np.uint8(255), mask))
