"""What needs no Ultralytics; the rest is in tests/extraction."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.transforms.extract.runtimes.onnx_files import write_weights
from transforms.errors import IntegrityError, SettingsError
from transforms.extract.runtimes import ultralytics_backend
from transforms.extract.runtimes.ultralytics_backend import (
    UltralyticsDetector,
    load_ultralytics_yolo_seg,
    resolve_torch_device,
)
from transforms.settings import DetectionSettings

DETECT = {"input_px": 96, "person_class": 0}
SEGMENT = {"input_width_px": 96, "input_height_px": 96}


@pytest.mark.parametrize(
    ("device", "is_there", "expected"),
    [("auto", True, "cuda:0"), ("auto", False, "cpu"), ("cpu", True, "cpu"),
     ("cuda", True, "cuda:0")],
)  # fmt: skip
def test_the_device_is_a_graphics_card_where_one_is_wanted_and_there(
    monkeypatch: pytest.MonkeyPatch, device: str, is_there: bool, expected: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: is_there)
    assert resolve_torch_device(device) == expected


def test_a_graphics_card_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match="no graphics card answers"):
        resolve_torch_device("cuda")


@pytest.mark.parametrize("name", ["network.pt", "network.onnx"])
@pytest.mark.parametrize("load", [UltralyticsDetector, load_ultralytics_yolo_seg])
def test_a_changed_byte_is_refused_before_torch_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, load: Callable[..., object]
) -> None:
    weights = write_weights(tmp_path, b"some network", name=name, **DETECT, **SEGMENT)
    (tmp_path / name).write_bytes(b"same network")

    def never(folder: Path) -> None:
        raise AssertionError("it was not checked first")

    monkeypatch.setattr(ultralytics_backend, "import_ultralytics", never)
    settings = (DetectionSettings(),) if load is UltralyticsDetector else ()
    with pytest.raises(IntegrityError, match="nothing has parsed them"):
        load(weights, *settings, device="cpu", threads=1)
