from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.unit.transforms.extract.runtimes.onnx_files import (
    constant_model,
    first_plane_model,
    write_weights,
)
from transforms.errors import IntegrityError, SettingsError
from transforms.extract.detection.onnx_detectors import (
    YOLO,
    YOLOX,
    Family,
    OnnxDetector,
    count_named_classes,
    describe_box,
    describe_people,
)
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Detection, Frame
from transforms.settings import DetectionSettings

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

CELLS = 144 + 36 + 9
SETTINGS = DetectionSettings(min_score=0.25, nms_iou=0.7)
RUNTIME = {"providers": ("CPUExecutionProvider",), "threads": 1}


def pictures(count: int) -> list[Frame]:
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, 48:] = (10, 20, 200)
    return [Frame(index, index / 25, ColourPicture(image)) for index in range(count)]


def yolo_output(*people: tuple[float, ...]) -> np.ndarray:
    output = np.zeros((1, 6, CELLS), np.float32)
    for index, person in enumerate(people):
        output[0, :5, 7 * index] = person
    return output


def build(folder: Path, data: bytes, family: Family = YOLO, **contract: object) -> OnnxDetector:
    terms = {"input_px": 96, "person_class": 0, **contract}
    weights = write_weights(folder, data, **terms)
    return OnnxDetector(weights, SETTINGS, family=family, **RUNTIME)


def detect(detector: OnnxDetector, frames: list[Frame]) -> list[tuple[Detection, ...]]:
    return list(detector.detect(frames, SimpleNamespace(frame_shape=(48, 96))))


@pytest.mark.parametrize("batch", [1, 4])
def test_yolo_finds_people_in_every_frame_best_first(tmp_path: Path, batch: int) -> None:
    people = yolo_output((20, 48, 20, 30, 0.6), (70, 48, 20, 30, 0.9), (71, 48, 20, 30, 0.7))
    data = constant_model((batch, 3, 96, 96), [np.repeat(people, batch, axis=0)])
    found = detect(build(tmp_path, data), pictures(5))
    assert len(found) == 5
    for people in found:
        assert [person.box for person in people] == [(60, 9, 80, 39), (10, 9, 30, 39)]
        assert [person.score for person in people] == pytest.approx([0.9, 0.6])


def test_yolox_finds_people_at_the_top_of_its_input(tmp_path: Path) -> None:
    output = np.zeros((1, CELLS, 7), np.float32)
    output[0, 2 * 12 + 3] = (0.5, 0.5, np.log(2), np.log(3), 0.9, 1.0, 0)
    data = constant_model((1, 3, 96, 96), [output])
    ((person,),) = detect(build(tmp_path, data, YOLOX), pictures(1))
    assert person.box == pytest.approx((20, 8, 36, 32))
    assert person.score == pytest.approx(0.9)


def test_yolo_sees_red_first_from_0_to_1(tmp_path: Path) -> None:
    # The first six red values of the input are the one finished row: box, score and class.
    image = np.zeros((960, 960, 3), np.uint8)
    image[:10, 20:40, 2] = 255
    image[:10, 40:50, 2] = 204
    image[:10, :60, 0] = 255
    detector = build(tmp_path, first_plane_model(96, 6))
    frames = [Frame(0, 0.0, ColourPicture(image))]
    ((person,),) = list(detector.detect(frames, SimpleNamespace(frame_shape=(960, 960))))
    assert person.box == (0, 0, 10, 10)
    assert person.score == pytest.approx(0.8)


def test_free_sides_are_cut_to_the_picture(tmp_path: Path) -> None:
    # 96x48 pictures need an input of 96x64 only: 96 + 24 + 6 cells, the picture from row 8 on.
    output = np.zeros((1, 6, 126), np.float32)
    output[0, :5, 3] = (50, 32, 20, 40, 0.9)
    data = constant_model((1, 3, "height", "width"), [output])
    ((person,),) = detect(build(tmp_path, data), pictures(1))
    assert person.box == (40, 4, 60, 44)


def test_boxes_are_clipped_and_those_beyond_the_picture_dropped(tmp_path: Path) -> None:
    output = yolo_output((0, 48, 40, 30, 0.9), (48, 5, 10, 10, 0.8), (48, 23.5, 10, 2, 0.7))
    data = constant_model((1, 3, 96, 96), [output])
    ((person,),) = detect(build(tmp_path, data), pictures(1))
    assert person.box == (0, 9, 20, 39)


