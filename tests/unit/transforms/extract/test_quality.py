import numpy as np
import pytest

from transforms.extract.protocols import MaskCrop
from transforms.extract.quality import (
    AREA_JUMP,
    INCOMPLETE_BODY,
    MASK_TOO_SMALL,
    TOUCHING_BORDER,
    judge_masks,
    judge_sequence,
)
from transforms.settings import QualitySettings

SHAPE = (200, 300)
SETTINGS = QualitySettings()


def crop(
    index: int, *, x0: int = 100, y0: int = 40, width: int = 30, height: int = 100
) -> MaskCrop:
    mask = np.full((height, width), 255, np.uint8)
    return MaskCrop(index, (x0, y0, x0 + width, y0 + height), mask, 0.9)


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (crop(10), None),
        (crop(10, width=10, height=10), MASK_TOO_SMALL),
        (crop(10, x0=0), TOUCHING_BORDER),
        (crop(10, x0=270), TOUCHING_BORDER),
        (crop(10, y0=0), TOUCHING_BORDER),
        (crop(10, y0=100), TOUCHING_BORDER),
        (crop(10, height=45), INCOMPLETE_BODY),
        (crop(10, width=60), AREA_JUMP),
        (crop(10, width=10), AREA_JUMP),
    ],
)
def test_an_odd_frame_is_dropped_for_its_reason_and_its_neighbours_stay(
    odd: MaskCrop, expected: str | None
) -> None:
    crops = [crop(index) for index in range(20)]
    crops[10] = odd
    reasons = judge_masks(crops, SHAPE, SETTINGS)
    assert reasons.pop(10) == expected
    assert reasons == [None] * 19


def test_a_mask_inside_a_crop_at_the_border_does_not_touch_it() -> None:
    mask = np.zeros((120, 50), np.uint8)
    mask[10:110, 10:40] = 255
    inside = MaskCrop(0, (0, 0, 50, 120), mask, 0.9)
    assert judge_masks([inside], SHAPE, SETTINGS) == [None]


def test_growing_steadily_is_no_jump() -> None:
    crops = [crop(i, width=20 + i, height=60 + 2 * i) for i in range(40)]
    assert judge_masks(crops, SHAPE, SETTINGS) == [None] * 40


def test_no_mask_is_judged_to_nothing() -> None:
    assert judge_masks([], SHAPE, SETTINGS) == []


@pytest.mark.parametrize(
    ("kept", "span", "expected"),
    [
        (60, 100, None),
        (19, 20, "too_few_frames"),
        (30, 100, "too_many_dropped"),
        (0, 0, "too_few_frames"),
    ],
)
def test_a_sequence_needs_enough_of_the_walk(kept: int, span: int, expected: str | None) -> None:
    verdict = judge_sequence(kept, span, 0.8, SETTINGS)
    assert verdict.reason_code == expected
    assert verdict.is_accepted == (expected is None)
    assert (verdict.reason is None) == (expected is None)
    assert verdict.quality_score == pytest.approx(0.8 * kept / span if span else 0)
