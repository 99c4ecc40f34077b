"""What YOLO networks answer, as boxes of people: layouts told apart, scores, overlaps.

How pictures get into the networks: `transforms.extract.detection.letterbox`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError

MAX_PEOPLE: Final = 300
"""More boxes than this in one picture are noise; only the best go on."""
_STRIDES_PX: Final = (8, 16, 32)
_COCO_CLASSES: Final = 80
_MAX_LOG_SIZE: Final = 16.0
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class Layout:
    """How a YOLO output is to be read.

    Attributes:
        is_end_to_end: rows are finished boxes: x0, y0, x1, y1, score, class.
        is_channels_first: `(channel, anchor)`, not `(anchor, channel)`.
        has_objectness: channel 4 says how surely there is anything at all.
        class_count: how many classes are told apart; 0 where rows are finished.
        mask_count: how many mask coefficients end a row.
    """

    is_end_to_end: bool
    is_channels_first: bool
    has_objectness: bool
    class_count: int
    mask_count: int


@dataclass(frozen=True)
class Candidates:
    """People found in one picture of a network's input.

    Attributes:
        boxes: `(person, 4)` float32 x0, y0, x1, y1 in pixels of the input.
        scores: `(person,)` float32 [0, 1].
        coefficients: `(person, mask)` float32.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    coefficients: NDArray[np.float32]

    def take(self, index: NDArray[np.intp]) -> "Candidates":
        """Return some of them in another order."""
        return Candidates(self.boxes[index], self.scores[index], self.coefficients[index])


def recognise_layout(
    shape: tuple[int, ...],
    input_shape: tuple[int, int],
    *,
    named_classes: int | None,
    mask_count: int,
    where: str,
) -> Layout:
    """Tell from its shape how a YOLO output is to be read.

    Known are `(n, 4 + c, anchors)` of v8 to v11 and its transpose, `(n, anchors, 5 + c)` of v5, v6
    and v7, and `(n, rows, 6)` of models that suppress overlaps themselves. The anchors follow from
    the input: one per cell of the strides 8, 16, 32 (and 64), or three in v5 and v7.

    Args:
        shape: of the output.
        input_shape: height and width of the input.
        named_classes: how many classes the file names, None where it does not.
        mask_count: mask coefficients per anchor.
        where: the weights' name, for the error.

    Raises:
        IntegrityError: it is none of these, or could be two.
    """
    layout = None
    if len(shape) == 3:
        layout = _match_layout(shape[1], shape[2], input_shape, named_classes, mask_count)
    if layout is None:
        raise IntegrityError(
            "an output that is not of a YOLO model known here",
            where=where,
            expected=(
                "(n, 4 + classes, anchors), (n, anchors, 5 + classes) or (n, rows, 6) "
                f"for an input of {input_shape[1]}x{input_shape[0]}"
            ),
            found=shape,
            fix="export with Ultralytics' own exporter, which also writes the classes' names",
        )
    return layout


def _match_layout(
    first: int, second: int, input_shape: tuple[int, int], named: int | None, masks: int
) -> Layout | None:
    cells = count_cells(input_shape, _STRIDES_PX)
    single = (cells, cells + count_cells(input_shape, (64,)))
    if second in single:
        return _anchors(first - 4 - masks, named, masks, channels_first=True)
    if first in tuple(3 * count for count in single):
        return _anchors(second - 5 - masks, named, masks, objectness=True)
    if first in single:
        rest = second - 4 - masks
        # One anchor per cell: v6 has objectness, a transposed v8 has not, and only the number of
        # classes tells. Without names a single class and COCO's are beyond doubt.
        if named is None and rest not in (1, _COCO_CLASSES, _COCO_CLASSES + 1):
            return None
        has_objectness = rest == (named or _COCO_CLASSES) + 1
        return _anchors(rest - has_objectness, named, masks, objectness=has_objectness)
    if second == 6 + masks:
        return Layout(True, False, False, 0, masks)
    return None


def _anchors(
    classes: int,
    named: int | None,
    masks: int,
    *,
    channels_first: bool = False,
    objectness: bool = False,
) -> Layout | None:
    if classes < 1 or classes != (named or classes):
        return None
    return Layout(False, channels_first, objectness, classes, masks)


