"""The heavy extraction backends do real work here, offline, each in a process of its own.

Two of the tests need real weights and footage, which the project does not carry:
GAITWORKS_MODELS_DIR is a folder that holds, at any depth, `yolo11n_*.onnx` (640x640) and a Paddle
inference model `*humansegv1_lite*inference_model*/model.pdmodel`; GAITWORKS_VIDEOS_DIR is one that
holds `*walk_side*.mp4` with one person in full.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from tests.extraction.offline import find_file, read_walk, run_offline

pytestmark = [pytest.mark.extraction, pytest.mark.slow]

ULTRALYTICS = """
from transforms.extract.runtimes.torchvision_guard import ensure_torchvision_ops
ensure_torchvision_ops()
import torch
torch.set_num_threads(2)
from ultralytics import YOLO, settings
settings.update({"sync": False, "dvc": False, "mlflow": False})
"""


def run_in(scratch: Path, program: str, *arguments: object) -> Any:
    """Run a program in a folder of its own, where Ultralytics finds its settings and its font."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    config = scratch / "Ultralytics"
    config.mkdir(parents=True, exist_ok=True)
    shutil.copy(fonts / "DejaVuSans.ttf", config / "Arial.ttf")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "2",
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "YOLO_CONFIG_DIR": str(scratch),
        "MPLCONFIGDIR": str(scratch),
    }
    return run_offline(program, *arguments, folder=scratch, environment=environment)


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The middle frame of real footage, as an array file: BGR (height, width, 3) uint8."""
    images = read_walk()
    path = tmp_path_factory.mktemp("frame") / "frame.npy"
    np.save(path, images[len(images) // 2], allow_pickle=False)
    return path


DETECT = (
    ULTRALYTICS
    + """
import cv2, numpy as np, onnxruntime
image = np.load(sys.argv[2], allow_pickle=False)
height, width = image.shape[:2]

result = YOLO(sys.argv[1], task="detect").predict(image, imgsz=640, conf=0.5, classes=[0],
                                                  verbose=False, save=False)[0]
ours = [box + [score] for box, score in zip(result.boxes.xyxy.tolist(), result.boxes.conf.tolist())]

scale = 640 / max(height, width)
size = round(width * scale), round(height * scale)
left, top = (640 - size[0]) // 2, (640 - size[1]) // 2
canvas = np.full((640, 640, 3), 114, np.uint8)
canvas[top:top + size[1], left:left + size[0]] = cv2.resize(image, size)
tensor = np.ascontiguousarray(canvas[None, :, :, ::-1].transpose(0, 3, 1, 2)) / np.float32(255)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(output,) = session.run(None, {session.get_inputs()[0].name: tensor.astype(np.float32)})
best = output[0][:, output[0][4].argmax()]
x, y, w, h = best[:4]
box = (np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) - [left, top, left, top]) / scale
answer({"ultralytics": ours, "onnxruntime": [*box.tolist(), float(best[4])],
        "shape": [height, width]})
"""
)


@pytest.fixture(scope="module")
def detections(walker: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    model = find_file("GAITWORKS_MODELS_DIR", "**/yolo11n_*.onnx")
    return run_in(tmp_path_factory.mktemp("detect"), DETECT, model, walker)


def test_yolo_built_without_weights_predicts_offline(tmp_path: Path) -> None:
    program = (
        ULTRALYTICS
        + """
import numpy as np
torch.manual_seed(0)
image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
model = YOLO("yolo11n.yaml")
result = model.predict(image, imgsz=160, conf=1e-6, verbose=False, save=False)[0]
answer({"shape": list(result.orig_shape), "columns": result.boxes.data.shape[1],
        "count": len(result.boxes), "files": sorted(os.listdir("."))})
"""
    )
    found = run_in(tmp_path, program)
    assert found["shape"] == [120, 160]
    assert found["columns"] == 6
    assert found["count"] > 0
    assert found["files"] == ["Ultralytics"]


def test_yolo_finds_the_walker_through_both_runtimes(detections: dict[str, Any]) -> None:
    (ours,), plain = detections["ultralytics"], detections["onnxruntime"]
    assert ours[4] > 0.6
    assert plain[4] > 0.6
    assert ours[:4] == pytest.approx(plain[:4], abs=8.0)
    height, width = detections["shape"]
    assert ours[3] - ours[1] > 0.4 * height
    assert ours[2] - ours[0] < 0.4 * width


def test_paddle_inference_segments_the_walker(
    walker: Path, detections: dict[str, Any], tmp_path: Path
) -> None:
    model = find_file("GAITWORKS_MODELS_DIR", "**/*humansegv1_lite*inference_model*/model.pdmodel")
    program = """
