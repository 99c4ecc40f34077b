"""The backends of extraction by the names that `params.yaml` uses, and what each of them needs.

A backend is added by one entry here. Its module is imported only when it is chosen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from transforms.errors import MissingDependencyError, SettingsError
from transforms.extract.decoding.video_frames import DEFAULT_CACHE_BYTES
from transforms.extract.protocols import Detector, ProbabilityModel, Segmenter, Tracker
from transforms.extract.runtimes.onnx_session import resolve_providers
from transforms.settings import Device, ExtractionSettings
from transforms.weights.verified import Weights

if TYPE_CHECKING:
    from transforms.extract.detection.onnx_detectors import Family

_Backend = TypeVar("_Backend")
_EXTRACTION: Final = "make setup-extraction"
_ONNX: Final = 'pip install -e ".[onnx]"'


@dataclass(frozen=True)
class Backends:
    """The three backends of one run, built once per worker process."""

    detector: Detector
    tracker: Tracker
    segmenter: Segmenter


@dataclass(frozen=True)
class Resources:
    """What backends use besides their settings.

    Attributes:
        detector_weights: None for a detector without weights.
        segmenter_weights: None for a segmenter without weights.
        device: where models run.
        threads: of each runtime, so that workers do not fight for the cores.
        frame_cache_bytes: a video whose frames fit is decoded once only.
    """

    detector_weights: Weights | None = None
    segmenter_weights: Weights | None = None
    device: Device = "cpu"
    threads: int = 1
    frame_cache_bytes: int = DEFAULT_CACHE_BYTES


@dataclass(frozen=True)
class Spec(Generic[_Backend]):
    """How a backend is built and what it asks for.

    Attributes:
        build: called in the worker process.
        packages: the modules it stands on, whose versions may change a result; the first one runs
            the models.
        kinds: the kinds of weights it reads; none: it needs no weights.
        family: what the weights' contract must name.
        install: the command that brings the package.
    """

    build: Callable[[ExtractionSettings, Resources], _Backend]
    packages: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    family: str | None = None
    install: str = _EXTRACTION


def check_backends(settings: ExtractionSettings, resources: Resources) -> dict[str, str]:
    """Make sure that the chosen backends exist, are installed and have the weights they need.

    Returns:
        What their results depend on besides weights and settings: library versions and devices, by
        backend.

    Raises:
        SettingsError: a name is unknown, or the weights are not of the kind the backend reads.
        MissingDependencyError: a package or the weights are not there.
        IntegrityError: the weights are not the registered ones.
    """
    return {
        "base": ", ".join(describe_package(module) for module in ("av", "cv2", "numpy", "scipy")),
        "detector": _check(
            "detector", settings.detector, DETECTORS, resources.detector_weights, resources.device
        ),
        "tracker": _check("tracker", settings.tracker, TRACKERS, None, resources.device),
        "segmenter": _check(
            "segmenter",
            settings.segmenter,
            SEGMENTERS,
            resources.segmenter_weights,
            resources.device,
        ),
    }


def build_backends(settings: ExtractionSettings, resources: Resources) -> Backends:
    """Build the chosen backends; see `check_backends` for what may be wrong with them."""
    return Backends(
        _look_up("detector", settings.detector, DETECTORS).build(settings, resources),
        _look_up("tracker", settings.tracker, TRACKERS).build(settings, resources),
        _look_up("segmenter", settings.segmenter, SEGMENTERS).build(settings, resources),
    )


def require_package(module: str, *, backend: str, install: str) -> None:
    """Make sure that a module can be imported.

    Raises:
        MissingDependencyError: it cannot; the message holds the command that installs it.
    """
    if find_spec(module) is None:
        raise MissingDependencyError(
            f"the backend {backend!r} needs a package that is not installed",
            where=f"extraction: {backend}",
            expected=f"the module {module}",
            fix=f"run `{install}`, or choose another backend",
        )


def _check(
    role: str,
    name: str,
    table: "Mapping[str, Spec[_Backend]]",
    weights: Weights | None,
    device: Device,
) -> str:
    spec = _look_up(role, name, table)
    for package in spec.packages:
        require_package(package, backend=name, install=spec.install)
    _check_weights(role, name, spec, weights)
    return _describe_runtime(spec, device)


def _look_up(role: str, name: str, table: "Mapping[str, Spec[_Backend]]") -> "Spec[_Backend]":
    if name not in table:
        raise SettingsError(
            f"unknown {role}",
            where=f"extraction.{role}",
            expected=" or ".join(sorted(table)),
            found=name,
            fix="correct the name in params.yaml",
        )
    return table[name]


def _check_weights(role: str, name: str, spec: "Spec[_Backend]", weights: Weights | None) -> None:
    key = f"extraction.{role}_weights"
    if not spec.kinds:
        if weights is not None:
            raise SettingsError(
                f"the backend {name!r} reads no weights", where=key, expected="null",
                found=weights.name, fix="remove the key, or choose another backend",
            )  # fmt: skip
        return
    expected = f"weights of the family {spec.family}, as {' or '.join(spec.kinds)}"
    if weights is None:
        raise SettingsError(
            f"the backend {name!r} needs weights", where=key, expected=expected,
            fix="name them; `gaitworks weights list` shows what is registered",
        )  # fmt: skip
    family = weights.contract.get("family")
    if weights.kind not in spec.kinds or family != spec.family:
        raise SettingsError(
            f"the backend {name!r} can't read these weights", where=key, expected=expected,
            found=f"{weights.name}: {family}, {weights.kind}",
            fix="`gaitworks weights list` shows what is registered",
        )  # fmt: skip
    weights.verify()


def _describe_runtime(spec: "Spec[_Backend]", device: Device) -> str:
    if not spec.packages:
        return "embedded"
    libraries = ", ".join(describe_package(package) for package in spec.packages)
    return f"{libraries} {_resolve_device(spec.packages[0], device)}" if spec.kinds else libraries


def describe_package(module: str) -> str:
    """Return the distribution and version that a module comes from, CUDA builds included."""
    names = sorted(set(_list_distributions().get(module, ())))
    return ", ".join(f"{name} {version(name)}" for name in names) or module


@cache
def _list_distributions() -> Mapping[str, list[str]]:
    # Reads the metadata of everything that is installed: a tenth of a second each time.
    return packages_distributions()


def _resolve_device(package: str, device: Device) -> str:
    """Return where a library will run models: `auto` means something else on each machine."""
    if package == "onnxruntime":
        return ",".join(resolve_providers(device))
    if package == "ultralytics":
        from transforms.extract.runtimes.ultralytics_backend import resolve_torch_device

        return resolve_torch_device(device)
    from transforms.extract.segmentation.pphumanseg_paddle import choose_gpu, import_paddle

    return "gpu" if choose_gpu(import_paddle(), device) else "cpu"


def _background_detector(settings: ExtractionSettings, resources: Resources) -> Detector:
    from transforms.extract.detection.background_detector import BackgroundDetector

    return BackgroundDetector()


def _yolo_onnx(settings: ExtractionSettings, resources: Resources) -> Detector:
    from transforms.extract.detection.onnx_detectors import YOLO

    return _onnx_detector(YOLO, settings, resources)


def _yolox_onnx(settings: ExtractionSettings, resources: Resources) -> Detector:
    from transforms.extract.detection.onnx_detectors import YOLOX

    return _onnx_detector(YOLOX, settings, resources)


def _onnx_detector(
    family: "Family", settings: ExtractionSettings, resources: Resources
) -> Detector:
    from transforms.extract.detection.onnx_detectors import OnnxDetector

    return OnnxDetector(
        _present(resources.detector_weights),
        settings.detection,
        family=family,
        providers=resolve_providers(resources.device),
        threads=resources.threads,
    )


def _yolo_ultralytics(settings: ExtractionSettings, resources: Resources) -> Detector:
    from transforms.extract.runtimes.ultralytics_backend import UltralyticsDetector

    return UltralyticsDetector(
        _present(resources.detector_weights),
        settings.detection,
        device=resources.device,
        threads=resources.threads,
    )


def _bytetrack(settings: ExtractionSettings, resources: Resources) -> Tracker:
    from transforms.extract.tracking.track import ByteTrackTracker

    return ByteTrackTracker(settings.tracking)


def _bytetrack_ultralytics(settings: ExtractionSettings, resources: Resources) -> Tracker:
    from transforms.extract.tracking.bytetrack_ultralytics import UltralyticsByteTrack
    from transforms.extract.tracking.track import ByteTrackTracker

    return ByteTrackTracker(settings.tracking, UltralyticsByteTrack(settings.tracking))


def _background_grabcut(settings: ExtractionSettings, resources: Resources) -> Segmenter:
    from transforms.extract.segmentation.background_grabcut import BackgroundGrabCutSegmenter

    return BackgroundGrabCutSegmenter()


def _soft(model: ProbabilityModel, settings: ExtractionSettings) -> Segmenter:
    from transforms.extract.segmentation.soft_segmenter import SoftSegmenter

    return SoftSegmenter(model, settings.segmentation)


def _pphumanseg_onnx(settings: ExtractionSettings, resources: Resources) -> Segmenter:
    from transforms.extract.segmentation.pphumanseg import OnnxHumanSegModel

    model = OnnxHumanSegModel(
        _present(resources.segmenter_weights),
        providers=resolve_providers(resources.device),
        threads=resources.threads,
        surroundings=settings.segmentation.surroundings,
    )
    return _soft(model, settings)


def _pphumanseg_paddle(settings: ExtractionSettings, resources: Resources) -> Segmenter:
    from transforms.extract.segmentation.pphumanseg_paddle import PaddleHumanSegModel

    model = PaddleHumanSegModel(
        _present(resources.segmenter_weights),
        device=resources.device,
        threads=resources.threads,
        surroundings=settings.segmentation.surroundings,
    )
    return _soft(model, settings)


def _yolo_seg_onnx(settings: ExtractionSettings, resources: Resources) -> Segmenter:
    from transforms.extract.segmentation.yolo_seg import load_onnx_yolo_seg

    model = load_onnx_yolo_seg(
        _present(resources.segmenter_weights),
        providers=resolve_providers(resources.device),
        threads=resources.threads,
    )
    return _soft(model, settings)


def _yolo_seg_ultralytics(settings: ExtractionSettings, resources: Resources) -> Segmenter:
    from transforms.extract.runtimes.ultralytics_backend import load_ultralytics_yolo_seg

    model = load_ultralytics_yolo_seg(
        _present(resources.segmenter_weights), device=resources.device, threads=resources.threads
    )
    return _soft(model, settings)


def _present(weights: Weights | None) -> Weights:
    if weights is None:  # `check_backends` has refused this before any work
        raise SettingsError("a backend needs weights", where="extraction")
    return weights


_BASE: Final = "pip install --no-deps -r requirements/base.lock"

DETECTORS: Final[Mapping[str, Spec[Detector]]] = {
    "background": Spec(_background_detector),
    "yolo_onnx": Spec(_yolo_onnx, ("onnxruntime",), ("onnx",), "yolo", _ONNX),
    "yolox_onnx": Spec(_yolox_onnx, ("onnxruntime",), ("onnx",), "yolox", _ONNX),
    "yolo_ultralytics": Spec(
        _yolo_ultralytics, ("ultralytics", "torch", "onnxruntime"), ("torch", "onnx"), "yolo"
    ),
}
TRACKERS: Final[Mapping[str, Spec[Tracker]]] = {
    "bytetrack": Spec(_bytetrack, ("trackers", "supervision"), install=_BASE),
    "bytetrack_ultralytics": Spec(_bytetrack_ultralytics, ("ultralytics", "lap")),
}
SEGMENTERS: Final[Mapping[str, Spec[Segmenter]]] = {
    "background_grabcut": Spec(_background_grabcut),
    "pphumanseg_onnx": Spec(_pphumanseg_onnx, ("onnxruntime",), ("onnx",), "pphumanseg", _ONNX),
    "pphumanseg_paddle": Spec(_pphumanseg_paddle, ("paddle",), ("paddle",), "pphumanseg"),
    "yolo_seg_onnx": Spec(_yolo_seg_onnx, ("onnxruntime",), ("onnx",), "yolo_seg", _ONNX),
    "yolo_seg_ultralytics": Spec(
        _yolo_seg_ultralytics,
        ("ultralytics", "torch", "onnxruntime"),
        ("torch", "onnx"),
        "yolo_seg",
    ),
}
