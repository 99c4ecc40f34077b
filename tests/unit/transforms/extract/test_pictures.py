"""A picture held in colour and one as codecs store it give the same answers."""

import cv2
import numpy as np
import pytest

from transforms.extract.colours import BGR, MATRICES
from transforms.extract.pictures import (
    ColourPicture,
    Picture,
    PlanarPicture,
    read_stored,
    stored_bytes,
)

SHAPE = (24, 36)
REGIONS = [
    (slice(None), slice(None)),
    (slice(0, 24), slice(0, 36)),
    (slice(3, 10), slice(5, 6)),
    (slice(23, 24), slice(35, 36)),
    (slice(4, 20), slice(7, 31)),
    (slice(1, 23, 3), slice(2, 36, 5)),
    (slice(1, None, 3), slice(0, None, 1)),
    (slice(5, 5), slice(0, 9)),
]


def store(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, stored_bytes(SHAPE, "bt601_studio"), dtype=np.uint8)


def expand(stored: np.ndarray, colours: str) -> np.ndarray:
    """Return BGR by the definition, pixel by pixel."""
    height, width = SHAPE
    area = height * width
    whole = stored[:area].reshape(SHAPE)
    halves = stored[area:].reshape(2, height // 2, width // 2)
    pixels = np.empty((*SHAPE, 3))
    for row in range(height):
        for column in range(width):
            numbers = [whole[row, column], *halves[:, row // 2, column // 2], 1]
            pixels[row, column] = MATRICES[colours] @ np.array(numbers, dtype=float)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colours", MATRICES)
def test_stored_planes_are_read_by_their_definition(colours: str) -> None:
    stored = store(1)
    picture = read_stored(stored, SHAPE, colours)
    expected = expand(stored, colours)
    assert picture.shape == SHAPE
    assert picture.nbytes == len(stored)
    for region in REGIONS:
        found = picture.colour(region)
        assert found.shape == expected[region].shape
        assert np.abs(found.astype(int) - expected[region]).max(initial=0) <= 1


@pytest.mark.parametrize(
    ("colours", "white", "black"),
    [("bt601_studio", 235, 16), ("bt709_studio", 235, 16), ("bt601_full", 255, 0)],
)
def test_white_and_black_are_white_and_black(colours: str, white: int, black: int) -> None:
    for level, expected in ((white, 255), (black, 0)):
        stored = np.full(stored_bytes((2, 2), colours), 128, np.uint8)
        stored[:4] = level
        picture = read_stored(stored, (2, 2), colours)
        assert (picture.colour() == expected).all()
        assert (picture.grey() == expected).all()


def test_the_primaries_of_both_standards() -> None:
    # Published levels of saturated red: 81, 90, 240 and 63, 102, 240.
    for colours, levels in (("bt601_studio", (81, 90, 240)), ("bt709_studio", (63, 102, 240))):
        stored = np.repeat(np.array(levels, np.uint8), [4, 1, 1])
        found = read_stored(stored, (2, 2), colours).colour()[0, 0].tolist()
        assert found == pytest.approx((0, 0, 255), abs=2)


def smooth_scene() -> tuple[Picture, Picture]:
    coarse = np.random.default_rng(3).integers(60, 190, (4, 6, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (360, 240), interpolation=cv2.INTER_CUBIC)
    planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).ravel()
    return ColourPicture(image), read_stored(planes, (240, 360), "bt601_studio")


def test_both_kinds_agree_on_a_smooth_scene() -> None:
    held, stored = smooth_scene()
    for region in ((slice(None), slice(None)), (slice(31, 200), slice(17, 301))):
        np.testing.assert_allclose(held.colour(region), stored.colour(region).astype(int), atol=6)
        np.testing.assert_allclose(held.grey(region), stored.grey(region).astype(int), atol=2)
    for interpolation in (cv2.INTER_LINEAR, cv2.INTER_AREA):
        small = held.scaled(60, 91, interpolation)
        assert small.shape == (60, 91, 3)
        np.testing.assert_allclose(small, stored.scaled(60, 91, interpolation).astype(int), atol=6)


@pytest.mark.parametrize("region", REGIONS)
def test_grey_is_of_the_region(region: tuple[slice, slice]) -> None:
    stored = read_stored(store(2), SHAPE, "bt601_full")
    for picture in (stored, ColourPicture(stored.colour())):
        np.testing.assert_array_equal(picture.grey(region), picture.grey()[region])


def test_planes_may_lie_in_memory_in_any_way() -> None:
    brightness, blue, red = read_stored(store(3), SHAPE, "bt601_full").planes
    planes = (brightness.T, blue.T, red.T)
    turned = PlanarPicture(planes, "bt601_full")
    copied = PlanarPicture(tuple(plane.copy() for plane in planes), "bt601_full")
    for region in ((slice(None), slice(None)), (slice(3, 30), slice(5, 16))):
        np.testing.assert_array_equal(turned.colour(region), copied.colour(region))
        np.testing.assert_array_equal(turned.grey(region), copied.grey(region))
    small = turned.scaled(9, 7, cv2.INTER_AREA)
    np.testing.assert_array_equal(small, copied.scaled(9, 7, cv2.INTER_AREA))


def test_answers_belong_to_who_asks() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    held = read_stored(pixels.ravel(), (4, 4), BGR)
    held.colour()[...] = 9
    held.colour((slice(0, 2), slice(0, 2)))[...] = 9
    assert not pixels.any()
