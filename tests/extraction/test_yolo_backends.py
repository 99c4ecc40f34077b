"""The YOLO backends on real weights and footage, which the project does not carry, and offline.

GAITWORKS_MODELS_DIR is a folder that holds, at any depth, `yolo11n_*.onnx`, `yolo11n-seg_*.onnx`
and `yolox_nano_*.onnx`; GAITWORKS_VIDEOS_DIR is one that holds `*walk_side*.mp4` with one person
who is to be seen in full, alone, from the first frame to the last.
"""

import json
import os
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from tests.extraction.offline import find_file, read_walk, run_offline
from transforms.extract.detection.onnx_detectors import YOLO, YOLOX, Family, OnnxDetector
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Box, Frame, PersonCrop
from transforms.extract.segmentation.yolo_seg import load_onnx_yolo_seg
from transforms.files import sha256_file
from transforms.settings import DetectionSettings
from transforms.weights.verified import Weights, WeightsFile

pytestmark = [pytest.mark.extraction, pytest.mark.slow]

RUNTIME = {"providers": ("CPUExecutionProvider",), "threads": 1}
SEGMENT = {"input_width_px": 640, "input_height_px": 640}

PRELUDE = """
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from tests.extraction.test_yolo_backends import register, SEGMENT
from transforms.errors import IntegrityError
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Frame, PersonCrop
from transforms.extract.runtimes.ultralytics_backend import *
from transforms.settings import DetectionSettings
DETECT = {"input_px": 640, "person_class": 0}
"""


def run_in(scratch: Path, program: str, *arguments: object) -> Any:
    """Run a program in a folder of its own that it leaves as it found it."""
    temporary = scratch / "temporary"
    temporary.mkdir()
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("YOLO_", "ULTRALYTICS_", "OMP_"))
    }
    own = {
        "TMPDIR": str(temporary),
        "MPLCONFIGDIR": str(temporary),
        "HOME": str(scratch / "home"),
    }
    found = run_offline(PRELUDE + program, *arguments, folder=scratch, environment={**kept, **own})
    assert not list(temporary.glob("gaitworks-*")), "the folder with its settings was left behind"
    return found


def register(path: Path, **contract: object) -> Weights:
    file = WeightsFile(path.name, sha256_file(path), path.stat().st_size)
    return Weights(path.stem, path.suffix[1:], "detect", (file,), path.parent, contract)


@pytest.fixture(scope="module")
def walk() -> list[Frame]:
    """Every third frame of the walk."""
    return [
        Frame(index, index / 30, ColourPicture(image))
        for index, image in enumerate(read_walk()[::3])
    ]


@pytest.fixture(scope="module")
def centres(walk: list[Frame]) -> list[tuple[float, float]]:
    """Where the walker is, by what differs from the scene: no network has a say in it."""
    small = [cv2.resize(frame.picture.colour(), None, fx=0.25, fy=0.25) for frame in walk]
    scene = np.median(small, axis=0)
    found = []
    for image in small:
        differs = (np.abs(image - scene).max(axis=2) > 40).astype(np.uint8)
        rows, columns = np.nonzero(cv2.medianBlur(differs, 7))
        found.append((4 * float(np.median(columns)), 4 * float(np.median(rows))))
    return found


def context_of(frames: list[Frame]) -> SimpleNamespace:
    return SimpleNamespace(frame_shape=frames[0].picture.shape)


@pytest.mark.parametrize(
    ("pattern", "family", "input_px"),
    [
        ("**/yolo11n_*.onnx", YOLO, 640),
        ("**/yolox_nano_*.onnx", YOLOX, 416),
    ],
)
def test_the_walker_is_found_in_at_least_95_percent_of_the_frames(
    walk: list[Frame],
    centres: list[tuple[float, float]],
    pattern: str,
    family: Family,
    input_px: int,
) -> None:
    weights = register(
        find_file("GAITWORKS_MODELS_DIR", pattern), input_px=input_px, person_class=0
    )
    detector = OnnxDetector(weights, DetectionSettings(), family=family, **RUNTIME)
    height = walk[0].picture.shape[0]
    right = 0
    for people, (x, y) in zip(detector.detect(walk, context_of(walk)), centres, strict=True):
        sure = [person.box for person in people if person.score >= 0.5]
        if len(sure) == 1:
            x0, y0, x1, y1 = sure[0]
            right += x0 < x < x1 and y0 < y < y1 and 0.65 * height < y1 - y0 < 0.95 * height
    assert right >= 0.95 * len(walk)
    first, last = centres[0][0], centres[-1][0]
    assert first - last > 0.5 * walk[0].picture.shape[1]  # and she does walk


