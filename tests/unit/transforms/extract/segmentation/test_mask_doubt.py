import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.extract.protocols import ProbabilityCrop
from transforms.extract.segmentation.mask_doubt import (
    BoxedProbability,
    decide,
    find_doubt_off_edges,
    settle_all,
    settle_doubt,
)

SURE, NO, LIKELY, UNLIKELY = 250, 5, 150, 100  # of 255; the last two lie within 0.2 of 0.5


def boxed(
    probability: np.ndarray, frame_index: int = 0, box: tuple[float, ...] | None = None
) -> BoxedProbability:
    height, width = probability.shape
    crop = ProbabilityCrop(frame_index, (0, 0, width, height), probability)
    x0, y0, x1, y1 = box or (0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height)
    return BoxedProbability(crop, (x0, y0, x1, y1))


def plain(level: int, shape: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.full(shape, level, np.uint8)


def settle(*levels: np.ndarray, threshold: float = 0.5, doubt: float = 0.2) -> np.ndarray:
    before, current, after = (boxed(level) for level in levels)
    return settle_doubt(current, before, after, threshold=threshold, doubt=doubt)


@pytest.mark.parametrize(
    ("before", "current", "after", "expected"),
    [
        (SURE, UNLIKELY, SURE, 255),  # both say person
        (NO, LIKELY, NO, 0),  # both say not
        (SURE, UNLIKELY, NO, 0),  # they disagree: its own threshold
        (NO, LIKELY, SURE, 255),
        (SURE, NO, SURE, 0),  # not in doubt: nobody is asked
        (NO, SURE, NO, 255),
    ],
)
def test_neighbours_that_agree_settle_doubt_and_nothing_else(
    before: int, current: int, after: int, expected: int
) -> None:
    assert (settle(plain(before), plain(current), plain(after)) == expected).all()


def test_a_limb_of_another_moment_does_not_get_in() -> None:
    without, with_arm = plain(NO), plain(NO)
    without[5:35, 10:16] = SURE
    with_arm[:] = without
    with_arm[15:18, 16:28] = SURE
    np.testing.assert_array_equal(settle(with_arm, without, with_arm), decide(without, 0.5))
    np.testing.assert_array_equal(settle(without, with_arm, without), decide(with_arm, 0.5))


def test_a_fading_hole_in_the_trunk_is_filled_but_the_soft_outline_stays() -> None:
    body = plain(NO, (100, 60))
    body[10:90, 20:40] = SURE
    body[10:90, 19] = UNLIKELY  # the outline, one pixel soft
    wider = plain(NO, (100, 60))
    wider[10:90, 15:45] = SURE
    faded = body.copy()
    faded[40:60, 25:35] = UNLIKELY
    settled = settle(wider, faded, wider)
    assert (settled[40:60, 25:35] == 255).all()
    assert not settled[:, 19].any()


SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 60))


