"""YOLO detectors and YOLO-seg through the Ultralytics package, kept off the network.

The only place that imports it. Ultralytics is AGPL-3.0; the same networks as ONNX files run without
it: `transforms.extract.detection.onnx_detectors` and `transforms.extract.segmentation.yolo_seg`.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError, SettingsError
from transforms.extract.detection.onnx_detectors import DetectionContract, describe_people
from transforms.extract.detection.yolo_decode import MAX_PEOPLE
from transforms.extract.protocols import Detection, Frame, RecordingContext
from transforms.extract.runtimes.torchvision_guard import ensure_torchvision_ops
from transforms.extract.segmentation.yolo_seg import SegContract, YoloSegPredictor
from transforms.settings import DetectionSettings, Device
from transforms.weights.verified import Weights

_GPU_BATCH: Final = 16
_ENVIRONMENT: Final = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "False",
    # Checkpoints are pickles: besides the hash, only classes that networks are made of.
    "ULTRALYTICS_SAFE_LOAD": "1",
}
_SETTINGS: Final = {"sync": False, "dvc": False, "mlflow": False, "comet": False, "clearml": False}


def import_ultralytics(config_dir: Path) -> Any:
    """Import Ultralytics so that it reaches for no network, installs nothing and says little.

    It reads its environment once, at the first import in a process; that one has to be here.

    Args:
        config_dir: an existing folder where it may keep its settings; nothing of the user's.

    Returns:
        The module. `Any`: it is imported nowhere else.
    """
    os.environ.update(_ENVIRONMENT, YOLO_CONFIG_DIR=str(config_dir))
    _bring_font(config_dir)
    ensure_torchvision_ops()  # imports torch, which must come first
    threads = os.environ.get("OMP_NUM_THREADS")
    ultralytics = import_module("ultralytics")
    if threads is None:  # it sets 1, for torch and for every process started from here
        os.environ.pop("OMP_NUM_THREADS", None)
    ultralytics.settings.update(_SETTINGS)
    return ultralytics


class UltralyticsDetector:
    """YOLO networks as Ultralytics runs them, from `.pt` or `.onnx`; see `Detector`.

    With `.onnx` it is onnxruntime that computes, on as many cores as it likes.
    """

    def __init__(
        self, weights: Weights, settings: DetectionSettings, *, device: Device, threads: int
    ) -> None:
        """Load verified weights.

        Raises:
            MissingDependencyError: the weights or a package are not there.
            IntegrityError: the weights are not the registered ones, or no YOLO network.
            SettingsError: a graphics card is asked for and none answers, or the contract is wrong.
        """
        self._contract = DetectionContract.of(weights)
        self._settings = settings
        path = weights.path(_suffix(weights))
        ultralytics = import_ultralytics(scratch_folder())
        self._device = resolve_torch_device(device)
        self._batch_size = _batch_size(self._device)
        side = self._contract.input_px
        try:
            self._model = ultralytics.YOLO(path, task="detect")
            self._predict([np.zeros((side, side, 3), dtype=np.uint8)])
        except Exception as error:  # whatever torch, onnxruntime and Ultralytics raise
            raise _not_loadable(weights, error) from error
        _limit_threads(threads)  # last: its first prediction sets its own number

    def detect(
        self, frames: Iterable[Frame], context: RecordingContext
    ) -> Iterator[tuple[Detection, ...]]:
        """Yield the people of each frame with their appearance, best first."""
        waiting = iter(frames)
        while batch := list(islice(waiting, self._batch_size)):
            results = self._predict([frame.picture.colour() for frame in batch])
            for frame, result in zip(batch, results, strict=True):
                boxes = result.boxes.xyxy.cpu().numpy()
                scores = result.boxes.conf.cpu().numpy()
                order = np.argsort(-scores, kind="stable")
                yield describe_people(frame.picture, boxes[order], scores[order])

    def _predict(self, images: list[NDArray[np.uint8]]) -> list[Any]:
        # `Any`: Ultralytics' results.
        found: list[Any] = self._model.predict(
            images,
            imgsz=self._contract.input_px,
            conf=self._settings.min_score,
            iou=self._settings.nms_iou,
            classes=[self._contract.person_class],
            max_det=MAX_PEOPLE,
            device=self._device,
            batch=self._batch_size,
            verbose=False,
            save=False,
        )
        return found


def load_ultralytics_yolo_seg(
    weights: Weights,
    *,
    device: Device,
    threads: int,
    settings: DetectionSettings | None = None,
) -> YoloSegPredictor:
    """Return a network that Ultralytics runs, from `.pt` or `.onnx`.

    The network only: Ultralytics' own masks are cut at one half, and probabilities are wanted here.
    Raises as `UltralyticsDetector` does.
    """
    contract = SegContract.of(weights, (None,) * 4)
    path = weights.path(_suffix(weights))
    import_ultralytics(scratch_folder())
    from ultralytics.nn.autobackend import AutoBackend

    name = resolve_torch_device(device)
    _limit_threads(threads)
    try:
        network = AutoBackend(path, device=_torch_device(name), verbose=False)
        network.eval()
    except Exception as error:  # see `UltralyticsDetector`
        raise _not_loadable(weights, error) from error
    return YoloSegPredictor(
        partial(_run, network, name),
        contract,
        settings or DetectionSettings(),
        batch_size=_batch_size(name),
        named_classes=len(network.names),
        name=weights.name,
    )


def _run(network: Any, device: str, tensor: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return candidates and prototypes, whichever way the network nests them."""
    # `Any`: Ultralytics' `AutoBackend`.
    import torch

    with torch.inference_mode():
        found = network(torch.from_numpy(tensor).to(device))
    # A checkpoint's network adds what it is trained with; candidates and prototypes come first.
    tensors = list(_flatten(found))
    firsts = [next((item for item in tensors if item.ndim == axes), None) for axes in (3, 4)]
    return [item.float().cpu().numpy() for item in firsts if item is not None]