import cv2, numpy as np, paddle
paddle.disable_signal_handler()
from paddle.inference import Config, create_predictor
image = np.load(sys.argv[2], allow_pickle=False)
x0, y0, x1, y1 = json.loads(sys.argv[3])
side = int(1.2 * max(x1 - x0, y1 - y0))
left, top = int((x0 + x1 - side) / 2), int((y0 + y1 - side) / 2)
padded = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REPLICATE)
crop = padded[top + side:top + 2 * side, left + side:left + 2 * side]
rgb = cv2.resize(crop, (192, 192))[:, :, ::-1].astype(np.float32)
tensor = np.ascontiguousarray(((rgb / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None])
config = Config(sys.argv[1], sys.argv[1].replace(".pdmodel", ".pdiparams"))
config.disable_gpu()
config.set_cpu_math_library_num_threads(2)
config.disable_glog_info()
predictor = create_predictor(config)
predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(tensor)
predictor.run()
output = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
mask = output[0, 1] > 0.5
scale = 192 / side
inside = np.zeros_like(mask)
inside[max(0, round((y0 - top) * scale)):round((y1 - top) * scale),
       max(0, round((x0 - left) * scale)):round((x1 - left) * scale)] = True
answer({"shape": list(output.shape), "area": float(mask.mean()),
        "inside": float((mask & inside).sum() / max(mask.sum(), 1)),
        "filled": float((mask & inside).sum() / inside.sum())})
"""
    box = json.dumps(detections["ultralytics"][0][:4])
    found = run_in(tmp_path, program, model, walker, box)
    assert found["shape"] == [1, 2, 192, 192]
    assert 0.05 < found["area"] < 0.6
    assert found["inside"] > 0.7
    assert 0.2 < found["filled"] < 0.95


def test_paddleseg_builds_and_runs_its_human_segmenter(tmp_path: Path) -> None:
    program = """
import paddle
paddle.disable_signal_handler()
from paddleseg.models import PPHumanSegLite
paddle.seed(0)
model = PPHumanSegLite(num_classes=2)
model.eval()
with paddle.no_grad():
    (logits,) = model(paddle.randn([1, 3, 192, 192]))
answer({"shape": list(logits.shape), "finite": bool(paddle.isfinite(logits).all())})
"""
    assert run_in(tmp_path, program) == {"shape": [1, 2, 192, 192], "finite": True}


def test_ultralytics_bytetrack_follows_a_box_on_its_own(tmp_path: Path) -> None:
    program = (
        ULTRALYTICS
        + """
import numpy as np
from types import SimpleNamespace
from ultralytics.trackers.byte_tracker import BYTETracker
class Detections:
    def __init__(self, rows):
        self.rows = np.asarray(rows, np.float32).reshape(-1, 6)
    xywh = property(lambda self: self.rows[:, :4])
    conf = property(lambda self: self.rows[:, 4])
    cls = property(lambda self: self.rows[:, 5])
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, index):
        return Detections(self.rows[index])
tracker = BYTETracker(SimpleNamespace(
    track_high_thresh=0.5, track_low_thresh=0.1, new_track_thresh=0.6, track_buffer=30,
    match_thresh=0.8, fuse_score=True))
ids, centres = [], []
for frame in range(20):
    boxes = [[50 + 4 * frame, 100, 40, 90, 0.9, 0]] if frame not in (8, 9) else []
    tracks = tracker.update(Detections(boxes))
    ids += [int(track[4]) for track in tracks]
    centres += [float(track[0] + track[2]) / 2 for track in tracks]
answer({"ids": ids, "last": centres[-1]})
"""
    )
    found = run_in(tmp_path, program)
    assert set(found["ids"]) == {1}
    assert len(found["ids"]) == 18
    assert found["last"] == pytest.approx(126, abs=3)