def test_people_in_other_colours_look_different(tmp_path: Path) -> None:
    output = yolo_output((20, 48, 20, 30, 0.6), (70, 48, 20, 30, 0.9), (85, 48, 15, 30, 0.5))
    data = constant_model((1, 3, 96, 96), [output])
    ((red, black, other_red),) = detect(build(tmp_path, data), pictures(1))
    assert float(red.feature @ red.feature) == pytest.approx(1.0)
    assert float(red.feature @ other_red.feature) == pytest.approx(1.0)
    assert float(red.feature @ black.feature) == pytest.approx(0.0)


def test_a_frame_without_people_gives_an_empty_answer(tmp_path: Path) -> None:
    data = constant_model((1, 3, 96, 96), [yolo_output()])
    assert detect(build(tmp_path, data), pictures(2)) == [(), ()]


def test_frames_are_read_one_batch_at_a_time(tmp_path: Path) -> None:
    data = constant_model((2, 3, 96, 96), [np.repeat(yolo_output(), 2, axis=0)])
    taken = []

    def frames() -> object:
        for frame in pictures(9):
            taken.append(frame.index)
            yield frame

    found = build(tmp_path, data).detect(frames(), SimpleNamespace(frame_shape=(48, 96)))
    assert taken == []
    next(found)
    assert taken == [0, 1]


@pytest.mark.parametrize("family", [YOLO, YOLOX], ids=["yolo", "yolox"])
def test_an_output_of_another_kind_is_refused_with_its_shape(
    tmp_path: Path, family: Family
) -> None:
    data = constant_model((1, 3, 96, 96), [np.zeros((1, 10, 11), np.float32)])
    with pytest.raises(IntegrityError, match="10, 11"):
        detect(build(tmp_path, data, family), pictures(1))


def test_the_files_own_class_names_are_believed(tmp_path: Path) -> None:
    output = np.zeros((1, CELLS, 7), np.float32)
    output[0, 3] = (48, 48, 20, 30, 0.9, 0.5, 0)
    names = {"names": "{0: 'person', 1: 'chair'}"}
    data = constant_model((1, 3, 96, 96), [output], **names)
    ((person,),) = detect(build(tmp_path, data), pictures(1))
    assert person.score == pytest.approx(0.45)


@pytest.mark.parametrize(
    "contract",
    [{"input_px": None}, {"input_px": "640"}, {"input_px": 0}, {"person_class": -1}],
)
def test_a_contract_that_is_none_is_refused(tmp_path: Path, contract: dict[str, object]) -> None:
    data = constant_model((1, 3, 96, 96), [yolo_output()])
    with pytest.raises(SettingsError, match=r"weights\.tiny\.contract"):
        build(tmp_path, data, **contract)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("{0: 'person', 1: 'chair'}", 2),
        ("['person']", 1),
        ("{}", None),
        ("80", None),
        ("__import__('os').abort()", None),
        ("{" * 200, None),
        ("", None),
    ],
)
def test_class_names_are_counted_and_never_run(names: str, expected: int | None) -> None:
    assert count_named_classes({"names": names}) == expected
    assert count_named_classes({}) is None


def test_boxes_without_a_pixel_are_no_people() -> None:
    boxes = [[0, 0, 0.5, 9], [0, 0, 9, 0.9], [np.nan, 0, 9, 9], [0, 0, 9, np.nan], [1, 1, 2, 2]]
    found = describe_people(
        ColourPicture(np.zeros((10, 10, 3), np.uint8)),
        np.array(boxes, np.float32),
        np.full(5, 0.5, np.float32),
    )
    assert [person.box for person in found] == [(1, 1, 2, 2)]


@pytest.mark.parametrize("box", [(9.2, 9.2, 10, 10), (0, 0, 1, 1), (0, 0, 10, 10), (9, 0, 10, 10)])
def test_the_smallest_box_has_an_appearance(box: tuple[float, float, float, float]) -> None:
    feature = describe_box(ColourPicture(np.zeros((10, 10, 3), np.uint8)), box)
    assert feature.shape == (128,)
    assert 0.49 < float(feature @ feature) <= 1.0 + 1e-6


def test_the_appearance_is_of_the_inner_part() -> None:
    image = np.full((100, 40, 3), 255, np.uint8)
    image[10:90, 10:30] = (200, 0, 0)
    feature = describe_box(ColourPicture(image), (0, 0, 40, 100))
    alone = describe_box(ColourPicture(image[10:90, 10:30]), (0, 0, 20, 80))
    assert float(feature @ alone) == pytest.approx(1.0)
