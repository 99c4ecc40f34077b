from hashlib import sha256
from pathlib import Path

import pytest

from transforms.errors import IntegrityError, MissingDependencyError, SettingsError
from transforms.extract import registry
from transforms.extract.detection.background_detector import BackgroundDetector
from transforms.extract.registry import (
    DETECTORS,
    SEGMENTERS,
    Resources,
    build_backends,
    check_backends,
    require_package,
)
from transforms.extract.segmentation.background_grabcut import BackgroundGrabCutSegmenter
from transforms.settings import ExtractionSettings
from transforms.weights.verified import Weights, WeightsFile


def some_weights(folder: Path, *, family: str = "yolo", kind: str = "onnx") -> Weights:
    data = b"weights"
    (folder / "model.onnx").write_bytes(data)
    file = WeightsFile("model.onnx", sha256(data).hexdigest(), len(data))
    return Weights("some", kind, "detect", (file,), folder, {"family": family})


def test_the_defaults_need_nothing_and_say_what_they_are() -> None:
    runtimes = check_backends(ExtractionSettings(), Resources())
    assert runtimes["detector"] == runtimes["segmenter"] == "embedded"
    assert set(runtimes) == {"base", "detector", "tracker", "segmenter"}


@pytest.mark.parametrize("role", ["detector", "tracker", "segmenter"])
def test_an_unknown_name_is_refused_with_what_exists(role: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_backends(ExtractionSettings(**{role: "telepathy"}), Resources())
    assert caught.value.where == f"extraction.{role}"
    assert caught.value.found == "telepathy"
    assert caught.value.expected


def test_names_lead_to_their_backends() -> None:
    backends = build_backends(ExtractionSettings(), Resources())
    assert isinstance(backends.detector, BackgroundDetector)
    assert isinstance(backends.segmenter, BackgroundGrabCutSegmenter)


@pytest.fixture
def with_any_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "require_package", lambda module, **_: None)
    monkeypatch.setattr(registry, "_describe_runtime", lambda spec, device: "a runtime")


@pytest.mark.usefixtures("with_any_package")
def test_a_backend_without_the_weights_it_needs_is_refused(tmp_path: Path) -> None:
    settings = ExtractionSettings(detector="yolo_onnx")
    with pytest.raises(SettingsError, match="needs weights"):
        check_backends(settings, Resources())
    for wrong in ({"family": "pphumanseg"}, {"kind": "torch"}):
        with pytest.raises(SettingsError, match="can't read these weights"):
            check_backends(settings, Resources(some_weights(tmp_path, **wrong)))
    check_backends(settings, Resources(some_weights(tmp_path)))


@pytest.mark.usefixtures("with_any_package")
def test_weights_are_hashed_before_any_work(tmp_path: Path) -> None:
    weights = some_weights(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"other!!")
    with pytest.raises(IntegrityError, match="nothing has parsed them"):
        check_backends(ExtractionSettings(detector="yolo_onnx"), Resources(weights))


def test_weights_for_a_backend_that_reads_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="reads no weights"):
        check_backends(ExtractionSettings(), Resources(some_weights(tmp_path)))


@pytest.mark.parametrize("table", [DETECTORS, SEGMENTERS], ids=["detectors", "segmenters"])
def test_who_reads_weights_says_which(table) -> None:
    for spec in table.values():
        assert bool(spec.kinds) == bool(spec.family)
        assert spec.packages or not spec.kinds


def test_a_missing_package_comes_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingDependencyError, match="pip install telepathy"):
        require_package("no_such_module_here", backend="x", install="pip install telepathy")
    require_package("numpy", backend="x", install="pip install numpy")
