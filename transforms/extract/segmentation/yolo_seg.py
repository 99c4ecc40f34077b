"""Masks of YOLO-seg networks as probabilities of one person's pixels, and the networks as ONNX.

The same network through Ultralytics: `transforms.extract.runtimes.ultralytics_backend`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError, SettingsError
from transforms.extract.arrays import as_uint8
from transforms.extract.detection.boxes import intersection_over_union
from transforms.extract.detection.letterbox import Canvas, Letterbox
from transforms.extract.detection.onnx_detectors import count_masks, count_named_classes
from transforms.extract.detection.yolo_decode import Candidates, decode_yolo, recognise_layout
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Box, PersonCrop
from transforms.extract.runtimes.onnx_session import OnnxModel
from transforms.settings import DetectionSettings
from transforms.weights.verified import Weights

MIN_MATCH_IOU: Final = 0.3
_DETECTION: Final = DetectionSettings()
_PERSON_CLASS: Final = 0
_MIN_RIVAL_SCORE: Final = 0.25
_MAX_SHARED: Final = 0.5
"""Two masks that share more of the smaller one are one person found twice."""

_Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class SegContract:
    """What goes into a YOLO-seg network, by the registry's word."""

    width_px: int
    height_px: int
    person_class: int

    @classmethod
    def of(cls, weights: Weights, declared: Sequence[Any]) -> "SegContract":
        """Read the contract of a registry entry; the file's own numbers go first.

        Args:
            weights: the registry entry.
            declared: the model's input shape, other than numbers where an axis is free.

        Raises:
            SettingsError: a key is missing or its value is not allowed.
        """
        # `Any`: numbers, texts and None.
        contract = weights.contract
        named = [contract.get(key) for key in ("input_height_px", "input_width_px")]
        sides = [side for side in named if isinstance(side, int) and side > 0 and side % 32 == 0]
        person_class = contract.get("person_class", _PERSON_CLASS)
        if len(sides) < len(named) or not isinstance(person_class, int) or person_class < 0:
            raise SettingsError(
                "an input contract that YOLO-seg cannot be run with",
                where=f"weights.toml, weights.{weights.name}.contract",
                expected="input_width_px and input_height_px, multiples of 32",
                found=dict(contract),
            )
        height, width = (
            fixed if isinstance(fixed, int) else side
            for fixed, side in zip(declared[-2:], sides, strict=True)
        )
        return cls(width, height, person_class)


class YoloSegPredictor:
    """Takes crops through a network that any runtime runs; see `ProbabilityModel`.

    Attributes:
        batch_size: how many crops the network likes to get at once.
    """

    def __init__(
        self,
        run: _Run,
        contract: SegContract,
        settings: DetectionSettings,
        *,
        batch_size: int,
        named_classes: int | None,
        name: str,
    ) -> None:
        """Remember what to run.

        Args:
            run: from `(crop, channel, height, width)` RGB in [0, 1] to candidates
                `(crop, channel, anchor)` and prototypes `(crop, mask, row, column)`.
            contract: the input.
            settings: which candidates count.
            batch_size: how many crops go in at once.
            named_classes: how many classes the file names, None where it does not.
            name: of the weights, for messages.
        """
        self._run = run
        self._contract = contract
        self._settings = settings
        self.batch_size = batch_size
        self._named_classes = named_classes
        self._name = name

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        """Return how much of the picture the network wants to see around a crop.

        As much as its input holds without magnifying: it was trained on people in scenes, and on a
        small person magnified alone it lost the head and an arm (a worker of 170 pixels: overlap
        with PP-HumanSeg 0.80 against 0.91).
        """
        return max(height, self._contract.height_px), max(width, self._contract.width_px)

    def predict(self, crops: Sequence[PersonCrop]) -> list[NDArray[np.uint8]]:
        """Return per crop `(height, width)` uint8, 0 for surely not, 255 for surely the person.

        Raises:
            IntegrityError: the network's outputs are not those of a YOLO-seg network.
        """
        found: list[NDArray[np.uint8]] = []
        for start in range(0, len(crops), self.batch_size):
            found += self._predict_batch(crops[start : start + self.batch_size])
        return found

    def _predict_batch(self, crops: Sequence[PersonCrop]) -> list[NDArray[np.uint8]]:
        input_shape = (self._contract.height_px, self._contract.width_px)
        boxes = [Letterbox.fit(_shape(crop), input_shape, centred=True) for crop in crops]
        tensors = []
        for crop, letterbox in zip(crops, boxes, strict=True):
            canvas = Canvas(letterbox, 1, is_rgb=True, divisor=255)
            canvas.write(0, ColourPicture(crop.image))
            tensors.append(canvas.tensor)
        outputs = self._run(tensors[0] if len(tensors) == 1 else np.concatenate(tensors))
        if count_masks(outputs) == 0:
            raise IntegrityError(
                "a model without masks",
                where=self._name,
                expected="two outputs: candidates and mask prototypes (n, masks, rows, columns)",
                found=[output.shape for output in outputs],
                fix="choose weights of a YOLO-seg network",
            )
        layout = recognise_layout(
            outputs[0].shape,
            input_shape,
            named_classes=self._named_classes,
            mask_count=count_masks(outputs),
            where=self._name,
        )
        results = []
        for position, (crop, letterbox) in enumerate(zip(crops, boxes, strict=True)):
            people = decode_yolo(
                outputs[0][position],
                layout,
                person_class=self._contract.person_class,
                min_score=self._settings.min_score,
                max_iou=self._settings.nms_iou,
                where=self._name,
            )
            results.append(cut_out(people, outputs[1][position], letterbox, crop.box))
        return results


