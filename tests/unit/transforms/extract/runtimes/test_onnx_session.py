from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.transforms.extract.runtimes.onnx_files import (
    HALF,
    constant_model,
    echo_model,
    write_weights,
)
from transforms.errors import IntegrityError, MissingDependencyError, SettingsError
from transforms.extract.runtimes.onnx_session import OnnxModel, resolve_providers
from transforms.weights.verified import Weights

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

CPU = ("CPUExecutionProvider",)


def load(weights: Weights, providers: tuple[str, ...] = CPU) -> OnnxModel:
    return OnnxModel(weights, providers=providers, threads=1)


@pytest.mark.parametrize(
    ("device", "there", "expected"),
    [
        ("auto", ["CPU", "CUDA", "Tensorrt"], ["Tensorrt", "CUDA", "CPU"]),
        ("auto", ["Azure", "CPU"], ["CPU"]),
        ("cpu", ["CUDA", "CPU", "OpenVINO"], ["OpenVINO", "CPU"]),
        ("cpu", ["CUDA", "CPU"], ["CPU"]),
        ("cuda", ["CPU", "CUDA"], ["CUDA"]),
    ],
)
def test_providers_are_those_that_are_there_in_order_of_preference(
    monkeypatch: pytest.MonkeyPatch, device: str, there: list[str], expected: list[str]
) -> None:
    names = [f"{name}ExecutionProvider" for name in there]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    assert resolve_providers(device) == tuple(f"{name}ExecutionProvider" for name in expected)


def test_cuda_that_the_package_cannot_use_is_refused_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(CPU))
    with pytest.raises(SettingsError, match=r"CPUExecutionProvider.*onnxruntime-gpu"):
        resolve_providers("cuda")


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_a_session_that_lands_on_the_cpu_is_refused_where_only_cuda_is_wanted(
    tmp_path: Path,
) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    weights = write_weights(tmp_path, echo_model((1, 3, 2, 2)))
    with pytest.raises(SettingsError, match="no graphics card answers"):
        load(weights, ("CUDAExecutionProvider",))


def test_the_next_provider_serves_where_the_first_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = onnxruntime.InferenceSession

    def open_without_cuda(*arguments: Any, providers: list[tuple[str, Any]], **more: Any) -> Any:
        if providers[0][0] == "CUDAExecutionProvider":
            raise RuntimeError("libcudnn.so.9 is not there")
        return session(*arguments, providers=providers, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_without_cuda)
    weights = write_weights(tmp_path, echo_model((1, 3, 2, 2)))
    model = load(weights, ("CUDAExecutionProvider", *CPU))
    assert model.provider == "CPUExecutionProvider"
    assert model.preferred_batch == 1


def test_a_model_says_what_it_takes_and_answers(tmp_path: Path) -> None:
    model = load(
        write_weights(tmp_path, constant_model(("n", 3, 4, "w"), [np.ones((1, 6), np.float32)],
                                               names="{0: 'person'}"))
    )  # fmt: skip
    assert model.input_shape == ("n", 3, 4, "w")
    assert model.batch_size is None
    assert model.outputs == ("output0",)
    assert model.metadata == {"names": "{0: 'person'}"}
    assert model.run(np.zeros((1, 3, 4, 4), np.float32))[0].tolist() == [[1.0] * 6]


def test_a_fixed_batch_is_filled_up_and_cut_off_again(tmp_path: Path) -> None:
    model = load(write_weights(tmp_path, echo_model((4, 3, 2, 2))))
    assert model.batch_size == model.preferred_batch == 4
    pictures = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)
    (answer,) = model.run(pictures)
    assert np.array_equal(answer, pictures)


def test_half_precision_is_fed_and_given_back_as_floats(tmp_path: Path) -> None:
    model = load(write_weights(tmp_path, echo_model((1, 3, 1, 1), element=HALF)))
    (answer,) = model.run(np.full((1, 3, 1, 1), 0.1, np.float32))
    assert answer.dtype == np.float32
    assert answer.ravel().tolist() == [float(np.float16(0.1))] * 3


def test_a_changed_byte_is_refused_before_anybody_parses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = write_weights(tmp_path, echo_model((1, 3, 2, 2)))
    path = tmp_path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    monkeypatch.delattr(onnxruntime, "InferenceSession")
    with pytest.raises(IntegrityError, match="nothing has parsed them"):
        load(weights)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    weights = write_weights(tmp_path, echo_model((1, 3, 2, 2)))
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(MissingDependencyError, match="weights fetch tiny"):
        load(weights)


@pytest.mark.parametrize("data", [b"", b"no model", echo_model((1, 3, 2, 2))[:-20]])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot load the model"):
        load(write_weights(tmp_path, data))


def test_a_model_of_two_inputs_is_refused(tmp_path: Path) -> None:
    data = echo_model((1, 3, 2, 2), inputs=("images", "sizes"))
    with pytest.raises(IntegrityError, match=r"one input.*images: .*, sizes: "):
        load(write_weights(tmp_path, data))


def test_an_input_of_another_shape_is_refused_with_both(tmp_path: Path) -> None:
    model = load(write_weights(tmp_path, echo_model((1, 3, 2, 2))))
    with pytest.raises(IntegrityError, match=r"\(1, 3, 2, 2\).*\(1, 3, 2, 3\)"):
        model.run(np.zeros((1, 3, 2, 3), np.float32))
