"""PP-HumanSeg through Paddle Inference, the runtime it was published with.

What goes in and what comes out is as in `transforms.extract.segmentation.pphumanseg`.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError, SettingsError
from transforms.extract.protocols import PersonCrop
from transforms.extract.segmentation.pphumanseg import (
    HumanSegContract,
    prepare_crops,
    restore_crops,
    view_size,
)
from transforms.settings import Device, Surroundings
from transforms.weights.verified import Weights

_GPU_BATCH: Final = 16
_GPU_POOL_MIB: Final = 256
_PROGRAM_START: Final = b"\n"
"""A ProgramDesc's first field, its blocks; on anything else Paddle 3.2 crashes the process."""


class PaddleHumanSegModel:
    """PP-HumanSeg through Paddle Inference; see `ProbabilityModel`."""

    def __init__(
        self,
        weights: Weights,
        *,
        device: Device,
        threads: int,
        surroundings: Surroundings = "white",
    ) -> None:
        """Load verified weights.

        Raises:
            MissingDependencyError: the weights are not there.
            IntegrityError: they are not the registered ones, or Paddle cannot load them.
            SettingsError: their contract is not allowed, or `cuda` is asked for and not there.
        """
        self._contract = HumanSegContract.of(weights)
        self._name = weights.name
        self._surroundings = surroundings
        program, parameters = weights.read(".pdmodel"), weights.read(".pdiparams")
        if not program.startswith(_PROGRAM_START):
            raise IntegrityError(
                "this is no Paddle inference model",
                where=weights.name,
                expected="a program of blocks, as `paddle.jit.save` wrote them up to Paddle 2",
                fix="register the `.pdmodel` and `.pdiparams` of an inference model",
            )
        paddle = import_paddle()
        is_gpu = choose_gpu(paddle, device)
        config = paddle.inference.Config()
        config.set_model_buffer(program, len(program), parameters, len(parameters))
        config.disable_glog_info()
        if is_gpu:
            config.enable_use_gpu(_GPU_POOL_MIB, 0)
        else:
            config.disable_gpu()
            config.enable_mkldnn()
            config.set_cpu_math_library_num_threads(threads)
        config.enable_memory_optim()
        try:
            self._predictor: Any = paddle.inference.create_predictor(config)
            (input_name,) = self._predictor.get_input_names()
            output_name = self._predictor.get_output_names()[0]
        except Exception as error:  # Paddle's own errors share no base but this one
            raise IntegrityError(
                "Paddle cannot load these weights", where=weights.name, found=_last_line(error)
            ) from error
        self._input: Any = self._predictor.get_input_handle(input_name)
        self._output: Any = self._predictor.get_output_handle(output_name)
        # On a CPU a larger batch is not faster (measured) and only holds more frames.
        self._batch_size = _GPU_BATCH if is_gpu else 1

    @property
    def batch_size(self) -> int:
        """How many crops the model likes to get at once."""
        return self._batch_size

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        """Return how much the network wants to see around a crop; see `view_size`."""
        return view_size(height, width, self._contract, self._surroundings)

    def predict(self, crops: Sequence[PersonCrop]) -> list[NDArray[np.uint8]]:
        """Return per crop `(height, width)` uint8, 0 for surely not, 255 for surely the person.

        Raises:
            IntegrityError: the network's output is not what its contract says.
        """
        if not crops:
            return []
        self._input.copy_from_cpu(prepare_crops(crops, self._contract))
        self._predictor.run()
        output: NDArray[np.float32] = self._output.copy_to_cpu()
        return restore_crops(output, crops, self._contract, self._name)


def import_paddle() -> Any:
    """Import Paddle without its warnings and without its signal handlers."""
    # `Any`: Paddle carries no types.
    with warnings.catch_warnings():
        # It looks for ccache, which only its C++ extensions need.
        warnings.simplefilter("ignore")
        import paddle
        import paddle.inference

    # Else a worker that is asked to stop prints a crash report.
    paddle.disable_signal_handler()
    return paddle


def choose_gpu(paddle: Any, device: Device) -> bool:
    """Say whether a GPU is to be used; `paddle` is the module.

    Raises:
        SettingsError: `cuda` is asked for and this Paddle cannot use it.
    """
    # `Any`: see `import_paddle`.
    if device == "cpu":
        return False
    is_usable = paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if device == "cuda" and not is_usable:
        raise SettingsError(
            "Paddle cannot use a GPU here",
            where="runtime.device",
            expected="a Paddle built for CUDA and a GPU that it sees",
            found=f"paddle {paddle.__version__} for the CPU"
            if not paddle.device.is_compiled_with_cuda()
            else "no GPU",
            fix="set runtime.device to auto or cpu, or install paddlepaddle-gpu",
        )
    return bool(is_usable)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
