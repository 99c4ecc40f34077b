"""Small programs that try a backend for real, each in a process of its own.

A crash, a hang or a missing system library of a heavy framework is then a finding and not the end
of the examination. What the findings mean is said in `doctor`.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 180.0
_SHOWN_CHARACTERS: Final = 200

# A probe prints what it found as one line that begins with this; libraries print what they like.
_MARK: Final = "gaitworks-probe:"

TORCH: Final = f"""
import torch
assert torch.zeros(2, 2).matmul(torch.ones(2, 2)).sum().item() == 0.0
print("{_MARK}", torch.__version__)
"""

CUDA: Final = f"""
import torch
if torch.cuda.is_available():
    torch.ones(8, device="cuda").sum().item()
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    print("{_MARK}", ", ".join(names))
"""

OPENCV: Final = f"""
import cv2, numpy
assert cv2.GaussianBlur(numpy.zeros((8, 8), numpy.uint8), (3, 3), 0).shape == (8, 8)
print("{_MARK}", cv2.__version__)
"""

PYAV: Final = f"""
import av
assert "h264" in av.codecs_available
print("{_MARK}", av.__version__)
"""

BYTETRACK: Final = f"""
import numpy
from supervision import Detections
from trackers import ByteTrackTracker
box = numpy.array([[10.0, 10.0, 50.0, 90.0]])
found = Detections(xyxy=box, confidence=numpy.array([0.9]), class_id=numpy.array([0]))
assert len(ByteTrackTracker().update(found)) == 1
print("{_MARK} works")
"""

# Each of these two parsers breaks beside the ANTLR runtime that the other one's default pins want.
GRAMMARS: Final = f"""
from omegaconf import OmegaConf
assert OmegaConf.create({{"a": "${{b}}", "b": 1}}).a == 1
from hydra.core.override_parser.overrides_parser import OverridesParser
assert OverridesParser.create().parse_override("training.steps=3").value() == 3
from dagster import AssetSelection
AssetSelection.from_string('key:"split"+')
print("{_MARK} DVC's and Dagster's expressions both parse")
"""

TORCHVISION: Final = f"""
from transforms.extract.runtimes.torchvision_guard import ensure_torchvision_ops
has_own_ops = ensure_torchvision_ops()
import torch, torchvision
boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
assert torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.3]), 0.5).tolist() == [1, 2]
state = "with its own ops" if has_own_ops else "its ops do not load here, our stand-in serves"
print("{_MARK}", torchvision.__version__ + ",", state)
"""

ULTRALYTICS: Final = f"""
from transforms.extract.runtimes.torchvision_guard import ensure_torchvision_ops
ensure_torchvision_ops()
import lap, ultralytics
from ultralytics.trackers.byte_tracker import BYTETracker
print("{_MARK}", ultralytics.__version__)
"""

ONNXRUNTIME: Final = f"""
import onnxruntime
providers = ", ".join(onnxruntime.get_available_providers())
print("{_MARK}", onnxruntime.__version__ + ",", providers)
"""

PADDLE: Final = f"""
import paddle
paddle.disable_signal_handler()
import paddle.inference
assert float(paddle.ones([2, 2]).sum()) == 4.0
state = "CUDA build" if paddle.device.is_compiled_with_cuda() else "CPU build"
print("{_MARK}", paddle.__version__ + ",", state)
"""

PADDLESEG: Final = f"""
import paddle
paddle.disable_signal_handler()
import paddleseg
from paddleseg.models import PPHumanSegLite
PPHumanSegLite(num_classes=2)
print("{_MARK}", paddleseg.__version__)
"""


@dataclass(frozen=True)
class ProbeOutcome:
    """How a probe ended: what it printed of itself, or why it failed."""

    is_ok: bool
    detail: str


def run_probe(program: str, *, timeout_s: float = _TIMEOUT_S) -> ProbeOutcome:
    """Run a program in a process of its own and return what it found; nothing is raised.

    The process reaches for no network, installs nothing and writes its settings to a folder that
    is removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="gaitworks-doctor-") as scratch:
        try:
            ended = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                env=_environment(Path(scratch)),
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ProbeOutcome(False, f"gave no answer within {timeout_s:g} s")
    answers = [line for line in ended.stdout.splitlines() if line.startswith(_MARK)]
    if ended.returncode == 0:
        return ProbeOutcome(True, answers[-1][len(_MARK) :].strip() if answers else "")
    if ended.returncode < 0:
        return ProbeOutcome(False, f"was ended by signal {-ended.returncode}")
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    detail = lines[-1] if lines else f"ended with exit code {ended.returncode}"
    return ProbeOutcome(False, detail[:_SHOWN_CHARACTERS])


def _environment(scratch: Path) -> dict[str, str]:
    # The probes must find this package whether it is installed or run from a checkout.
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "YOLO_CONFIG_DIR": str(scratch),
        "MPLCONFIGDIR": str(scratch),
    }
