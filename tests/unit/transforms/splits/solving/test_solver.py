import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import GaitworksError
from transforms.splits.solving.goals import Goal, Problem, even_goal
from transforms.splits.solving.prover import _Found, find_floor, prove
from transforms.splits.solving.search import search
from transforms.splits.solving.solver import solve, status_of


def make_problem(quantities: list[list[int]], side_count: int, min_items: int = 0) -> Problem:
    """Return the problem of spreading each column evenly, one goal after the other."""
    columns = np.array(quantities, np.int64).T
    goals = tuple(
        even_goal(f"column {number}", column[:, None], side_count)
        for number, column in enumerate(columns)
    )
    return Problem(goals, (min_items,) * side_count)


def spread_start(problem: Problem) -> np.ndarray:
    return np.arange(problem.item_count) % problem.side_count


def brute_force(problem: Problem) -> tuple[int, ...]:
    everything = itertools.product(range(problem.side_count), repeat=problem.item_count)
    return min(
        problem.measure(np.array(sides))
        for sides in everything
        if (np.bincount(sides, minlength=problem.side_count) >= problem.min_items).all()
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=3, max_size=7),
    st.integers(2, 3),
    st.integers(0, 1),
    st.integers(0, 99),
)
def test_the_goals_are_pursued_in_order_to_the_optimum(
    quantities: list[list[int]], side_count: int, min_items: int, seed: int
) -> None:
    problem = make_problem(quantities, side_count, min_items)
    solution = solve(problem, spread_start(problem), np.random.default_rng(seed))
    best = brute_force(problem)
    assert tuple(goal.value for goal in solution.goals) == best
    assert problem.measure(solution.sides) == best
    assert status_of(solution.goals) == "optimal"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=3, max_size=7),
    st.integers(0, 99),
)
def test_the_floor_is_never_above_what_is_possible(quantities: list[list[int]], seed: int) -> None:
    problem = make_problem(quantities, 2)
    worst = problem.measure(np.zeros(problem.item_count, np.int64))
    assert find_floor(problem, worst) <= brute_force(problem)


def test_an_even_spread_misses_what_whole_units_must() -> None:
    goal = even_goal("participants", np.ones((7, 1), np.int64), 3)
    # Sides of 3, 2 and 2, in thirds of a unit: 2 + 1 + 1.
    assert goal.least == 4
    problem = Problem((goal,), (0,) * goal.targets.shape[0])
    assert problem.measure(np.array([0, 0, 0, 1, 1, 2, 2])) == (4,)
    assert problem.measure(np.array([0, 0, 0, 0, 1, 2, 2])) == (10,)


def test_within_the_tolerance_nothing_is_missed() -> None:
    seconds = np.array([100, 101, 99, 100])[:, None]
    goal = even_goal("seconds", seconds, 2, tolerance=0.01)
    assert Problem((goal,), (0,) * goal.targets.shape[0]).measure(np.array([0, 0, 1, 1])) == (0,)


def test_a_side_keeps_the_items_it_must_have() -> None:
    # Everything on one side would be best.
    goal = Goal("all", np.ones((4, 1), np.int64), np.array([[4], [0]]), np.zeros((2, 1), np.int64))
    solution = solve(Problem((goal,), (1, 1)), np.array([0, 0, 1, 1]), np.random.default_rng(0))
    assert np.bincount(solution.sides).tolist() == [3, 1]
    assert solution.goals[0].is_proved


def test_what_the_search_misses_the_program_hands_over() -> None:
    problem = make_problem([[5], [4], [3], [3], [3]], 2)
    worst = np.array([0, 0, 0, 0, 1])
    verdict = prove(problem, 0, problem.measure(worst), np.random.default_rng(0))
    assert verdict.bound == 0
    assert verdict.better is not None
    assert problem.measure(verdict.better) == (0,)


def test_a_search_ends_where_nothing_better_can_be() -> None:
    problem = make_problem([[1], [1]], 2)
    sides, values = search(problem, np.array([0, 1]), (0,), np.random.default_rng(0))
    assert sides.tolist() == [0, 1]
    assert values == (0,)


def test_a_goal_without_a_proof_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.splits.solving.prover._MAX_UNKNOWNS", 0)
    monkeypatch.setattr("transforms.splits.solving.prover._FEW_UNKNOWNS", 0)
    problem = make_problem([[2], [2], [2]], 2)
    solution = solve(problem, np.array([0, 1, 0]), np.random.default_rng(0))
    assert (solution.goals[0].value, solution.goals[0].bound) == (4, 0)
    assert status_of(solution.goals) == "feasible"


def test_a_bound_is_a_bound() -> None:
    # HiGHS proved 5 for the last of these goals, where 4 is possible: docs/decisions/0008.
    sequences = [3, 1, 3, 1, 3, 2, 1, 2, 1, 2, 2, 2, 2, 1]
    columns = (
        [154, -115, 154, -115, 154, 19, -115, 19, -115, 19, 19, 19, 19, -115],
        [75, -134, -134, 75, 75, -134, -134, -134, 75, 75, 75, 75, 75, 75],
        [-119, -185, -119, 4, -86, 127, -21, 103, 94, 78, 4, -78, 62, 135],
    )
    none, tolerance = np.zeros((2, 1), np.int64), np.array([[21], [118]])
    counts = Goal(
        "counts", np.array(sequences)[:, None], np.array([[4], [0]]), np.array([[0], [26]])
    )
    goals = [Goal("balance", np.array(one)[:, None], none, tolerance) for one in columns]
    problem = Problem((counts, *goals), (1, 1))
    solution = solve(problem, np.arange(14) % 2, np.random.default_rng(0))
    assert [goal.value for goal in solution.goals] == [0, 17, 38, 4]
    assert [goal.bound for goal in solution.goals] == [0, 17, 38, 4]


def test_a_bound_that_contradicts_what_is_reached_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transforms.splits.solving.prover._minimise", lambda *_: _Found(None, 0, 9))
    problem = make_problem([[2], [2], [2]], 2)
    with pytest.raises(GaitworksError, match="claims more than it can"):
        prove(problem, 0, (4,), np.random.default_rng(0))
