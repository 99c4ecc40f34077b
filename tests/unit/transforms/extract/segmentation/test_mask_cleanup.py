import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.extract.segmentation.mask_cleanup import (
    clear_neighbours,
    coarse_step,
    enlarge_blocks,
    grow_box,
    keep_own_component,
    keep_own_component_coarsely,
    keep_person,
    shift_box,
)

KEEPERS = [keep_own_component, keep_own_component_coarsely]


def blank(height: int = 120, width: int = 60) -> np.ndarray:
    return np.zeros((height, width), np.uint8)


def test_a_crack_between_clothes_is_closed_but_not_the_space_between_legs() -> None:
    mask = blank()
    mask[10:110, 15:45] = 255
    mask[50, 15:45] = 0
    mask[70:110, 26:34] = 0
    kept = keep_person(mask, (10, 5, 50, 115), ())
    assert kept[50, 30] == 255
    assert not kept[90, 28:32].any()


def test_a_speck_is_filled_but_not_the_space_between_arm_and_trunk() -> None:
    mask = blank()
    mask[10:110, 10:50] = 255
    mask[40:43, 30:33] = 0
    mask[30:60, 16:24] = 0
    kept = keep_person(mask, (8, 8, 52, 112), ())
    assert kept[41, 31] == 255
    assert not kept[33:57, 18:22].any()


@pytest.mark.parametrize("keep", KEEPERS)
def test_the_component_of_the_box_is_kept_and_the_larger_one_beside_it_is_not(keep) -> None:
    mask = blank(200, 200)
    mask[50:150, 20:60] = 255
    mask[10:190, 80:200] = 255
    kept = keep(mask, (15, 45, 70, 155))
    assert (kept[50:150, 20:60] == 255).all()
    assert not kept[:, 70:].any()


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("keep", KEEPERS)
def test_a_body_cut_by_a_small_gap_stays_whole_and_the_gap_open(keep, scale: int) -> None:
    mask = blank(200 * scale, 100 * scale)
    mask[10 * scale : 190 * scale, 40 * scale : 60 * scale] = 255
    mask[170 * scale : 173 * scale] = 0
    mask[100 * scale : 104 * scale, 80 * scale : 84 * scale] = 255  # too far to belong to it
    kept = keep(mask, (35 * scale, 5 * scale, 65 * scale, 195 * scale))
    assert kept[180 * scale, 50 * scale] == 255
    assert not kept[170 * scale : 173 * scale].any()
    assert not kept[:, 75 * scale :].any()


@pytest.mark.parametrize("keep", KEEPERS)
@pytest.mark.parametrize("box", [(0, 0, 10, 20), (70, 10, 90, 20), (-9, -9, -1, -1)])
def test_nothing_in_the_box_is_an_empty_mask(keep, box) -> None:
    mask = blank()
    mask[60:110, 20:40] = 255
    kept = keep(mask, box)
    assert kept.shape == mask.shape
    assert not kept.any()
    assert not keep(blank(), (0, 0, 60, 120)).any()
    assert not keep_person(blank(), (0, 0, 60, 120), ()).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 500), st.integers(1, 500))
def test_keeping_a_component_never_adds_a_pixel(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    noise = cv2.blur(rng.normal(size=(height, width)), (5, 5))
    mask = ((noise > 0.1) * 255).astype(np.uint8)
    box = (width * 0.2, height * 0.1, width * 0.8, height * 0.9)
    for keep in KEEPERS:
        kept = keep(mask, box)
        assert kept.shape == mask.shape
        assert set(np.unique(kept)) <= {0, 255}
        assert not (kept & ~mask).any()


def test_neighbours_lose_what_is_theirs_alone() -> None:
    pixels = np.full((100, 100), 200, np.uint8)
    clear_neighbours(pixels, (20, 20, 60, 90), [(50, 10, 120, 95), (-30, 0, 10, 100)])
    assert (pixels[20:90, 20:60] == 200).all()  # the person's own, shared or not
    assert not pixels[10:95, 60:].any()
    assert not pixels[:, :10].any()
    assert (pixels[95:, 10:] == 200).all()  # nobody's box


def test_coarse_pixels_cover_the_whole_picture() -> None:
    assert coarse_step(blank(100, 60)) == 1
    step = coarse_step(blank(723, 380))
    assert step == 3
    is_set = np.zeros((241, 127), bool)
    is_set[-1, -1] = True
    enlarged = enlarge_blocks(is_set, step, (723, 380))
    rows, columns = np.nonzero(enlarged)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (720, 722, 378, 379)


@pytest.mark.parametrize("size", [200, 1000, 4000])
def test_even_one_pixel_in_a_large_picture_is_kept(size: int) -> None:
    mask = blank(size, size)
    mask[size // 2, size // 2] = 255
    np.testing.assert_array_equal(keep_own_component_coarsely(mask, (0, 0, size, size)), mask)


def test_boxes_grow_to_whole_pixels_inside_the_picture() -> None:
    assert grow_box((10.4, 20.6, 30, 80), 5, 10, (100, 200)) == (5, 11, 35, 90)
    assert grow_box((-5, -5, 300, 300), 5, 5, (100, 200)) == (0, 0, 200, 100)
    assert grow_box((250, 150, 260, 160), 1, 1, (100, 200)) == (199, 99, 200, 100)
    assert grow_box((-50, -50, -40, -40), 1, 1, (100, 200)) == (0, 0, 1, 1)
    assert shift_box((10, 20, 30, 40), 5, 15) == (5, 5, 25, 25)
