import numpy as np
import pytest

from transforms.near_duplicates.pictures import (
    HALF_SIZE,
    PICTURE_COLUMNS,
    PICTURE_ROWS,
    shrink_frames,
    split_halves,
)


def draw_figure(left: int = 18, top: int = 2) -> np.ndarray:
    frame = np.zeros((1, 64, 44), dtype=np.uint8)
    frame[0, top : top + 10, left + 2 : left + 7] = 255
    frame[0, top + 10 : top + 55, left : left + 9] = 255
    frame[0, top + 20 : top + 40, left + 9 : left + 12] = 255
    return frame


def test_a_picture_covers_the_figure_and_stays_between_none_and_full() -> None:
    picture = shrink_frames(draw_figure())
    assert picture.shape == (1, PICTURE_ROWS, PICTURE_COLUMNS)
    assert picture.min() >= -1e-6
    assert picture.max() <= 1 + 1e-6
    cell_px = 55 / (PICTURE_ROWS - 2)
    mass_px = draw_figure().sum() / 255  # the tails of the mass make the cells a bit smaller
    assert picture.sum() * cell_px**2 == pytest.approx(mass_px, rel=0.1)


@pytest.mark.parametrize(("left", "top"), [(14, 2), (22, 5), (18, 8)])
def test_where_the_figure_stands_makes_no_difference(left: int, top: int) -> None:
    moved = shrink_frames(draw_figure(left, top))
    np.testing.assert_allclose(moved, shrink_frames(draw_figure()), atol=1e-5)


def test_size_makes_no_difference() -> None:
    double = draw_figure().repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(shrink_frames(double), shrink_frames(draw_figure()), atol=1e-5)


def test_mirroring_keeps_one_half_and_turns_the_other_round() -> None:
    even, odd = split_halves(shrink_frames(draw_figure()))
    even_mirrored, odd_mirrored = split_halves(shrink_frames(draw_figure()[:, :, ::-1]))
    assert even.shape == odd.shape == (1, HALF_SIZE)
    assert np.abs(odd).max() > 0.1
    np.testing.assert_allclose(even_mirrored, even, atol=1e-5)
    np.testing.assert_allclose(odd_mirrored, -odd, atol=1e-5)


def test_empty_frames_and_sequences_give_empty_pictures() -> None:
    assert not shrink_frames(np.zeros((2, 64, 44), dtype=np.uint8)).any()
    assert shrink_frames(np.zeros((0, 64, 44), dtype=np.uint8)).shape[0] == 0
