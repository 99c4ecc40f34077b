import numpy as np
import pytest

from transforms.errors import IntegrityError
from transforms.extract.detection.yolo_decode import (
    MAX_PEOPLE,
    Candidates,
    Layout,
    count_cells,
    decode_yolo,
    decode_yolox,
    recognise_layout,
    suppress_overlaps,
)

INPUT = (96, 96)
CELLS = 144 + 36 + 9
V8 = Layout(False, True, False, 3, 0)
V5 = Layout(False, False, True, 3, 0)
TRANSPOSED = Layout(False, False, False, 3, 0)
END_TO_END = Layout(True, False, False, 0, 0)


def recognise(shape: tuple[int, ...], named: int | None = None, masks: int = 0) -> Layout:
    return recognise_layout(shape, INPUT, named_classes=named, mask_count=masks, where="tiny")


def decode(output: np.ndarray, layout: Layout, **changes: object) -> Candidates:
    values = {"person_class": 0, "min_score": 0.25, "max_iou": 0.7, "where": "tiny", **changes}
    return decode_yolo(output, layout, **values)


def anchors(*rows: tuple[float, ...], channels: int = 7) -> np.ndarray:
    """Rows of `x, y, w, h, ...` among empty ones, (CELLS, channels)."""
    output = np.zeros((CELLS, channels), np.float32)
    for index, row in enumerate(rows):
        output[11 * (index + 1)] = row
    return output


def test_cells_are_counted_over_the_strides() -> None:
    assert count_cells(INPUT, (8, 16, 32)) == CELLS
    assert count_cells((640, 640), (8, 16, 32)) == 8400
    assert count_cells((416, 416), (8, 16, 32)) == 3549


@pytest.mark.parametrize(
    ("shape", "named", "masks", "expected"),
    [
        ((1, 84, CELLS), None, 0, Layout(False, True, False, 80, 0)),
        ((4, 7, CELLS), 3, 0, Layout(False, True, False, 3, 0)),
        ((1, 84, CELLS + 1), None, 0, Layout(False, True, False, 80, 0)),  # with stride 64
        ((1, 116, CELLS), 80, 32, Layout(False, True, False, 80, 32)),
        ((1, CELLS, 84), None, 0, Layout(False, False, False, 80, 0)),
        ((1, CELLS, 5), None, 0, Layout(False, False, False, 1, 0)),
        ((1, CELLS, 7), 3, 0, Layout(False, False, False, 3, 0)),
        ((1, CELLS, 85), None, 0, Layout(False, False, True, 80, 0)),  # v6
        ((1, CELLS, 7), 2, 0, Layout(False, False, True, 2, 0)),  # v6
        ((1, 3 * CELLS, 85), None, 0, Layout(False, False, True, 80, 0)),
        ((1, 3 * CELLS, 6), None, 0, Layout(False, False, True, 1, 0)),
        ((1, 3 * CELLS, 117), 80, 32, Layout(False, False, True, 80, 32)),
        ((1, 300, 6), None, 0, Layout(True, False, False, 0, 0)),
        ((1, 300, 38), 80, 32, Layout(True, False, False, 0, 32)),
    ],
)
def test_the_output_of_each_kind_is_recognised(
    shape: tuple[int, ...], named: int | None, masks: int, expected: Layout
) -> None:
    assert recognise(shape, named, masks) == expected


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ((1, 84, CELLS - 1), None),  # of another input
        ((84, CELLS), None),
        ((1, 3, CELLS, 85), None),
        ((1, 4, CELLS), None),  # no class
        ((1, 84, CELLS), 79),  # the names say otherwise
        ((1, CELLS, 7), None),  # two classes with objectness, or three without
        ((1, CELLS, 9), 3),
        ((1, 300, 7), None),
        ((100, 7), None),
    ],
)
def test_any_other_output_is_refused_with_its_shape(
    shape: tuple[int, ...], named: int | None
) -> None:
    with pytest.raises(IntegrityError) as refused:
        recognise(shape, named)
    assert refused.value.found == str(shape)
    assert "96x96" in str(refused.value)


