from dataclasses import replace

import cv2
import numpy as np
import pytest

from transforms.extract.protocols import MaskCrop
from transforms.extract.quality.frame_gates import (
    AREA_JUMP,
    ASPECT_JUMP,
    BLURRED,
    FEET_CUT_OFF,
    HEAD_CUT_OFF,
    INCOMPLETE_BODY,
    LOW_CONFIDENCE,
    MASK_TOO_SMALL,
    TOUCHING_SIDE,
    judge_masks,
    measure_sharpness,
)
from transforms.settings import QualitySettings

SHAPE = (200, 300)
SETTINGS = QualitySettings()


def crop(
    index: int, *, x0: int = 100, y0: int = 40, width: int = 30, height: int = 100
) -> MaskCrop:
    mask = np.full((height, width), 255, np.uint8)
    return MaskCrop(index, (x0, y0, x0 + width, y0 + height), mask, 0.9)


def with_arm(index: int) -> MaskCrop:
    """A body as large as the others that is twice as wide at one height."""
    mask = np.zeros((100, 60), np.uint8)
    mask[:, :28] = 255
    mask[40:46] = 255
    return MaskCrop(index, (100, 40, 160, 140), mask, 0.9)


def judge(crops: list[MaskCrop], sharpness: list[float] | None = None) -> list[str | None]:
    sharp = np.array(sharpness if sharpness is not None else [1.0] * len(crops), np.float32)
    return judge_masks(crops, SHAPE, sharp, SETTINGS)


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (crop(10), None),
        (crop(10, width=10, height=10), MASK_TOO_SMALL),
        (crop(10, x0=0), TOUCHING_SIDE),
        (crop(10, x0=270), TOUCHING_SIDE),
        (crop(10, y0=0), HEAD_CUT_OFF),
        (crop(10, y0=100), FEET_CUT_OFF),
        (crop(10, x0=0, y0=100), FEET_CUT_OFF),
        (crop(10, width=10, height=10, y0=190), MASK_TOO_SMALL),
        (replace(crop(10), confidence=0.1), LOW_CONFIDENCE),
        (replace(crop(10), confidence=float("nan")), LOW_CONFIDENCE),
        (crop(10, height=65), INCOMPLETE_BODY),
        (crop(10, height=75), None),
        (crop(10, width=60), AREA_JUMP),
        (crop(10, width=10), AREA_JUMP),
        (with_arm(10), ASPECT_JUMP),
    ],
)
def test_an_odd_frame_is_dropped_for_its_reason_and_its_neighbours_stay(
    odd: MaskCrop, expected: str | None
) -> None:
    crops = [crop(index) for index in range(20)]
    crops[10] = odd
    reasons = judge(crops)
    assert reasons.pop(10) == expected
    assert reasons == [None] * 19


def test_a_mask_inside_a_crop_at_the_border_does_not_touch_it() -> None:
    mask = np.zeros((120, 50), np.uint8)
    mask[10:110, 10:40] = 255
    assert judge([MaskCrop(0, (0, 0, 50, 120), mask, 0.9)]) == [None]


def test_growing_steadily_is_no_jump() -> None:
    assert judge([crop(i, width=20 + i, height=60 + 2 * i) for i in range(40)]) == [None] * 40


def test_legs_that_open_and_close_are_no_jump() -> None:
    widths = [round(45 + 15 * np.sin(2 * np.pi * i / 12)) for i in range(40)]
    assert judge([crop(i, width=width) for i, width in enumerate(widths)]) == [None] * 40


def test_cut_off_frames_do_not_tell_how_high_the_body_usually_is() -> None:
    cut = [crop(i, y0=150, height=50) for i in range(20)]
    whole = [crop(i) for i in range(20, 30)]
    assert judge(cut + whole) == [FEET_CUT_OFF] * 20 + [None] * 10


def test_a_blurred_stretch_is_dropped_and_unmeasured_frames_are_not() -> None:
    sharpness = [0.5] * 30 + [0.05] * 5 + [0.2] * 4 + [float("nan")]
    expected = [None] * 30 + [BLURRED] * 5 + [None] * 5
    assert judge([crop(i) for i in range(40)], sharpness) == expected


def test_unmeasured_sharpness_drops_nothing() -> None:
    assert judge([crop(0), crop(1)], [float("nan")] * 2) == [None, None]


def test_no_mask_is_judged_to_nothing() -> None:
    assert judge([]) == []


def scene() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 210, (64, 32), dtype=np.uint8)
    return cv2.resize(coarse, (128, 256), interpolation=cv2.INTER_NEAREST)


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    image = scene()
    sharp = measure_sharpness(image)
    dim = measure_sharpness((image * 0.4).astype(np.uint8))
    blurs = [measure_sharpness(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (2, 4, 8)]
    assert dim == pytest.approx(sharp, rel=0.05)
    assert sharp > 3 * blurs[0] > 6 * blurs[1] > 0
    assert blurs[2] < 0.01 * sharp


def test_sharpness_does_not_depend_on_how_near_the_person_is() -> None:
    image = scene()
    near = cv2.resize(image, (512, 1024), interpolation=cv2.INTER_CUBIC)
    assert measure_sharpness(near) == pytest.approx(measure_sharpness(image), rel=0.1)


@pytest.mark.parametrize("shape", [(0, 10), (10, 0), (1, 1), (300, 1), (40, 30)])
def test_a_crop_without_contrast_has_no_sharpness(shape: tuple[int, int]) -> None:
    assert measure_sharpness(np.full(shape, 90, np.uint8)) == 0.0
