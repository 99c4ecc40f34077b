import numpy as np
import pytest

from transforms.near_duplicates.alignment import align_walks


def draw_walk(frame_count: int = 120, seed: int = 0) -> np.ndarray:
    """A smooth path through ten directions that never comes back."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(frame_count, 10))
    return np.cumsum(steps, axis=0).astype(np.float32) * 4


def test_a_part_is_laid_where_it_was_cut() -> None:
    walk = draw_walk()
    rows, columns = align_walks(walk, walk[40:80])
    np.testing.assert_array_equal(rows, np.arange(40, 80))
    np.testing.assert_array_equal(columns, np.arange(40))


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.4, 2.0])
def test_another_speed_is_followed(rate: float) -> None:
    walk = draw_walk(160)
    times = np.rint(np.arange(0, 159, rate)).astype(int)
    rows, columns = align_walks(walk, walk[times])
    assert len(rows) >= 70
    np.testing.assert_array_equal(rows, times[columns])


def test_missing_frames_are_passed_over() -> None:
    walk = draw_walk()
    kept = np.delete(np.arange(120), [10, 11, 30, 55, 56, 90])
    rows, columns = align_walks(walk, walk[kept])
    np.testing.assert_array_equal(rows, kept[columns])
    assert len(rows) == len(kept)


def test_a_constant_difference_does_not_hide_the_common_part() -> None:
    walk = draw_walk()
    rows, columns = align_walks(walk, walk[20:] + np.float32(0.7))
    np.testing.assert_array_equal(rows, columns + 20)
    assert len(rows) == 100


def test_other_walks_share_next_to_nothing() -> None:
    rows, _ = align_walks(draw_walk(seed=1), draw_walk(seed=2))
    assert len(rows) < 16


def test_walks_without_a_common_frame_have_an_empty_path() -> None:
    far = np.float32(1e4) * (-1) ** np.arange(120)[:, None]  # on both sides: no offset helps
    rows, columns = align_walks(draw_walk(), draw_walk() + far.astype(np.float32))
    assert rows.size == columns.size == 0
