"""The segmenter around a network: crops for it, and masks from the probabilities it gives back.

Which network: `pphumanseg`, `pphumanseg_paddle` or `yolo_seg`. How doubt is settled: `mask_doubt`;
how other people are left out: `mask_cleanup`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import (
    Box,
    Frame,
    MaskCrop,
    PersonCrop,
    ProbabilityCrop,
    ProbabilityModel,
    RecordingContext,
)
from transforms.extract.segmentation.mask_cleanup import (
    clear_neighbours,
    grow_box,
    keep_own_component_coarsely,
    shift_box,
)
from transforms.extract.segmentation.mask_doubt import BoxedProbability, settle_all
from transforms.settings import SegmentationSettings


@dataclass(frozen=True)
class _Job:
    """One person of one frame on the way to the network."""

    frame_index: int
    box: Box  # the person's, in the picture
    window: tuple[int, int, int, int]  # of the picture: where the mask may lie
    view: tuple[int, int, int, int]  # of the picture: what the network sees, the window and more
    crop: PersonCrop  # the view
    neighbours: tuple[Box, ...]  # in the picture


class SoftSegmenter:
    """Cuts the target out by what a network says of the pixels around it; see `Segmenter`.

    Deterministic as far as the network is. Holds a batch of crops and the probabilities of three.
    """

    def __init__(self, model: ProbabilityModel, settings: SegmentationSettings) -> None:
        self._model = model
        self._settings = settings

    def segment(
        self,
        frames: Iterable[Frame],
        target: Mapping[int, Box],
        neighbours: Mapping[int, Sequence[Box]],
        context: RecordingContext,
    ) -> Iterator[MaskCrop]:
        """Yield one crop per frame that `target` names; see `Segmenter`."""
        probabilities = self._predict(frames, target, neighbours)
        settled = settle_all(
            probabilities, threshold=self._settings.threshold, doubt=self._settings.doubt
        )
        for boxed, mask in settled:
            crop = boxed.crop
            mask = keep_own_component_coarsely(mask, boxed.box)
            confidence = expect_overlap(crop.probability, mask)
            yield MaskCrop(crop.frame_index, crop.box, mask, confidence)

    def _predict(
        self,
        frames: Iterable[Frame],
        target: Mapping[int, Box],
        neighbours: Mapping[int, Sequence[Box]],
    ) -> Iterator[BoxedProbability]:
        batch: list[_Job] = []
        for frame in frames:
            box = target.get(frame.index)
            if box is None:
                continue
            batch.append(self._cut(frame, box, neighbours.get(frame.index, ())))
            if len(batch) >= self._model.batch_size:
                yield from self._run(batch)
                batch = []
        if batch:
            yield from self._run(batch)

    def _run(self, batch: list[_Job]) -> Iterator[BoxedProbability]:
        found = self._model.predict([job.crop for job in batch])
        for job, seen in zip(batch, found, strict=True):
            x0, y0, x1, y1 = job.window
            left, top = x0 - job.view[0], y0 - job.view[1]
            probability = seen[top : top + y1 - y0, left : left + x1 - x0].copy()
            own = shift_box(job.box, x0, y0)
            others = [shift_box(other, x0, y0) for other in job.neighbours]
            clear_neighbours(probability, own, others)
            yield BoxedProbability(ProbabilityCrop(job.frame_index, job.window, probability), own)

    def _cut(self, frame: Frame, box: Box, neighbours: Sequence[Box]) -> _Job:
        shape = frame.picture.shape
        margin = self._settings.margin
        window = grow_box(box, margin * (box[2] - box[0]), margin * (box[3] - box[1]), shape)
        width, height = window[2] - window[0], window[3] - window[1]
        seen_height, seen_width = self._model.view_size(height, width)
        view = grow_box(window, (seen_width - width) / 2, (seen_height - height) / 2, shape)
        x0, y0, x1, y1 = view
        image = frame.picture.colour((slice(y0, y1), slice(x0, x1)))
        crop = PersonCrop(image, shift_box(box, x0, y0))
        return _Job(frame.index, box, window, view, crop, tuple(neighbours))


def expect_overlap(probability: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Return how sure the network is of a mask: the overlap to expect if it is right throughout.

    That is the intersection over union with the truth, in which each pixel's share is its
    probability: a mask that leaves out likely pixels or holds unlikely ones has a low one.

    Args:
        probability: `(height, width)` uint8 0..255.
        mask: `(height, width)` uint8 {0, 255}.

    Returns:
        From 0 to 1; 0 for an empty mask.
    """
    area = np.count_nonzero(mask)
    if area == 0:
        return 0.0
    total = cv2.sumElems(probability)[0] / 255
    intersection = cv2.mean(probability, mask)[0] / 255 * area
    return float(intersection / (area + total - intersection))