def test_our_decoding_agrees_with_ultralytics_own(walk: list[Frame], tmp_path: Path) -> None:
    model = find_file("GAITWORKS_MODELS_DIR", "**/yolo11n_*.onnx")
    frames = walk[::3]
    assert len(frames) >= 10
    np.save(
        tmp_path / "frames.npy", [frame.picture.colour() for frame in frames], allow_pickle=False
    )
    theirs = run_in(
        tmp_path,
        """
images = np.load("frames.npy", allow_pickle=False)
detector = UltralyticsDetector(
    register(Path(sys.argv[1]), **DETECT), DetectionSettings(), device="cpu", threads=1)
frames = (Frame(i, 0.0, ColourPicture(image)) for i, image in enumerate(images))
found = detector.detect(frames, None)
answer([[[*person.box, person.score, float(person.feature.sum())] for person in people]
        for people in found])
""",
        model,
    )
    detector = OnnxDetector(
        register(model, input_px=640, person_class=0), DetectionSettings(), family=YOLO, **RUNTIME
    )
    ours = list(detector.detect(frames, context_of(frames)))
    assert [len(people) for people in ours] == [len(people) for people in theirs]
    assert sum(map(len, theirs)) >= 10
    for mine, other in zip(chain(*ours), chain(*theirs), strict=True):
        assert mine.box == pytest.approx(other[:4], abs=2.0)
        assert mine.score == pytest.approx(other[4], abs=0.02)
        assert float(mine.feature.sum()) == pytest.approx(other[5], abs=0.5)


def cut(frame: Frame, box: Box) -> PersonCrop:
    height, width = frame.picture.shape
    margin_x, margin_y = 0.1 * (box[2] - box[0]), 0.1 * (box[3] - box[1])
    x0, y0 = int(max(0, box[0] - margin_x)), int(max(0, box[1] - margin_y))
    x1, y1 = int(min(width, box[2] + margin_x)), int(min(height, box[3] + margin_y))
    inside = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
    return PersonCrop(frame.picture.colour()[y0:y1, x0:x1].copy(), inside)


def test_our_masks_agree_with_ultralytics_own(walk: list[Frame], tmp_path: Path) -> None:
    detector = OnnxDetector(
        register(
            find_file("GAITWORKS_MODELS_DIR", "**/yolo11n_*.onnx"), input_px=640, person_class=0
        ),
        DetectionSettings(),
        family=YOLO,
        **RUNTIME,
    )
    frames = walk[::8]
    people = detector.detect(frames, context_of(frames))
    crops = [cut(frame, found[0].box) for frame, found in zip(frames, people, strict=True)]
    model = find_file("GAITWORKS_MODELS_DIR", "**/yolo11n-seg_*.onnx")
    ours = load_onnx_yolo_seg(register(model, **SEGMENT), **RUNTIME).predict(crops)
    for index, crop in enumerate(crops):
        np.save(tmp_path / f"crop{index}.npy", crop.image, allow_pickle=False)
    run_in(
        tmp_path,
        """
model, boxes = Path(sys.argv[1]), json.loads(sys.argv[2])
images = [np.load(f"crop{i}.npy", allow_pickle=False) for i in range(len(boxes))]
crops = [PersonCrop(image, tuple(box)) for image, box in zip(images, boxes)]
ours = load_ultralytics_yolo_seg(register(model, **SEGMENT), device="cpu", threads=1).predict(crops)
from ultralytics import YOLO
theirs = YOLO(model, task="segment")
for i, image in enumerate(images):
    np.save(f"ours{i}.npy", ours[i], allow_pickle=False)
    found = theirs.predict(image, conf=0.5, classes=[0], retina_masks=True, verbose=False)[0]
    np.save(f"theirs{i}.npy", found.masks.data[0].numpy() > 0, allow_pickle=False)
answer(None)
""",
        model,
        json.dumps([crop.box for crop in crops]),
    )
    assert len(crops) >= 4
    for index, mask in enumerate(ours):
        through_torch = np.load(tmp_path / f"ours{index}.npy", allow_pickle=False)
        assert np.abs(mask.astype(int) - through_torch).max() <= 2
        theirs = np.load(tmp_path / f"theirs{index}.npy", allow_pickle=False)
        inside = mask > 127
        assert (inside & theirs).sum() >= 0.95 * (inside | theirs).sum()
        assert 0.1 < inside.mean() < 0.5