def resolve_torch_device(device: Device) -> str:
    """Return torch's name of a device.

    Raises:
        SettingsError: `cuda` is asked for and none answers.
    """
    import torch

    is_there = torch.cuda.is_available()
    if device == "cuda" and not is_there:
        raise SettingsError(
            "no graphics card answers",
            where="runtime.device",
            expected="a PyTorch built for CUDA and a driver",
            found=f"torch {torch.__version__}",
            fix="look at `gaitworks doctor`, or set runtime.device to cpu",
        )
    return "cuda:0" if is_there and device != "cpu" else "cpu"


@lru_cache(maxsize=1)
def scratch_folder() -> Path:
    """Return a folder for Ultralytics' settings that ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="gaitworks-ultralytics-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in children that were forked
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _bring_font(config_dir: Path) -> None:
    """Put some font where Ultralytics would else download one to."""
    import matplotlib

    target = config_dir / "Ultralytics" / "Arial.ttf"
    if not target.is_file():
        target.parent.mkdir(exist_ok=True)
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        shutil.copyfile(fonts / "DejaVuSans.ttf", target)


def _suffix(weights: Weights) -> str:
    return ".pt" if any(item.name.endswith(".pt") for item in weights.files) else ".onnx"


def _batch_size(device: str) -> int:
    return 1 if device == "cpu" else _GPU_BATCH


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _torch_device(name: str) -> Any:
    # `Any`: torch is not imported at the top.
    import torch

    return torch.device(name)


def _flatten(found: Any) -> Iterator[Any]:
    # `Any`: tensors in lists, tuples and mappings, by the version of the network.
    if isinstance(found, list | tuple):
        for item in found:
            yield from _flatten(item)
    elif isinstance(found, dict):
        yield from _flatten(list(found.values()))
    elif found is not None:
        yield found


def _not_loadable(weights: Weights, error: Exception) -> IntegrityError:
    return IntegrityError(
        "Ultralytics cannot run these weights",
        where=weights.name,
        found=f"{type(error).__name__}: {str(error).strip()[:300]}",
        fix="choose weights of a YOLO network that the installed version knows",
    )
