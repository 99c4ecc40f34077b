import numpy as np
import pytest
from scipy.stats import binomtest, t

from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.intervals import (
    Evidence,
    correlate,
    difference_interval,
    score_interval,
)

SINGLE = Evidence(people=40, rows=40, is_clustered=False)


def vary(value, answers, seed=0, size=400):
    """Return resampled values with the variance of so many independent answers."""
    spread = np.random.default_rng(seed).normal(size=size)
    spread = (spread - spread.mean()) / spread.std(ddof=1)
    return value + spread * np.sqrt(value * (1 - value) / answers)


@pytest.mark.parametrize(("hits", "answers"), [(30, 40), (1, 40), (20, 25)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_share_of_independent_answers_has_wilsons_interval(hits, answers, confidence) -> None:
    value = hits / answers
    found = score_interval(value, vary(value, answers), confidence, SINGLE)
    wanted = binomtest(hits, answers).proportion_ci(confidence, method="wilson")
    assert found == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_no_resample_differs_each_participant_is_one_answer(value) -> None:
    found = score_interval(value, np.full(100, value), 0.95, SINGLE)
    wanted = binomtest(round(40 * value), 40).proportion_ci(method="wilson")
    assert found == pytest.approx((wanted.low, wanted.high))
    assert found[0] <= value <= found[1]


def test_what_cannot_differ_is_its_own_interval() -> None:
    half = np.full(100, 0.5)
    assert score_interval(0.5, half, 0.95, SINGLE) == (0.5, 0.5)
    low, high = score_interval(0.5, half, 0.95, Evidence(people=10, rows=20, is_clustered=True))
    assert low < 0.4 < 0.6 < high


def test_real_resamples_of_independent_answers_give_wilsons_interval() -> None:
    hits = np.arange(40) < 28
    spread = draw_weights(40, 20_000, seed=1) @ hits / 40
    wanted = binomtest(28, 40).proportion_ci(method="wilson")
    assert score_interval(0.7, spread, 0.95, SINGLE) == pytest.approx(
        (wanted.low, wanted.high), abs=0.005
    )


def test_a_share_is_worth_no_more_answers_than_it_has_rows() -> None:
    tight = score_interval(0.7, vary(0.7, 1_000), 0.95, SINGLE)
    assert tight == pytest.approx(score_interval(0.7, vary(0.7, 40), 0.95, SINGLE))


def test_clustered_answers_reach_as_far_as_students_t_of_their_participants() -> None:
    clustered = Evidence(people=6, rows=400, is_clustered=True)
    low, high = score_interval(0.5, vary(0.5, 100), 0.95, clustered)
    quantile = t.ppf(0.975, 5)
    wanted = quantile * np.sqrt(0.25 / 100 + quantile**2 / 40_000) / (1 + quantile**2 / 100)
    assert (low, high) == pytest.approx((0.5 - wanted, 0.5 + wanted))


def test_one_clustered_participant_says_next_to_nothing() -> None:
    alone = Evidence(people=1, rows=30, is_clustered=True)
    low, high = score_interval(0.6, np.full(100, 0.6), 0.95, alone)
    assert high - low > 0.98


def test_undefined_resamples_are_left_out_up_to_half() -> None:
    spread = vary(0.7, 40)
    half = np.concatenate([spread, np.full(len(spread), np.nan)])
    assert score_interval(0.7, half, 0.95, SINGLE) == score_interval(0.7, spread, 0.95, SINGLE)
    assert score_interval(0.7, np.append(half, np.nan), 0.95, SINGLE) is None
    assert score_interval(0.7, np.array([]), 0.95, SINGLE) is None


def test_difference_of_independent_rates_is_newcombes() -> None:
    # Newcombe 1998, method 10: 56/70 against 48/80 has 0.0524 to 0.3339.
    rates = []
    for hits, people in ((48, 80), (56, 70)):
        found = binomtest(hits, people).proportion_ci(method="wilson")
        rates.append((hits / people, (found.low, found.high)))
    assert difference_interval(*rates, 0.0) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_what_varies_together_differs_less() -> None:
    rates = (0.6, (0.5, 0.7)), (0.7, (0.6, 0.8))
    assert difference_interval(*rates, 1.0) == pytest.approx((0.1, 0.1))
    low, high = difference_interval(*rates, 0.5)
    assert high - low < np.subtract(*reversed(difference_interval(*rates, 0.0)))


def test_correlation_leaves_out_what_is_undefined() -> None:
    one, other = np.array([1.0, 2, 4, np.nan]), np.array([2.0, 1, 5, 9])
    assert correlate(one, other) == pytest.approx(np.corrcoef(one[:3], other[:3])[0, 1])
    assert correlate(one, np.full(4, 0.3)) == 0
    assert correlate(np.full(3, np.nan), np.ones(3)) == 0
