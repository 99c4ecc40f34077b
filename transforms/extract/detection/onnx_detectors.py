"""People found by YOLO and YOLOX networks through onnxruntime."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.errors import SettingsError
from transforms.extract.detection.background_detector import describe_appearance
from transforms.extract.detection.letterbox import Canvas, Letterbox, choose_input_shape
from transforms.extract.detection.yolo_decode import (
    Candidates,
    decode_yolo,
    decode_yolox,
    recognise_layout,
)
from transforms.extract.pictures import Picture
from transforms.extract.protocols import Box, Detection, Frame, RecordingContext
from transforms.extract.runtimes.onnx_session import OnnxModel
from transforms.settings import DetectionSettings
from transforms.weights.verified import Weights

_MIN_SIDE_PX: Final = 1.0
_SAMPLED_PX: Final = (64, 32)
"""Rows and columns of a person that its appearance is taken from, at most twice as many."""


@dataclass(frozen=True)
class DetectionContract:
    """What the registry says of a detector's weights."""

    input_px: int
    person_class: int

    @classmethod
    def of(cls, weights: Weights) -> "DetectionContract":
        """Read the contract of a registry entry.

        Raises:
            SettingsError: a key is missing or its value is not allowed.
        """
        input_px, person_class = (weights.contract.get(key) for key in ("input_px", "person_class"))
        if not (
            isinstance(input_px, int)
            and isinstance(person_class, int)
            and 32 <= input_px <= 4096
            and person_class >= 0
        ):
            raise SettingsError(
                "an input contract that a detector cannot be run with",
                where=f"weights.toml, weights.{weights.name}.contract",
                expected="input_px from 32 to 4096 and person_class from 0",
                found=dict(weights.contract),
            )
        return cls(input_px, person_class)


@dataclass(frozen=True)
class Terms:
    """What is asked of a network's answer, whatever its family.

    Attributes:
        input_shape: height and width of the input.
        named_classes: how many classes the file names, None where it does not.
        person_class: the class that counts.
        min_score: what is less sure is left out.
        max_iou: of two people that overlap more, the better one stays.
        where: the weights' name, for errors.
    """

    input_shape: tuple[int, int]
    named_classes: int | None
    person_class: int
    min_score: float
    max_iou: float
    where: str


@dataclass(frozen=True)
class Family:
    """How the networks of one family are fed, and how their answers are read.

    Attributes:
        is_centred: padding goes on all sides of a picture, not to the right and below only.
        is_rgb: red comes first.
        divisor: what grey levels are divided by.
        decode: from a batch's outputs, the position in it and the terms to the people.
    """

    is_centred: bool
    is_rgb: bool
    divisor: float
    decode: Callable[[Sequence[NDArray[np.float32]], int, Terms], Candidates]


class OnnxDetector:
    """A network of one family as an ONNX file; see `Detector`."""

    def __init__(
        self,
        weights: Weights,
        settings: DetectionSettings,
        *,
        family: Family,
        providers: Sequence[str],
        threads: int,
    ) -> None:
        self._contract = DetectionContract.of(weights)
        self._settings = settings
        self._family = family
        self._model = OnnxModel(weights, providers=providers, threads=threads)
        self._named_classes = count_named_classes(self._model.metadata)

    def detect(
        self, frames: Iterable[Frame], context: RecordingContext
    ) -> Iterator[tuple[Detection, ...]]:
        """Yield the people of each frame with their appearance, best first.

        Raises:
            IntegrityError: the model's input or output is not of its family.
        """
        input_shape = choose_input_shape(
            self._model.input_shape,
            context.frame_shape,
            self._contract.input_px,
            where=self._model.name,
        )
        terms = Terms(
            input_shape=input_shape,
            named_classes=self._named_classes,
            person_class=self._contract.person_class,
            min_score=self._settings.min_score,
            max_iou=self._settings.nms_iou,
            where=self._model.name,
        )
        letterbox = Letterbox.fit(context.frame_shape, input_shape, centred=self._family.is_centred)
        return self._detect(frames, letterbox, terms)

    def _detect(
        self, frames: Iterable[Frame], letterbox: Letterbox, terms: Terms
    ) -> Iterator[tuple[Detection, ...]]:
        """Run the network over frames, one batch of them in memory at a time."""
        size, family = self._model.preferred_batch, self._family
        canvas = Canvas(letterbox, size, is_rgb=family.is_rgb, divisor=family.divisor)
        waiting = iter(frames)
        while batch := list(islice(waiting, size)):
            for slot, frame in enumerate(batch):
                canvas.write(slot, frame.picture)
            outputs = self._model.run(canvas.tensor[: len(batch)])
            for position, frame in enumerate(batch):
                found = family.decode(outputs, position, terms)
                boxes = letterbox.to_picture(found.boxes)
                yield describe_people(frame.picture, boxes, found.scores)


