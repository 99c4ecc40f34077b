import numpy as np
import pytest

from transforms.metrics.bootstrap import draw_weights, draw_weights_in_parts, percentile_interval


def test_every_resample_draws_as_many_participants_as_there_are() -> None:
    weights = draw_weights(7, 500, seed=3)
    assert weights.shape == (500, 7)
    assert set(weights.sum(axis=1)) == {7.0}
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)


def test_seed_decides_the_draw() -> None:
    assert np.array_equal(draw_weights(9, 100, 1), draw_weights(9, 100, 1))
    assert not np.array_equal(draw_weights(9, 100, 1), draw_weights(9, 100, 2))


@pytest.mark.parametrize("at_once", [1, 33, 100, 1_000])
def test_parts_are_the_same_draws(at_once: int) -> None:
    parts = list(draw_weights_in_parts(9, 100, 1, at_once=at_once))
    assert max(len(part) for part in parts) == min(at_once, 100)
    assert np.array_equal(np.concatenate(parts), draw_weights(9, 100, 1))


def test_interval_is_central() -> None:
    values = np.arange(101.0)
    assert percentile_interval(values, 0.9) == pytest.approx((5.0, 95.0))


def test_undefined_resamples_are_left_out_up_to_half() -> None:
    values = np.array([np.nan, np.nan, 1.0, 1.0])
    assert percentile_interval(values, 0.95) == (1.0, 1.0)
    assert percentile_interval(np.array([np.nan, np.nan, 1.0]), 0.95) is None
    assert percentile_interval(np.array([]), 0.95) is None


@pytest.mark.slow
def test_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        sample = random.random(60) < 0.7
        spread = draw_weights(60, 400, seed) @ sample / 60
        interval = percentile_interval(spread, 0.9)
        assert interval is not None
        covered += interval[0] <= 0.7 <= interval[1]
    assert 0.82 <= covered / 200 <= 0.96