def count_cells(input_shape: tuple[int, int], strides_px: tuple[int, ...]) -> int:
    """Return how many cells the grids of these strides have together."""
    height, width = input_shape
    return sum((height // stride) * (width // stride) for stride in strides_px)


def decode_yolo(
    output: NDArray[np.float32],
    layout: Layout,
    *,
    person_class: int,
    min_score: float,
    max_iou: float,
    where: str,
) -> Candidates:
    """Return the people of one picture, best first; equal scores in the order of the output.

    A person is what no other class fits better, as Ultralytics has it.

    Args:
        output: of one picture, without the batch axis.
        layout: how to read it.
        person_class: the class that counts.
        min_score: what is less sure is left out.
        max_iou: of two that overlap more, the better one stays.
        where: the weights' name, for the error.

    Raises:
        IntegrityError: there is no such class, or scores go beyond 1.
    """
    if layout.is_end_to_end:
        rows = output[(output[:, 4] >= min_score) & (output[:, 5] == person_class)]
        found = Candidates(rows[:, :4], rows[:, 4], rows[:, 6:])
        found = _keep_sound(found, where)
        return found.take(np.argsort(-found.scores, kind="stable")[:MAX_PEOPLE])
    rows, scores, _ = _select_people(
        output.T if layout.is_channels_first else output,
        has_objectness=layout.has_objectness,
        class_count=layout.class_count,
        person_class=person_class,
        min_score=min_score,
        where=where,
    )
    half = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    masks = rows[:, rows.shape[1] - layout.mask_count :]
    return suppress_overlaps(_keep_sound(Candidates(boxes, scores, masks), where), max_iou)


def decode_yolox(
    output: NDArray[np.float32],
    input_shape: tuple[int, int],
    *,
    person_class: int,
    min_score: float,
    max_iou: float,
    where: str,
) -> Candidates:
    """Return the people of one picture from YOLOX's raw output; see `decode_yolo`.

    Args:
        output: `(cell, 5 + class)`: offset from the cell and logarithm of the size, in strides,
            objectness, classes.
        input_shape: height and width of the input.
        person_class: as in `decode_yolo`, as are the rest.
        min_score: as there.
        max_iou: as there.
        where: as there.

    Raises:
        IntegrityError: the shape is another, the boxes are decoded already, there is no such
            class, or scores go beyond 1.
    """
    if output.ndim != 2 or len(output) != count_cells(input_shape, _STRIDES_PX):
        raise IntegrityError(
            "an output that is not YOLOX's",
            where=where,
            expected=f"(n, {count_cells(input_shape, _STRIDES_PX)}, 5 + classes)",
            found=("n", *output.shape),
            fix="export with YOLOX's own tools/export_onnx.py",
        )
    cells = _lay_grid(input_shape)  # (cell, 3) column, row, stride
    rows, scores, picked = _select_people(
        output,
        has_objectness=True,
        class_count=output.shape[1] - 5,
        person_class=person_class,
        min_score=min_score,
        where=where,
    )
    sizes = rows[:, 2:4]
    if (sizes[np.isfinite(sizes)] > _MAX_LOG_SIZE).any():
        raise IntegrityError(
            "boxes that are decoded already",
            where=where,
            expected=f"logarithms of sizes, below {_MAX_LOG_SIZE:g}",
            found=f"{float(sizes[np.isfinite(sizes)].max()):g}",
            fix="export without --decode_in_inference",
        )
    strides = cells[picked, 2:]
    centres = (rows[:, :2] + cells[picked, :2]) * strides
    with np.errstate(over="ignore", invalid="ignore"):  # dropped as not finite
        half = np.exp(sizes) * strides / 2
        boxes = np.concatenate([centres - half, centres + half], axis=1)
    nothing = np.zeros((len(boxes), 0), dtype=np.float32)
    return suppress_overlaps(_keep_sound(Candidates(boxes, scores, nothing), where), max_iou)


def suppress_overlaps(found: Candidates, max_iou: float) -> Candidates:
    """Return the best boxes, each overlapping no better one by more than `max_iou`."""
    order = np.argsort(-found.scores, kind="stable")
    boxes = found.boxes
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[np.intp] = []
    while order.size and len(kept) < MAX_PEOPLE:
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        overlap = np.prod(np.maximum(high - low, 0), axis=1)
        # Without a division, so that vanishing boxes need no care.
        order = order[overlap <= max_iou * (areas[best] + areas[order] - overlap)]
    return found.take(np.array(kept, dtype=np.intp))


def _select_people(
    rows: NDArray[np.float32],
    *,
    has_objectness: bool,
    class_count: int,
    person_class: int,
    min_score: float,
    where: str,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Return the rows that are sure enough of a person, their scores and where they stood."""
    if not 0 <= person_class < class_count:
        raise IntegrityError(
            "the model knows no such class",
            where=where,
            expected=f"person_class below {class_count}",
            found=person_class,
            fix="correct `contract` of this entry in weights.toml",
        )
    start = 5 if has_objectness else 4
    # Thresholds first: what follows sees some dozens of rows of thousands.
    scores = rows[:, start + person_class]
    if has_objectness:
        scores = scores * rows[:, 4]
    picked = np.flatnonzero(scores >= min_score)
    found = np.ascontiguousarray(rows[picked])
    classes = found[:, start : start + class_count]
    is_best = classes[:, person_class] >= classes.max(axis=1)
    return found[is_best], scores[picked][is_best], picked[is_best]


def _keep_sound(found: Candidates, where: str) -> Candidates:
    """Drop boxes that are not finite or hold nothing; refuse scores that are none."""
    boxes = found.boxes
    with np.errstate(invalid="ignore"):
        is_sound = np.isfinite(boxes).all(axis=1) & np.isfinite(found.scores)
        is_sound &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    found = found.take(np.flatnonzero(is_sound))
    if found.scores.size and found.scores.max() > 1 + _TOLERANCE:
        raise IntegrityError(
            "scores that are not from 0 to 1",
            where=where,
            expected="an output after the sigmoid",
            found=f"{float(found.scores.max()):g}",
            fix="export with the original project's own exporter",
        )
    return Candidates(found.boxes, np.minimum(found.scores, np.float32(1)), found.coefficients)


@lru_cache(maxsize=4)
def _lay_grid(input_shape: tuple[int, int]) -> NDArray[np.float32]:
    parts = []
    for stride in _STRIDES_PX:
        rows, columns = np.mgrid[: input_shape[0] // stride, : input_shape[1] // stride]
        parts.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1))
    grid = np.concatenate(parts).astype(np.float32)
    grid.flags.writeable = False  # shared by all calls
    return grid
