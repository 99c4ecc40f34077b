from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from transforms.errors import IntegrityError, SettingsError
from transforms.extract.protocols import PersonCrop
from transforms.extract.segmentation import pphumanseg
from transforms.extract.segmentation.pphumanseg import (
    HumanSegContract,
    OnnxHumanSegModel,
    prepare_crops,
    restore_crops,
)
from transforms.weights.verified import Weights

CONTRACT = {
    "family": "pphumanseg",
    "input_width_px": 48,
    "input_height_px": 48,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "colour": "rgb",
    "person_channel": 1,
}


def weights(**changes: Any) -> Weights:
    contract = {key: value for key, value in {**CONTRACT, **changes}.items() if value is not None}
    return Weights("tiny", "onnx", "segment", (), Path(), contract)


def contract(**changes: Any) -> HumanSegContract:
    return HumanSegContract.of(weights(**changes))


def crop(height: int, width: int, seed: int = 0) -> PersonCrop:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 4, 3), np.uint8)
    image = np.asarray(cv2.resize(coarse, (width, height)), np.uint8)
    return PersonCrop(image, (1.0, 1.0, width - 1.0, height - 1.0))


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_a_square_crop_is_scaled_and_normalised_as_published(colour: str) -> None:
    one = crop(48, 48)
    (planes,) = prepare_crops([one], contract(colour=colour))
    order = one.image[..., ::-1] if colour == "rgb" else one.image
    expected = (order.astype(np.float32) / 255 - 0.5) / 0.5
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes, expected.transpose(2, 0, 1), atol=1e-6)


def test_each_channel_has_its_own_mean_and_deviation() -> None:
    grey = PersonCrop(np.full((48, 48, 3), (51, 102, 153), np.uint8), (0, 0, 48, 48))
    (planes,) = prepare_crops([grey], contract(mean=[0.1, 0.2, 0.3], std=[1, 2, 4]))
    assert planes[:, 0, 0].tolist() == pytest.approx([0.5, 0.1, -0.025], abs=1e-6)
    (planes,) = prepare_crops([grey], contract(mean=0.2, std=0.5))
    assert planes[:, 0, 0].tolist() == pytest.approx([0.8, 0.4, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "size", "dark"),
    [
        (96, 48, (48, 48), (slice(0, 48), slice(12, 36))),
        (24, 48, (48, 48), (slice(12, 36), slice(0, 48))),
        (48, 48, (96, 48), (slice(0, 48), slice(24, 72))),
        (48, 96, (48, 48), (slice(12, 36), slice(0, 48))),
    ],
)
def test_crops_lie_undistorted_in_the_middle_of_white(
    height: int, width: int, size: tuple[int, int], dark: tuple[slice, slice]
) -> None:
    black = PersonCrop(np.zeros((height, width, 3), np.uint8), (0, 0, width, height))
    (planes,) = prepare_crops([black], contract(input_width_px=size[0], input_height_px=size[1]))
    expected = np.ones((3, size[1], size[0]), np.float32)
    expected[:, *dark] = -1
    np.testing.assert_array_equal(planes, expected)


@pytest.mark.parametrize(("height", "width"), [(200, 70), (70, 200), (96, 96), (31, 17), (1, 300)])
@pytest.mark.parametrize("size", [(48, 48), (64, 36)])
def test_what_is_found_comes_back_to_where_it_was(
    height: int, width: int, size: tuple[int, int]
) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    dark = (slice(height // 4, max(1, 3 * height // 4)), slice(width // 4, max(1, 3 * width // 4)))
    image[dark] = 0
    one = PersonCrop(image, (0, 0, width, height))
    shape = contract(input_width_px=size[0], input_height_px=size[1])
    tensor = prepare_crops([one], shape)
    darkness = (1 - tensor[:, :1]) / 2
    (found,) = restore_crops(np.concatenate([1 - darkness, darkness], axis=1), [one], shape, "tiny")
    assert found.shape == (height, width)
    assert found.dtype == np.uint8
    if height > 1:
        truth = image[..., 0] == 0
        overlap = ((found > 127) & truth).sum() / ((found > 127) | truth).sum()
        assert overlap > 0.85


def test_probabilities_are_rounded_to_the_nearest_level() -> None:
    one = crop(48, 48)
    output = np.zeros((1, 2, 48, 48), np.float32)
    output[0, 1] = 0.5
    output[0, 1, 0, 0] = 1.0004  # softmax sums up to a little more than 1
    (found,) = restore_crops(output, [one], contract(), "tiny")
    assert found[20, 20] == 128
    assert found[0, 0] == 255


@pytest.mark.parametrize(
    "output",
    [
        np.zeros((1, 1, 48, 48)),
        np.zeros((1, 2, 48, 47)),
        np.zeros((2, 2, 48, 48)),
        np.zeros((2, 48, 48)),
        np.full((1, 2, 48, 48), np.nan),
        np.full((1, 2, 48, 48), 4.2),  # logits
        np.full((1, 2, 48, 48), -0.5),
    ],
)
def test_an_output_that_is_no_probability_is_refused(output: np.ndarray) -> None:
    with pytest.raises(IntegrityError, match=r"tiny: .*contract says.*weights\.toml"):
        restore_crops(output.astype(np.float32), [crop(48, 48)], contract(), "tiny")


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": None},
        {"colour": "grey"},
        {"mean": [0.5, 0.5]},
        {"std": [0.5, 0.5, 0.0]},
        {"mean": "bright"},
        {"input_width_px": 0},
        {"input_height_px": None},
        {"person_channel": -1},
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"weights\.tiny\.contract"):
        contract(**changes)


class FakeOnnx:
    """Answers with the darkness of the first channel; fixed batches of two."""

    preferred_batch = 2

    def __init__(self, weights: Weights, *, providers: Any, threads: int) -> None:
        self.sizes: list[int] = []

    def run(self, tensor: np.ndarray) -> list[np.ndarray]:
        self.sizes.append(len(tensor))
        darkness = (1 - tensor[:, :1]) / 2
        return [np.concatenate([1 - darkness, darkness], axis=1)]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_number_of_crops_is_answered_in_order(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pphumanseg, "OnnxModel", FakeOnnx)
    model = OnnxHumanSegModel(weights(), providers=["CPUExecutionProvider"], threads=1)
    assert model.batch_size == 2
    crops = [crop(48, 48, seed) for seed in range(count)]
    found = model.predict(crops)
    assert len(found) == count
    for one, probability in zip(crops, found, strict=True):
        np.testing.assert_allclose(probability, 255 - one.image[..., 2].astype(int), atol=1)
