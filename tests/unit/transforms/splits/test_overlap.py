import math
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.splits.overlap import bound_shared, estimate_shared, expect_shared

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=12)


def count_shared(owners: np.ndarray, train: np.ndarray, test: np.ndarray) -> int:
    return int(np.isin(owners[test], owners[train]).sum())


def deal(owners: np.ndarray, train_count: int, test_count: int, random: np.random.Generator) -> int:
    order = random.permutation(len(owners))
    return count_shared(owners, order[:train_count], order[train_count : train_count + test_count])


def assert_mean_is(expected: float, found: list[int]) -> None:
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    assert abs(float(np.mean(found)) - expected) < 3 * error


@pytest.mark.parametrize(("train_count", "test_count"), [(4, 2), (3, 3), (1, 5), (0, 3), (2, 0)])
def test_expectation_is_the_mean_over_all_ways_to_deal(train_count: int, test_count: int) -> None:
    owners = np.repeat(np.arange(4), [1, 1, 2, 3])
    everything = set(range(len(owners)))
    found = [
        count_shared(owners, np.array(train, int), np.array(test, int))
        for train in combinations(everything, train_count)
        for test in combinations(sorted(everything - set(train)), test_count)
    ]
    expected = expect_shared({1: 2, 2: 1, 3: 1}, train_count, test_count)
    assert expected == pytest.approx(np.mean(found), abs=1e-12)


def test_expectation_on_the_scoliosis1k_shape_is_what_dealing_out_gives() -> None:
    random = np.random.default_rng(5)
    sizes = 1 + np.bincount(random.integers(1050, size=443), minlength=1050)
    owners = np.repeat(np.arange(1050), sizes)
    found = [deal(owners, 745, 748, random) for _ in range(1000)]
    assert_mean_is(expect_shared(Counter(sizes.tolist()), 745, 748), found)


def test_estimate_is_what_dealing_out_gives_when_other_sequences_fell_on_anyone() -> None:
    random = np.random.default_rng(6)
    found = []
    for _ in range(4000):
        sizes = 1 + np.bincount(random.integers(30, size=40), minlength=30)
        found.append(deal(np.repeat(np.arange(30), sizes), 25, 20, random))
    assert_mean_is(estimate_shared(70, 30, 25, 20), found)


@given(SIZES, st.data())
def test_bounds_hold_whatever_each_participant_has(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    train_count = data.draw(st.integers(0, total))
    test_count = data.draw(st.integers(0, total - train_count))
    expected = expect_shared(Counter(sizes), train_count, test_count)
    low, high = bound_shared(total, len(sizes), train_count, test_count)
    assert low - 1e-9 <= expected <= high + 1e-9
    estimate = estimate_shared(total, len(sizes), train_count, test_count)
    assert low - 1e-9 <= estimate <= high + 1e-9


@pytest.mark.parametrize("train_fraction", [0.2, 0.3, 0.5])
@pytest.mark.parametrize(("total", "people"), [(5, 2), (12, 5), (20, 4), (20, 19), (40, 5), (7, 1)])
def test_bounds_are_those_of_the_best_mixture_of_two_sizes(
    total: int, people: int, train_fraction: float
) -> None:
    train_count = round(total * train_fraction)
    found = []
    mean = total / people
    for less in range(1, math.floor(mean) + 1):
        for more in range(math.ceil(mean), total - people + 2):
            share = (more - mean) / (more - less) if more > less else 1.0
            parts: Any = {less: share * people}
            parts[more] = parts.get(more, 0.0) + (1 - share) * people
            found.append(expect_shared(parts, train_count, total - train_count))
    bounds = bound_shared(total, people, train_count, total - train_count)
    assert bounds == pytest.approx((min(found), max(found)))


def test_bounds_of_the_scoliosis1k_shape() -> None:
    low, high = bound_shared(1493, 1050, 745, 748)
    assert (round(low, 1), round(high, 1)) == (221.6, 260.1)
    assert round(estimate_shared(1493, 1050, 745, 748), 1) == 231.9
    # The least is that of 607 participants with one sequence and 443 with two.
    assert low == pytest.approx(expect_shared({1: 607, 2: 443}, 745, 748))


def test_as_many_participants_as_sequences_share_nothing() -> None:
    assert bound_shared(100, 100, 50, 50) == (0.0, 0.0)
    assert estimate_shared(100, 100, 50, 50) == 0.0


def test_one_participant_shares_everything() -> None:
    assert bound_shared(100, 1, 50, 50) == (50.0, 50.0)
    assert estimate_shared(100, 1, 50, 50) == 50.0


def test_large_cohorts_stay_finite() -> None:
    counts = (150_000, 10, 75_000, 75_000)
    found = (*bound_shared(*counts), estimate_shared(*counts))
    assert found == pytest.approx((75_000, 75_000, 75_000), rel=1e-3)
