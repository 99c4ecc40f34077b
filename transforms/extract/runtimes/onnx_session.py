"""ONNX models through onnxruntime: which device runs them, with how many threads."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError, SettingsError
from transforms.settings import Device
from transforms.weights.verified import Weights

_GPU_BATCH: Final = 16
_CPU: Final = "CPUExecutionProvider"
_WANTED: Final[Mapping[str, tuple[str, ...]]] = {
    "auto": (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "OpenVINOExecutionProvider",
        _CPU,
    ),
    "cpu": ("OpenVINOExecutionProvider", _CPU),
    "cuda": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    # TF32 rounds to 10 bits, and a search by stopwatch picks other kernels from run to run.
    "CUDAExecutionProvider": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}
_ELEMENTS: Final[Mapping[str, type]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def resolve_providers(device: Device) -> tuple[str, ...]:
    """Return the execution providers of onnxruntime for a device, those to be preferred first.

    Only providers that the installed onnxruntime carries; whether a graphics card answers is known
    when a model is loaded.

    Raises:
        SettingsError: `cuda` is asked for and the installed onnxruntime has no such provider.
    """
    import onnxruntime

    there = onnxruntime.get_available_providers()
    found = tuple(name for name in _WANTED[device] if name in there)
    if not found:
        raise SettingsError(
            "the installed onnxruntime cannot use a graphics card",
            where="runtime.device",
            expected=" or ".join(_WANTED[device]),
            found=f"onnxruntime {onnxruntime.__version__} with {', '.join(there)}",
            fix=(
                "replace the package onnxruntime by onnxruntime-gpu "
                "(never both), or set runtime.device to cpu"
            ),
        )
    return found


class OnnxModel:
    """One loaded model, called with one array and answering with its outputs.

    Attributes:
        name: of the weights, for messages.
        input_shape: as the file says; a text or None where an axis is free.
        outputs: the names of the outputs.
        provider: the execution provider that really runs the model.
        metadata: what the exporting program wrote into the file.
    """

    def __init__(self, weights: Weights, *, providers: Sequence[str], threads: int) -> None:
        """Load verified weights.

        Raises:
            MissingDependencyError: the weights are not there.
            IntegrityError: they are not the registered ones, or onnxruntime cannot load them.
            SettingsError: only a graphics card is allowed, and none answers.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads of one worker would steal the cores of the next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        self.name = weights.name
        self._session = _open_session(weights, options, tuple(providers))
        self.provider: str = self._session.get_providers()[0]
        first, *more = self._session.get_inputs()
        if more or first.type not in _ELEMENTS:
            raise IntegrityError(
                "a model that does not take one array of pictures",
                where=weights.name,
                expected="one input of " + " or ".join(_ELEMENTS),
                found=", ".join(f"{item.name}: {item.type}" for item in (first, *more)),
                fix="choose weights that were exported for pictures",
            )
        self._input: str = first.name
        self._element = _ELEMENTS[first.type]
        self.input_shape: tuple[Any, ...] = tuple(first.shape)  # `Any`: see the class
        self.outputs: tuple[str, ...] = tuple(item.name for item in self._session.get_outputs())
        metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.metadata = dict(metadata)

    @property
    def batch_size(self) -> int | None:
        """The fixed number of pictures the model takes at once; None: any number."""
        size = self.input_shape[0]
        return size if isinstance(size, int) else None

    @property
    def preferred_batch(self) -> int:
        """The number of pictures at once that pays off on the device that runs the model."""
        # On a CPU a larger batch is not faster (measured) and only holds more frames.
        return self.batch_size or (_GPU_BATCH if self.provider in _WANTED["cuda"] else 1)

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the model's outputs for one input array, batch first.

        A model with a fixed batch gets fewer pictures filled up with zeros and answers for those
        that are there.

        Raises:
            IntegrityError: onnxruntime fails on it.
        """
        count = len(tensor)
        missing = (self.batch_size or count) - count
        if missing > 0:
            tensor = np.concatenate([tensor, np.zeros((missing, *tensor.shape[1:]), tensor.dtype)])
        # Copies are made only for models in half precision. `Any`: float16 or float32.
        fed: dict[str, NDArray[Any]] = {self._input: tensor.astype(self._element, copy=False)}
        found: list[NDArray[Any]]
        try:
            found = self._session.run(None, fed)
        except Exception as error:  # onnxruntime's errors have no common ancestor of their own
            raise IntegrityError(
                "onnxruntime cannot run the model",
                where=self.name,
                expected=f"an input like {self.input_shape}",
                found=f"{tensor.shape}: {str(error).strip()[:300]}",
                fix="correct `contract` of this entry in weights.toml, or export the model anew",
            ) from error
        return [item[:count].astype(np.float32, copy=False) for item in found]


def _open_session(weights: Weights, options: Any, providers: tuple[str, ...]) -> Any:
    # `Any`: onnxruntime has no types.
    import onnxruntime

    data = weights.read(".onnx")
    wanted = [(name, dict(_OPTIONS.get(name, {}))) for name in providers]
    while True:
        try:
            # Its own fallback goes to the CPU behind the user's back.
            session = onnxruntime.InferenceSession(
                data, options, providers=wanted, enable_fallback=0
            )
        except Exception as error:  # onnxruntime's errors have no common ancestor of their own
            if len(wanted) > 1:  # a provider whose libraries are missing; the next one may do
                wanted = wanted[1:]
                continue
            raise IntegrityError(
                "onnxruntime cannot load the model",
                where=weights.name,
                found=f"{type(error).__name__}: {str(error).strip()[:300]}",
                fix="export the model anew, for this version of onnxruntime",
            ) from error
        used = session.get_providers()
        if used[0] not in providers:
            raise SettingsError(
                "no graphics card answers",
                where="runtime.device",
                expected=" or ".join(providers),
                found=", ".join(used),
                fix="look at the driver and the CUDA libraries, or set runtime.device to cpu",
            )
        return session