@pytest.mark.parametrize(
    ("layout", "row"),
    [
        (TRANSPOSED, (50, 40, 20, 30, 0.9, 0.1, 0)),
        (V8, (50, 40, 20, 30, 0.9, 0.1, 0)),
        (V5, (50, 40, 20, 30, 0.9, 1.0, 0.1, 0)),
        (END_TO_END, (40, 25, 60, 55, 0.9, 0)),
    ],
)
def test_a_person_comes_out_of_every_layout_alike(layout: Layout, row: tuple[float, ...]) -> None:
    output = anchors(row, channels=len(row))
    found = decode(output.T if layout.is_channels_first else output, layout)
    assert found.boxes.tolist() == [[40, 25, 60, 55]]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_best_come_first_and_equal_ones_as_they_stand() -> None:
    rows = [(x, 50, 10, 10, score, 0, 0) for x, score in ((10, 0.5), (30, 0.9), (50, 0.5))]
    found = decode(anchors(*rows), TRANSPOSED)
    assert found.boxes[:, 0].tolist() == [25, 5, 45]


@pytest.mark.parametrize(
    ("row", "count"),
    [
        ((50, 40, 20, 30, 0.25, 0, 0), 1),
        ((50, 40, 20, 30, 0.249, 0, 0), 0),
        ((50, 40, 20, 30, 0.6, 0.6, 0), 1),
        ((50, 40, 20, 30, 0.6, 0, 0.7), 0),  # another class fits better
        ((50, 40, 0, 30, 0.9, 0, 0), 0),
        ((50, 40, 20, -1, 0.9, 0, 0), 0),
        ((np.nan, 40, 20, 30, 0.9, 0, 0), 0),
        ((50, 40, np.inf, 30, 0.9, 0, 0), 0),
        ((50, 40, 20, 30, np.nan, 0, 0), 0),
        ((50, 40, 20, 30, np.inf, 0, 0), 0),
    ],
)
def test_what_is_no_sound_box_of_a_person_is_dropped(row: tuple[float, ...], count: int) -> None:
    assert len(decode(anchors(row), TRANSPOSED).scores) == count


def test_objectness_and_class_are_multiplied() -> None:
    row = (50, 40, 20, 30, 0.5, 0.6, 0.1, 0)
    assert decode(anchors(row, channels=8), V5).scores.tolist() == pytest.approx([0.3])
    assert not decode(anchors(row, channels=8), V5, min_score=0.31).scores.size


def test_finished_rows_of_other_classes_are_left_out_and_overlaps_are_the_models_business() -> None:
    rows = [(0, 0, 9, 9, 0.8, 0), (0, 0, 9, 9, 0.9, 2), (0, 0, 9, 9, 0.9, 0)]
    found = decode(np.array(rows, np.float32), END_TO_END)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])


def test_mask_coefficients_stay_with_their_box() -> None:
    rows = [(20, 20, 10, 10, 0.5, 1, 2), (70, 70, 10, 10, 0.9, 3, 4)]
    found = decode(anchors(*rows), Layout(False, False, False, 1, 2))
    assert found.coefficients.tolist() == [[3, 4], [1, 2]]


def test_a_class_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(IntegrityError, match="person_class below 3"):
        decode(anchors(), TRANSPOSED, person_class=3)


def test_scores_before_the_sigmoid_are_refused() -> None:
    with pytest.raises(IntegrityError, match=r"after the sigmoid.*3\.5"):
        decode(anchors((50, 40, 20, 30, 3.5, 0, 0)), TRANSPOSED)