def _read_yolo(outputs: Sequence[NDArray[np.float32]], position: int, terms: Terms) -> Candidates:
    layout = recognise_layout(
        outputs[0].shape,
        terms.input_shape,
        named_classes=terms.named_classes,
        mask_count=count_masks(outputs),
        where=terms.where,
    )
    return decode_yolo(
        outputs[0][position],
        layout,
        person_class=terms.person_class,
        min_score=terms.min_score,
        max_iou=terms.max_iou,
        where=terms.where,
    )


def _read_yolox(outputs: Sequence[NDArray[np.float32]], position: int, terms: Terms) -> Candidates:
    return decode_yolox(
        outputs[0][position],
        terms.input_shape,
        person_class=terms.person_class,
        min_score=terms.min_score,
        max_iou=terms.max_iou,
        where=terms.where,
    )


YOLO: Final = Family(is_centred=True, is_rgb=True, divisor=255, decode=_read_yolo)
"""Networks v5 to v11 and their kin."""
YOLOX: Final = Family(is_centred=False, is_rgb=False, divisor=1, decode=_read_yolox)
"""YOLOX as its own project exports it."""


def describe_people(
    picture: Picture, boxes: NDArray[np.float32], scores: NDArray[np.float32]
) -> tuple[Detection, ...]:
    """Return boxes as detections with their appearance, without those that hold no pixel.

    Args:
        picture: the whole picture.
        boxes: `(person, 4)` x0, y0, x1, y1, inside the picture.
        scores: `(person,)`.
    """
    people = []
    for row, score in zip(boxes.tolist(), scores.tolist(), strict=True):
        x0, y0, x1, y1 = row
        if x1 - x0 >= _MIN_SIDE_PX and y1 - y0 >= _MIN_SIDE_PX:  # false for NaN as well
            box = (x0, y0, x1, y1)
            people.append(Detection(box, score, describe_box(picture, box)))
    return tuple(people)


def describe_box(picture: Picture, box: Box) -> NDArray[np.float32]:
    """Return the appearance of the person in a box, from its inner part and some of its pixels.

    The inner half of the width, without the top and bottom tenth: mostly the person.
    """
    x0, y0, x1, y1 = box
    height, width = picture.shape
    rows = _sample(y0 + 0.1 * (y1 - y0), y1 - 0.1 * (y1 - y0), _SAMPLED_PX[0], height)
    columns = _sample(x0 + 0.25 * (x1 - x0), x1 - 0.25 * (x1 - x0), _SAMPLED_PX[1], width)
    # Single pixels: means would show colours that nobody wears.
    inner = picture.colour((rows, columns))
    return describe_appearance(inner, np.ones(inner.shape[:2], dtype=np.bool_))


def _sample(start: float, end: float, wanted: int, limit: int) -> slice:
    first = min(int(start), limit - 1)
    last = max(first + 1, min(round(end), limit))
    return slice(first, last, max(1, (last - first) // wanted))


def count_named_classes(metadata: Mapping[str, str]) -> int | None:
    """Return how many classes the exporter wrote down, None where it wrote nothing readable."""
    try:
        names: Any = ast.literal_eval(metadata["names"])  # `Any`: whatever is written there
    except (KeyError, ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return len(names) if isinstance(names, dict | list) and names else None


def count_masks(outputs: Sequence[NDArray[np.float32]]) -> int:
    """Return how many mask coefficients each anchor has: as many as there are prototypes."""
    return outputs[1].shape[1] if len(outputs) > 1 and outputs[1].ndim == 4 else 0