def test_checkpoints_work_offline_and_leave_nothing_behind(tmp_path: Path) -> None:
    program = """
from transforms.extract.runtimes import ultralytics_backend
before = sorted(os.listdir("."))
ultralytics = import_ultralytics(ultralytics_backend.scratch_folder())
import torch
torch.manual_seed(0)
ultralytics.YOLO("yolo11n.yaml").save("detect.pt")
ultralytics.YOLO("yolo11n-seg.yaml").save("segment.pt")
image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
size = {**DETECT, "input_px": 160}
detector = UltralyticsDetector(
    register(Path("detect.pt"), **size), DetectionSettings(min_score=0), device="auto", threads=1)
threads = torch.get_num_threads()
picture = ColourPicture(image)
found = list(detector.detect([Frame(0, 0.0, picture), Frame(1, 0.0, picture)], None))
contract = {"input_width_px": 160, "input_height_px": 160}
def segment(name, **changes):
    settings = DetectionSettings(min_score=0, **changes)
    weights = register(Path(name), **contract)
    return load_ultralytics_yolo_seg(weights, device="auto", threads=1, settings=settings)
crop = PersonCrop(image, (0.0, 0.0, 160.0, 120.0))
masks = segment("segment.pt").predict([crop, crop])
try:
    segment("detect.pt").predict([crop])
    refused = ""
except IntegrityError as error:
    refused = str(error)
answer({
    "counts": [len(people) for people in found],
    "same": [(a.box, a.score) for a in found[0]] == [(b.box, b.score) for b in found[1]],
    "masks": [list(mask.shape) for mask in masks], "undecided": int(masks[0].max()),
    "threads": threads, "omp": os.environ.get("OMP_NUM_THREADS"), "refused": refused,
    "new": sorted(set(os.listdir(".")) - set(before))})
"""
    found = run_in(tmp_path, program)
    assert found["counts"][0] > 10
    assert found["same"]
    assert found["masks"] == [[120, 160]] * 2
    assert 0 < found["undecided"] < 255  # untrained
    assert found["threads"] == 1
    assert found["omp"] is None
    assert "not of a YOLO model" in found["refused"]
    assert found["new"] == ["detect.pt", "segment.pt"]


def test_a_registered_checkpoint_that_runs_code_is_refused_all_the_same(tmp_path: Path) -> None:
    program = """
import torch
class Evil:
    def __reduce__(self):
        return os.mkdir, ("owned",)
torch.save({"model": Evil(), "ema": None}, "evil.pt")
(Path("cut.pt")).write_bytes(Path("evil.pt").read_bytes()[:-40])
refused = []
for name in ("evil.pt", "cut.pt"):
    for build in (
        lambda w: UltralyticsDetector(w, DetectionSettings(), device="cpu", threads=1),
        lambda w: load_ultralytics_yolo_seg(w, device="cpu", threads=1),
    ):
        try:
            build(register(Path(name), **DETECT, **SEGMENT))
        except IntegrityError as error:
            refused.append(error.what)
answer({"refused": refused, "owned": os.path.exists("owned")})
"""
    found = run_in(tmp_path, program)
    assert found == {"refused": ["Ultralytics cannot run these weights"] * 4, "owned": False}
