import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.frame_sampling import all_ordered, draw_distinct, draw_frames


def shuffle_front(length, uniforms):
    """Draw as the kernel does, on a list of all numbers."""
    if length < len(uniforms):
        return [int(uniform * length) for uniform in uniforms]
    values = list(range(length))
    for i, uniform in enumerate(uniforms):
        j = i + int(uniform * (length - i))
        values[i], values[j] = values[j], values[i]
    return values[: len(uniforms)]


@settings(deadline=None)  # the first example compiles
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(1, 40), st.integers(0, 2**32)
)
def test_drawing_is_a_shuffle_of_the_front(lengths, count, seed):
    uniforms = np.random.default_rng(seed).random((len(lengths), count))
    found = draw_distinct(np.array(lengths), uniforms)
    for row, length in enumerate(lengths):
        assert found[row].tolist() == shuffle_front(length, uniforms[row])


def test_the_largest_uniform_number_stays_inside():
    largest = np.nextafter(1.0, 0.0)
    for length in (1, 2, 3, 30, 31, 10_000, 2**40):
        drawn = draw_distinct(np.array([length]), np.full((1, 30), largest))
        assert drawn.min() >= 0
        assert drawn.max() < length


def test_every_order_is_as_likely():
    uniforms = np.random.default_rng(1).random((24_000, 3))
    drawn = draw_distinct(np.full(24_000, 4), uniforms)
    orders, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(orders) == 24
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


@pytest.mark.parametrize(("length", "count"), [(8, 6), (6, 6), (3, 7), (1, 4)])
def test_ordered_frames_are_a_run_of_the_repeated_sequence(length, count):
    drawn = draw_frames("fixed_ordered", np.full(400, length), count, np.random.default_rng(length))
    assert drawn.shape == (400, count)
    assert (np.diff(drawn, axis=1) % length == 1 % length).all()
    assert drawn.min() >= 0
    assert drawn.max() < length
    repeated = length * -(-count // length)
    assert len(np.unique(drawn[:, 0])) == min(repeated - count + 1, length)


def test_unordered_frames_repeat_only_in_short_sequences():
    drawn = draw_frames("fixed_unordered", np.array([9, 30, 5]), 9, np.random.default_rng(0))
    assert sorted(drawn[0].tolist()) == list(range(9))
    assert len(set(drawn[1].tolist())) == 9
    assert set(drawn[2].tolist()) <= set(range(5))


def test_all_frames_in_order_up_to_the_cap():
    assert all_ordered(4, 720).tolist() == [0, 1, 2, 3]
    assert all_ordered(4, 3).tolist() == [0, 1, 2]