def reference_suppression(boxes: np.ndarray, scores: np.ndarray, max_iou: float) -> list[int]:
    def iou(a: np.ndarray, b: np.ndarray) -> float:
        w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
        return w * h / (areas - w * h)

    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[index], boxes[other]) <= max_iou for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("max_iou", [0.0, 0.3, 0.7, 1.0])
def test_overlaps_are_suppressed_as_by_the_book(max_iou: float) -> None:
    rng = np.random.default_rng(3)
    corners = rng.integers(0, 60, (120, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.integers(5, 40, (120, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    scores = (rng.integers(0, 20, 120) / 20).astype(np.float32)  # with ties
    marks = np.arange(120, dtype=np.float32)[:, None]
    found = suppress_overlaps(Candidates(boxes, scores, marks), max_iou)
    expected = reference_suppression(boxes, scores, max_iou)
    assert found.coefficients[:, 0].astype(int).tolist() == expected
    assert len(expected) < 120 or max_iou == 1.0


def test_a_picture_full_of_boxes_gives_a_bounded_number() -> None:
    output = np.zeros((CELLS * 3, 7), np.float32)
    output[:] = (50, 40, 20, 30, 1.0, 0.9, 0)
    output[:, 0] = np.arange(len(output)) * 100
    assert len(decode(output, Layout(False, False, True, 2, 0)).scores) == MAX_PEOPLE


def raw_yolox(cell: int, *values: float) -> np.ndarray:
    output = np.zeros((CELLS, 5 + 2), np.float32)
    output[cell] = values
    return output


def decode_raw(output: np.ndarray, **changes: object) -> Candidates:
    values = {"person_class": 0, "min_score": 0.25, "max_iou": 0.7, "where": "tiny", **changes}
    return decode_yolox(output, INPUT, **values)


@pytest.mark.parametrize(
    ("cell", "centre", "stride"),
    [
        (0, (4, 4), 8),
        (13, (12, 12), 8),  # row 1, column 1 of 12
        (11, (92, 4), 8),
        (144 + 7, (24, 24), 16),  # row 1, column 1 of 6
        (144 + 36 + 5, (80, 48), 32),  # row 1, column 2 of 3
    ],
)
def test_yolox_cells_become_boxes(cell: int, centre: tuple[float, float], stride: int) -> None:
    found = decode_raw(raw_yolox(cell, 0.5, 0.5, np.log(2), np.log(3), 0.5, 0.8, 0.1))
    x, y = centre
    expected = [x - stride, y - 1.5 * stride, x + stride, y + 1.5 * stride]
    assert found.boxes[0].tolist() == pytest.approx(expected)
    assert found.scores.tolist() == pytest.approx([0.4])


@pytest.mark.parametrize(
    "values",
    [
        (0, 0, np.nan, 0, 0.9, 0.9, 0),
        (0, 0, -np.inf, 0, 0.9, 0.9, 0),
        (np.inf, 0, 0, 0, 0.9, 0.9, 0),
        (0, 0, np.inf, 0, 0.9, 0.9, 0),
        (0, 0, 0, 0, 0.9, 0.8, 0.9),
        (0, 0, 0, 0, 0.4, 0.6, 0),
    ],
)
def test_what_is_no_person_for_yolox_is_dropped(values: tuple[float, ...]) -> None:
    assert not decode_raw(raw_yolox(5, *values)).scores.size


def test_yolox_boxes_that_are_decoded_already_are_refused() -> None:
    with pytest.raises(IntegrityError, match="decode_in_inference"):
        decode_raw(raw_yolox(5, 40, 40, 30, 60, 0.9, 0.9, 0))


def test_a_shape_that_is_not_yoloxs_is_refused() -> None:
    with pytest.raises(IntegrityError, match=r"189, 5 \+ classes.*'n', 188, 7"):
        decode_raw(np.zeros((CELLS - 1, 7), np.float32))
    with pytest.raises(IntegrityError, match="person_class below 0"):
        decode_raw(np.zeros((CELLS, 5), np.float32))
