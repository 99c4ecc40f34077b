"""PP-HumanSeg on real footage: through onnxruntime and Paddle, and beside PaddleSeg's own code.

GAITWORKS_MODELS_DIR is a folder that holds, at any depth, the files that `weights.toml` names;
GAITWORKS_VIDEOS_DIR is one that holds `*walk_side*.mp4` with one person in full.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.extraction.offline import ROOT, find_folder, read_walk, run_program
from transforms.extract.detection.onnx_detectors import YOLO, OnnxDetector
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Box, Frame, MaskCrop, PersonCrop, ProbabilityModel
from transforms.extract.segmentation.pphumanseg import (
    HumanSegContract,
    OnnxHumanSegModel,
    prepare_crops,
)
from transforms.extract.segmentation.pphumanseg_paddle import PaddleHumanSegModel
from transforms.extract.segmentation.soft_segmenter import SoftSegmenter
from transforms.settings import DetectionSettings, SegmentationSettings
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.registry import REGISTRY_NAME, read_registry
from transforms.weights.verified import Weights

pytestmark = [pytest.mark.extraction, pytest.mark.slow]

CPU = ("CPUExecutionProvider",)


@dataclass(frozen=True)
class Walk:
    """Every third frame of a walk, with the walker's box in each."""

    frames: tuple[Frame, ...]
    boxes: dict[int, Box]
    frame_shape: tuple[int, int]

    def segment(self, model: ProbabilityModel, **settings: float) -> list[MaskCrop]:
        segmenter = SoftSegmenter(model, SegmentationSettings(**settings))
        # The frames lie apart in time: each is decided alone.
        return list(segmenter.segment(self.frames, self.boxes, {}, self))

    def crops(self) -> list[PersonCrop]:
        crops = []
        for frame in self.frames:
            box = self.boxes[frame.index]
            x0, y0, x1, y1 = (max(0, round(value)) for value in box)
            image = frame.picture.colour()[y0:y1, x0:x1]
            crops.append(PersonCrop(image, (0.0, 0.0, float(x1 - x0), float(y1 - y0))))
        return crops


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Weights]:
    folder = LocalFolder(find_folder("GAITWORKS_MODELS_DIR"))
    store = tmp_path_factory.mktemp("weights")
    registry = read_registry(ROOT / REGISTRY_NAME)

    def get(name: str) -> Weights:
        weights = registry.weights(name, store)
        fetch_weights(weights, folder=folder)
        return weights

    return get


@pytest.fixture(scope="module")
def walk(fetch: Callable[[str], Weights]) -> Walk:
    images = read_walk()
    frames = tuple(
        Frame(index, index / 30, ColourPicture(images[index])) for index in range(0, len(images), 3)
    )
    shape = images[0].shape[:2]
    detector = OnnxDetector(
        fetch("yolo11n_onnx"),
        DetectionSettings(min_score=0.5),
        family=YOLO,
        providers=CPU,
        threads=1,
    )
    found = detector.detect(frames, Walk((), {}, shape))
    boxes = {
        frame.index: people[0].box for frame, people in zip(frames, found, strict=True) if people
    }
    assert len(boxes) >= 0.95 * len(frames)
    return Walk(tuple(frame for frame in frames if frame.index in boxes), boxes, shape)


@pytest.fixture(scope="module")
def through_onnx(fetch: Callable[[str], Weights]) -> OnnxHumanSegModel:
    return OnnxHumanSegModel(fetch("pphumanseg_v1_lite_onnx"), providers=CPU, threads=1)


@pytest.fixture(scope="module")
def through_paddle(fetch: Callable[[str], Weights]) -> PaddleHumanSegModel:
    pytest.importorskip("paddle.inference")
    return PaddleHumanSegModel(fetch("pphumanseg_v1_lite_paddle"), device="cpu", threads=1)


def overlap(one: MaskCrop, other: MaskCrop) -> float:
    a, b = one.mask > 0, other.mask > 0
    return float((a & b).sum() / max(1, (a | b).sum()))


def test_both_runtimes_say_the_same_of_every_pixel(
    walk: Walk, through_onnx: OnnxHumanSegModel, through_paddle: PaddleHumanSegModel
) -> None:
    crops = walk.crops()
    pairs = zip(through_onnx.predict(crops), through_paddle.predict(crops), strict=True)
    for one, other in pairs:
        assert one.max() > 200
        assert np.abs(one.astype(int) - other).max() <= 1  # rounding on either side of a half


def test_both_runtimes_cut_out_the_same_walker(
    walk: Walk, through_onnx: OnnxHumanSegModel, through_paddle: PaddleHumanSegModel
) -> None:
    pairs = list(zip(walk.segment(through_onnx), walk.segment(through_paddle), strict=True))
    assert len(pairs) == len(walk.frames)
    assert min(overlap(one, other) for one, other in pairs) > 0.99