@given(
    seed=st.integers(0, 2**32 - 1),
    shapes=st.tuples(SHAPES, SHAPES, SHAPES),
    threshold=st.floats(0, 1),
    doubt=st.floats(0, 0.499),
    grid=st.integers(1, 9),
)
def test_what_is_sure_is_never_changed_by_neighbours(
    seed: int,
    shapes: tuple[tuple[int, int], ...],
    threshold: float,
    doubt: float,
    grid: int,
) -> None:
    rng = np.random.default_rng(seed)
    images, boxes = [], []
    for height, width in shapes:
        coarse = rng.integers(0, 256, (height // grid + 1, width // grid + 1), np.uint8)
        image = np.kron(coarse, np.ones((grid, grid), np.uint8))[:height, :width]
        images.append(np.ascontiguousarray(image))
        x0, y0 = rng.uniform(-5, 10, 2)
        boxes.append((x0, y0, x0 + rng.uniform(0, 60), y0 + rng.uniform(0, 60)))
    before, current, after = (boxed(i, 0, b) for i, b in zip(images, boxes, strict=True))
    mask = settle_doubt(current, before, after, threshold=threshold, doubt=doubt)
    probability = current.crop.probability / 255
    assert set(np.unique(mask)) <= {0, 255}
    assert not mask[probability < threshold - doubt - 1e-6].any()
    assert (mask[probability > threshold + doubt + 1e-6] == 255).all()


@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0, 1))
def test_without_doubt_it_is_plain_thresholding(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    levels = [rng.integers(0, 256, (20, 20), np.uint8) for _ in range(3)]
    expected = decide(levels[1], threshold)
    np.testing.assert_array_equal(settle(*levels, threshold=threshold, doubt=0), expected)


@pytest.mark.parametrize(
    ("threshold", "first_person"), [(0, 0), (80 / 255, 80), (0.5, 128), (0.6, 153), (1, 255)]
)
def test_a_pixel_is_the_person_from_the_threshold_on(threshold: float, first_person: int) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.flatnonzero(decide(levels, threshold))[0] == first_person


def test_neighbours_are_looked_at_where_the_same_part_of_the_person_is() -> None:
    """The person comes nearer: twice as large, at another place, in a larger crop."""
    small, large = plain(NO, (60, 50)), plain(NO, (110, 90))
    small[10:30, 10:20] = UNLIKELY
    large[80:90, 40:60] = SURE  # the lowest quarter of the same body
    current = boxed(small, 1, (10, 10, 20, 30))
    near = boxed(large, 2, (40, 50, 60, 90))
    mask = settle_doubt(current, near, near, threshold=0.5, doubt=0.2)
    assert (mask[25:30, 10:20] == 255).all()
    assert not mask[10:25].any()
    elsewhere = boxed(large, 2, (0, 0, 20, 40))
    assert not settle_doubt(current, elsewhere, elsewhere, threshold=0.5, doubt=0.2).any()


def test_a_crop_that_does_not_reach_so_far_has_no_say() -> None:
    current = boxed(plain(LIKELY), 1, (10, 10, 20, 30))
    narrow = boxed(plain(NO, (20, 10)), 0, (0, 0, 10, 20))
    mask = settle_doubt(current, narrow, narrow, threshold=0.5, doubt=0.2)
    assert not mask[10:30, 10:20].any()
    mask[10:30, 10:20] = 255
    assert (mask == 255).all()


def test_soft_edges_are_no_doubt_but_blurs_without_sure_pixels_near_are() -> None:
    image = plain(NO, (200, 200))
    image[:, 100:] = SURE
    image[:, 99:101] = LIKELY
    image[50:90, 20:60] = LIKELY
    found = find_doubt_off_edges(image, 0.5, 0.2)
    assert not found[:, 95:105].any()
    assert (found[55:85, 25:55] == 255).all()


def stream(indices: list[int], levels: list[int]) -> Iterator[BoxedProbability]:
    for index, level in zip(indices, levels, strict=True):
        yield boxed(plain(level), index)


def test_only_directly_adjacent_frames_have_a_say() -> None:
    indices = [3, 4, 5, 7, 8]
    levels = [SURE, UNLIKELY, SURE, UNLIKELY, SURE]
    settled = list(settle_all(stream(indices, levels), threshold=0.5, doubt=0.2))
    assert [item.crop.frame_index for item, _ in settled] == indices
    # 4 lies between 3 and 5; 7 misses its frame before.
    assert [int(mask[20, 15]) for _, mask in settled] == [255, 255, 255, 0, 255]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_walks_are_decided_by_the_threshold(count: int) -> None:
    settled = list(
        settle_all(stream([0, 1][:count], [SURE, UNLIKELY][:count]), threshold=0.5, doubt=0.2)
    )
    assert [int(mask[20, 15]) for _, mask in settled] == [255, 0][:count]


def test_no_more_than_three_crops_are_held() -> None:
    alive: weakref.WeakValueDictionary[int, BoxedProbability] = weakref.WeakValueDictionary()
    most = 0

    def crops() -> Iterator[BoxedProbability]:
        for index in range(12):
            item = boxed(plain(LIKELY), index)
            alive[index] = item
            yield item
            del item

    for _ in settle_all(crops(), threshold=0.5, doubt=0.2):
        most = max(most, len(alive))
    assert most == 3
