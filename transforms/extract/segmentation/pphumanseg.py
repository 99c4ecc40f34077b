"""PP-HumanSeg: from crops to what the network sees and back, and the network through onnxruntime.

The same network through Paddle: `transforms.extract.segmentation.pphumanseg_paddle`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError, SettingsError
from transforms.extract.arrays import as_uint8
from transforms.extract.protocols import PersonCrop
from transforms.extract.runtimes.onnx_session import OnnxModel
from transforms.settings import Surroundings
from transforms.weights.verified import Weights

_WHITE: Final = (255, 255, 255)
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class HumanSegContract:
    """What goes into the network and what comes out."""

    width_px: int
    height_px: int
    tables: tuple[NDArray[np.float32], ...]  # per input channel, by grey level: (256,)
    bgr_channels: tuple[int, ...]  # which channel of a BGR picture each input channel is
    person_channel: int

    @classmethod
    def of(cls, weights: Weights) -> "HumanSegContract":
        """Read the contract of a registry entry.

        Raises:
            SettingsError: a key is missing or its value is not allowed.
        """
        contract = weights.contract
        try:
            colour = str(contract["colour"])
            channels = {"rgb": (2, 1, 0), "bgr": (0, 1, 2)}[colour]
            mean, std = (
                np.broadcast_to(np.asarray(contract[key], dtype=np.float32), (3,))
                for key in ("mean", "std")
            )
            if not (np.isfinite(mean).all() and (std > 0).all()):
                raise ValueError("no scale")
            grey = np.arange(256, dtype=np.float32) / np.float32(255)
            tables = tuple((grey - mean[i]) / std[i] for i in range(3))
            size = int(contract["input_width_px"]), int(contract["input_height_px"])
            person_channel = int(contract["person_channel"])
        except (KeyError, TypeError, ValueError) as error:
            raise _bad_contract(weights, contract) from error
        if min(size) < 1 or person_channel < 0:
            raise _bad_contract(weights, contract)
        return cls(*size, tables, channels, person_channel)


class OnnxHumanSegModel:
    """PP-HumanSeg through onnxruntime; see `ProbabilityModel`."""

    def __init__(
        self,
        weights: Weights,
        *,
        providers: Sequence[str],
        threads: int,
        surroundings: Surroundings = "white",
    ) -> None:
        """Load verified weights.

        Raises:
            MissingDependencyError: the weights are not there.
            IntegrityError: they are not the registered ones, or onnxruntime cannot load them.
            SettingsError: their contract is not allowed, or no device that may be used answers.
        """
        self._contract = HumanSegContract.of(weights)
        self._name = weights.name
        self._model = OnnxModel(weights, providers=providers, threads=threads)
        self._surroundings = surroundings

    @property
    def batch_size(self) -> int:
        """How many crops the model likes to get at once."""
        return self._model.preferred_batch

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        """Return how much the network wants to see around a crop; see `view_size`."""
        return view_size(height, width, self._contract, self._surroundings)

    def predict(self, crops: Sequence[PersonCrop]) -> list[NDArray[np.uint8]]:
        """Return per crop `(height, width)` uint8, 0 for surely not, 255 for surely the person.

        Raises:
            IntegrityError: the network's output is not what its contract says.
        """
        found: list[NDArray[np.uint8]] = []
        for part in _chunks(crops, self.batch_size):
            output = self._model.run(prepare_crops(part, self._contract))[0]
            found += restore_crops(output, part, self._contract, self._name)
        return found


def view_size(
    height: int, width: int, contract: HumanSegContract, surroundings: Surroundings
) -> tuple[int, int]:
    """Return the height and width of the picture that a crop is shown with.

    Nothing more in white surroundings; in those of the scene, what fills the input's shape.
    """
    if surroundings == "white":
        return height, width
    top, bottom, left, right = _padding(height, width, contract)
    return top + height + bottom, left + width + right


def prepare_crops(crops: Sequence[PersonCrop], contract: HumanSegContract) -> NDArray[np.float32]:
    """Return crops as the network takes them: `(crop, channel, height, width)` float32.

    As published with the network's use in gait recognition: centred in white of the input's shape,
    then scaled linearly.

    Args:
        crops: at least one.
        contract: size, channels and scale.
    """
    size = (contract.width_px, contract.height_px)
    tensor = np.empty((len(crops), 3, size[1], size[0]), dtype=np.float32)
    for planes, crop in zip(tensor, crops, strict=True):
        height, width = crop.image.shape[:2]
        top, bottom, left, right = _padding(height, width, contract)
        square = cv2.copyMakeBorder(
            crop.image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=_WHITE
        )
        small = cv2.resize(square, size, interpolation=cv2.INTER_LINEAR)
        for plane, channel, table in zip(
            planes, contract.bgr_channels, contract.tables, strict=True
        ):
            plane[...] = cv2.LUT(cv2.extractChannel(small, channel), table)
    return tensor


def restore_crops(
    output: NDArray[np.float32],
    crops: Sequence[PersonCrop],
    contract: HumanSegContract,
    model_name: str,
) -> list[NDArray[np.uint8]]:
    """Return the person's probability in the pixels of each crop; the way back of `prepare_crops`.

    Args:
        output: `(crop, class, height, width)` float32 [0, 1].
        crops: what went in.
        contract: which class is the person.
        model_name: for the error.

    Raises:
        IntegrityError: the output has another shape or does not hold probabilities.
    """
    size = (contract.height_px, contract.width_px)
    shape = output.shape
    if (
        len(shape) != 4
        or shape[0] != len(crops)
        or shape[1] <= contract.person_channel
        or shape[2:] != size
    ):
        expected = f"({len(crops)}, over {contract.person_channel}, {size[0]}, {size[1]})"
        raise _bad_output(model_name, expected, shape)
    person = output[:, contract.person_channel]
    low, high = float(person.min()), float(person.max())
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):  # also where they are not numbers
        raise _bad_output(model_name, "probabilities from 0 to 1", f"{low:.3g} to {high:.3g}")
    levels = np.rint(np.clip(person, 0, 1) * np.float32(255)).astype(np.uint8)
    return [_restore(plane, crop, contract) for plane, crop in zip(levels, crops, strict=True)]


def _restore(
    plane: NDArray[np.uint8], crop: PersonCrop, contract: HumanSegContract
) -> NDArray[np.uint8]:
    height, width = crop.image.shape[:2]
    top, bottom, left, right = _padding(height, width, contract)
    whole = (left + width + right, top + height + bottom)
    square = as_uint8(cv2.resize(plane, whole, interpolation=cv2.INTER_LINEAR))
    # A copy: a view would hold the padding as well.
    return square[top : top + height, left : left + width].copy()


def _padding(height: int, width: int, contract: HumanSegContract) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the white that gives a crop the input's shape."""
    aspect = contract.width_px / contract.height_px
    full_width = max(width, round(height * aspect))
    full_height = max(height, round(width / aspect))
    top, left = (full_height - height) // 2, (full_width - width) // 2
    return top, full_height - height - top, left, full_width - width - left


def _chunks(crops: Sequence[PersonCrop], size: int) -> Iterator[Sequence[PersonCrop]]:
    for start in range(0, len(crops), size):
        yield crops[start : start + size]


def _bad_contract(weights: Weights, contract: Mapping[str, Any]) -> SettingsError:
    # `Any`: numbers, texts and lists of a TOML table.
    return SettingsError(
        "an input contract that PP-HumanSeg cannot be run with",
        where=f"weights.toml, weights.{weights.name}.contract",
        expected=(
            "input_width_px, input_height_px, mean and std (a number or three), "
            "colour (rgb or bgr), person_channel"
        ),
        found=dict(contract),
    )


def _bad_output(model_name: str, expected: str, found: object) -> IntegrityError:
    return IntegrityError(
        "the network's output is not what its contract says",
        where=model_name,
        expected=expected,
        found=found,
        fix="check `contract` of this entry in weights.toml",
    )