@pytest.mark.parametrize("runtime", ["through_onnx", "through_paddle"])
def test_one_crop_or_many_are_the_same(
    runtime: str, walk: Walk, request: pytest.FixtureRequest
) -> None:
    model: ProbabilityModel = request.getfixturevalue(runtime)
    crops = walk.crops()[:4]
    together = model.predict(crops)
    for one, crop in zip(together, crops, strict=True):
        (alone,) = model.predict([crop])
        assert np.abs(one.astype(int) - alone).max() <= 1


@pytest.mark.parametrize("runtime", ["onnx", "paddle"])
def test_threads_change_nothing(runtime: str, walk: Walk, fetch: Callable[[str], Weights]) -> None:
    def predict(threads: int) -> list[np.ndarray]:
        model: ProbabilityModel
        if runtime == "onnx":
            model = OnnxHumanSegModel(fetch("pphumanseg_onnx"), providers=CPU, threads=threads)
        else:
            pytest.importorskip("paddle.inference")
            weights = fetch("pphumanseg_v1_lite_paddle")
            model = PaddleHumanSegModel(weights, device="cpu", threads=threads)
        return model.predict(walk.crops()[:6])

    for one, two in zip(predict(1), predict(2), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_walker_is_whole_in_one_piece_with_the_legs_apart(
    walk: Walk, fetch: Callable[[str], Weights]
) -> None:
    model = OnnxHumanSegModel(fetch("pphumanseg_onnx"), providers=CPU, threads=1)
    crops = walk.segment(model)
    fills = []
    for crop in crops:
        box = walk.boxes[crop.frame_index]
        box_area = (box[2] - box[0]) * (box[3] - box[1])
        fills.append(np.count_nonzero(crop.mask) / box_area)
        rows = np.flatnonzero(crop.mask.any(axis=1))
        assert rows[-1] - rows[0] > 0.93 * (box[3] - box[1])  # from the head to the feet
        stats = cv2.connectedComponentsWithStats(crop.mask)[2]
        areas = stats[1:, cv2.CC_STAT_AREA]
        assert areas.max() > 0.95 * areas.sum()
        assert crop.confidence > 0.75
    assert min(fills) > 0.25
    assert max(fills) < 0.7  # a mask that swallows what lies between the legs fills more
    assert np.mean([crop.confidence for crop in crops]) > 0.85


def test_the_portrait_model_with_its_wide_input_finds_her_too(
    walk: Walk, fetch: Callable[[str], Weights]
) -> None:
    """Its input is 256x144: width and height must not be mixed up on the way in and out."""
    pytest.importorskip("paddle.inference")
    portrait = PaddleHumanSegModel(fetch("pphumanseg_v2_portrait_paddle"), device="cpu", threads=1)
    best = OnnxHumanSegModel(fetch("pphumanseg_onnx"), providers=CPU, threads=1)
    pairs = zip(walk.segment(portrait), walk.segment(best), strict=True)
    assert np.mean([overlap(one, other) for one, other in pairs]) > 0.75


def test_pictures_are_prepared_as_paddleseg_does(
    walk: Walk, fetch: Callable[[str], Weights], tmp_path: Path
) -> None:
    """Resize and Normalize of the model's `deploy.yaml`, on the crop padded to a white square."""
    pytest.importorskip("paddleseg", exc_type=ImportError)
    contract = HumanSegContract.of(fetch("pphumanseg_v1_lite_paddle"))
    crop = walk.crops()[len(walk.frames) // 2]
    height, width = crop.image.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = crop.image
    np.save(tmp_path / "square.npy", square)
    program = """
import sys, numpy as np
from paddleseg.transforms import Compose, Normalize, Resize
pipeline = Compose([Resize(target_size=[192, 192]), Normalize()])
square = np.load(sys.argv[1] + "/square.npy")
np.save(sys.argv[1] + "/prepared.npy", pipeline({"img": square})["img"])
"""
    run_program(program, tmp_path)
    theirs = np.load(tmp_path / "prepared.npy")
    (ours,) = prepare_crops([crop], contract)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_paddle_says_nothing_and_leaves_signals_alone(fetch: Callable[[str], Weights]) -> None:
    pytest.importorskip("paddle.inference")
    weights = fetch("pphumanseg_v1_lite_paddle")
    program = """
import signal, sys
before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
from pathlib import Path
import numpy as np
from transforms.extract.segmentation.pphumanseg_paddle import PaddleHumanSegModel
from transforms.extract.protocols import PersonCrop
from transforms.weights.registry import read_registry
weights = read_registry(Path(sys.argv[1])).weights("pphumanseg_v1_lite_paddle", Path(sys.argv[2]))
model = PaddleHumanSegModel(weights, device="auto", threads=1)
(found,) = model.predict([PersonCrop(np.full((60, 30, 3), 90, np.uint8), (2, 2, 28, 58))])
assert found.shape == (60, 30)
assert before == {number: signal.getsignal(number) for number in before}
"""
    ended = run_program(program, ROOT / REGISTRY_NAME, weights.directory.parent)
    assert (ended.stdout, ended.stderr) == ("", "")