def load_onnx_yolo_seg(
    weights: Weights,
    *,
    providers: Sequence[str],
    threads: int,
    settings: DetectionSettings = _DETECTION,
) -> YoloSegPredictor:
    """Return a network that onnxruntime runs.

    Raises:
        MissingDependencyError: the weights are not there.
        IntegrityError: they are not the registered ones, or onnxruntime cannot load them.
        SettingsError: the contract is wrong, or a graphics card is asked for and none answers.
    """
    model = OnnxModel(weights, providers=providers, threads=threads)
    return YoloSegPredictor(
        model.run,
        SegContract.of(weights, model.input_shape),
        settings,
        batch_size=model.preferred_batch,
        named_classes=count_named_classes(model.metadata),
        name=weights.name,
    )


def cut_out(
    people: Candidates, prototypes: NDArray[np.float32], letterbox: Letterbox, box: Box
) -> NDArray[np.uint8]:
    """Return how likely each pixel of a crop is the person in `box`.

    The instance that overlaps the box most is the person; where it overlaps less than
    `MIN_MATCH_IOU`, nothing is. A pixel that is likelier another instance is at most as likely the
    person as it is not the other one.

    Args:
        people: instances of the crop, in pixels of the network's input.
        prototypes: `(mask, row, column)`, of which each instance's mask is a sum.
        letterbox: where the crop lies in the input.
        box: the person, in the crop's pixels.

    Returns:
        `(height, width)` uint8 of the crop's size, 0..255.
    """
    boxes = letterbox.to_picture(people.boxes)
    overlaps = [intersection_over_union(_as_box(row), box) for row in boxes]
    if max(overlaps, default=0.0) < MIN_MATCH_IOU:
        return np.zeros(letterbox.frame_shape, dtype=np.uint8)
    own_index = int(np.argmax(overlaps))
    own = _draw_instance(boxes[own_index], people.coefficients[own_index], prototypes, letterbox)
    for index in np.flatnonzero(people.scores >= _MIN_RIVAL_SCORE):
        if index == own_index:
            continue
        rival = _draw_instance(boxes[index], people.coefficients[index], prototypes, letterbox)
        if not _are_one_person(own, rival):
            own = np.where(rival > own, np.minimum(own, 1 - rival), own)
    return as_uint8(np.rint(own * 255))


def _draw_instance(
    box: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    letterbox: Letterbox,
) -> NDArray[np.float32]:
    """Return an instance's probability in the crop's pixels, 0 outside of its own box."""
    rows, columns = prototypes.shape[1:]
    # Not `@`: BLAS would bring threads of its own, which among busy workers took 200 times as long.
    logits = np.einsum("m,mrc->rc", coefficients, prototypes)
    # Grown before the sigmoid: the outline stays where the network drew it. A pixel's centre lies
    # half a pixel from its corner on both sides.
    per_row, per_column = rows / letterbox.input_shape[0], columns / letterbox.input_shape[1]
    step_y, step_x = letterbox.gains[0] * per_row, letterbox.gains[1] * per_column
    start_y = letterbox.top * per_row + 0.5 * step_y - 0.5
    start_x = letterbox.left * per_column + 0.5 * step_x - 0.5
    x0, y0, x1, y1 = (int(side) for side in np.rint(box))
    drawn = np.zeros(letterbox.frame_shape, dtype=np.float32)
    if x1 <= x0 or y1 <= y0:
        return drawn
    grown = cv2.warpAffine(
        logits,
        np.array([[step_x, 0, start_x + x0 * step_x], [0, step_y, start_y + y0 * step_y]]),
        (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    # Beyond these limits the sigmoid is 0 or 1 to eight bits, and `exp` would overflow.
    drawn[y0:y1, x0:x1] = 1 / (1 + np.exp(-np.clip(grown, -20, 20)))
    return drawn


def _as_box(row: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = row.tolist()
    return (x0, y0, x1, y1)


def _are_one_person(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Say whether two instances share so much that they are the same person found twice."""
    inside_one, inside_other = one > 0.5, other > 0.5
    smaller = min(np.count_nonzero(inside_one), np.count_nonzero(inside_other))
    return bool(np.count_nonzero(inside_one & inside_other) > _MAX_SHARED * smaller)


def _shape(crop: PersonCrop) -> tuple[int, int]:
    return crop.image.shape[0], crop.image.shape[1]
