import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transforms.errors import IntegrityError, SettingsError
from transforms.extract.segmentation.pphumanseg_paddle import PaddleHumanSegModel, choose_gpu
from transforms.weights.verified import Weights, WeightsFile

CONTRACT = {
    "input_width_px": 192,
    "input_height_px": 192,
    "mean": 0.5,
    "std": 0.5,
    "colour": "rgb",
    "person_channel": 1,
}


def paddle_for(*, cuda: bool, gpus: int) -> Any:
    return SimpleNamespace(
        __version__="3.2.2",
        device=SimpleNamespace(
            is_compiled_with_cuda=lambda: cuda, cuda=SimpleNamespace(device_count=lambda: gpus)
        ),
    )


@pytest.mark.parametrize(
    ("device", "cuda", "gpus", "expected"),
    [
        ("cpu", True, 1, False),
        ("auto", True, 1, True),
        ("auto", True, 0, False),
        ("auto", False, 0, False),
        ("cuda", True, 2, True),
    ],
)
def test_a_gpu_is_used_where_it_may_and_can_be(
    device: Any, cuda: bool, gpus: int, expected: bool
) -> None:
    assert choose_gpu(paddle_for(cuda=cuda, gpus=gpus), device) is expected


@pytest.mark.parametrize(("cuda", "found"), [(False, "for the CPU"), (True, "no GPU")])
def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(cuda: bool, found: str) -> None:
    with pytest.raises(SettingsError, match=rf"{found}.*paddlepaddle-gpu"):
        choose_gpu(paddle_for(cuda=cuda, gpus=0), "cuda")


def write_weights(folder: Path, program: bytes) -> Weights:
    contents = {"model.pdmodel": program, "model.pdiparams": b"\0" * 8}
    files = []
    for name, data in contents.items():
        (folder / name).write_bytes(data)
        files.append(WeightsFile(name, hashlib.sha256(data).hexdigest(), len(data)))
    return Weights("tiny", "paddle", "segment", tuple(files), folder, CONTRACT)


@pytest.mark.parametrize("program", [b"", b"{}", b"\0" * 64, b"hello"])
def test_what_would_crash_paddle_never_reaches_it(
    program: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paddle", None)  # an import would fail otherwise
    with pytest.raises(IntegrityError, match="no Paddle inference model"):
        PaddleHumanSegModel(write_weights(tmp_path, program), device="cpu", threads=1)


def test_changed_bytes_never_reach_paddle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddle", None)
    weights = write_weights(tmp_path, b"\nprogram")
    (tmp_path / "model.pdiparams").write_bytes(b"\0" * 9)
    with pytest.raises(IntegrityError, match="not the registered ones"):
        PaddleHumanSegModel(weights, device="cpu", threads=1)
