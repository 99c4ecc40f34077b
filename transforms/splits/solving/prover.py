"""Proof that no assignment is better: an integer program per goal, solved by OR-Tools' CP-SAT.

It reckons in whole numbers. Items that no goal so far tells apart are
counted, not named, which leaves a handful of unknowns where only counts matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transforms.errors import GaitworksError
from transforms.splits.solving.goals import Integers, Problem, Values, stack

# Counted in the solver's own steps, not by a clock: it stops at the same place on every machine.
_EFFORT: Final = 1.0
_EFFORT_BEFORE_SEARCH: Final = 0.1
_COARSE_KINDS: Final = 16
"""A goal that tells more kinds of items apart than this may be left out of a first attempt."""
_FEW_UNKNOWNS: Final = 240
"""Programs with no more unknowns end at once; what they say is worth knowing before the search."""
_MAX_UNKNOWNS: Final = 1_000
"""Programs with more unknowns are not tried: with so little effort they prove nothing."""
_MAX_TOTAL: Final = 2**28
"""Nothing is asked about larger sums: with values of billions CP-SAT was seen to err."""


@dataclass(frozen=True)
class Verdict:
    """What is known of a goal, given what those before it reached.

    Attributes:
        bound: no assignment goes below.
        better: an assignment that reaches a lower value than the one asked about, or None.
    """

    bound: int
    better: Integers | None


def prove(problem: Problem, place: int, values: Values, random: np.random.Generator) -> Verdict:
    """Return the least value of the goal at `place` that the goals before it leave room for.

    Args:
        problem: the goals.
        place: which goal.
        values: what is reached; the goals before `place` may not get worse than that.
        random: decides which of several like items go where.
    """
    goal = problem.goals[place]
    coarse = tuple(one for one in range(place) if _count_kinds(problem, one) <= _COARSE_KINDS)
    everything = tuple(range(place))
    bound = goal.least
    # Leaving goals out can only lower the bound; where few kinds of items are left, it is quick.
    if coarse != everything and _count_unknowns(problem, *coarse, place) <= _FEW_UNKNOWNS:
        bound = max(bound, _minimise(problem, coarse, place, values, _EFFORT).bound)
    if bound < values[place] and _count_unknowns(problem, *everything, place) <= _MAX_UNKNOWNS:
        found = _minimise(problem, everything, place, values, _EFFORT)
        bound = max(bound, found.bound)
    else:
        found = _Found(None, 0, 0)
    if bound > values[place]:
        raise GaitworksError(
            "the integer program claims more than it can",
            where=f"splits, {goal.name}",
            expected=f"a bound of at most {values[place]}, which is reached",
            found=bound,
            fix="this is a defect: please report it with the participants' table",
        )
    if found.taken is None or found.value >= values[place]:
        return Verdict(bound, None)
    quantities = stack([problem.goals[one] for one in (*everything, place)])[0]
    kind_of = np.unique(quantities, axis=0, return_inverse=True)[1].reshape(-1)
    return Verdict(bound, _name_items(found.taken, kind_of, random))


def find_floor(problem: Problem, values: Values) -> Values:
    """Return a value of every goal to search for, from the goals that tell few kinds apart.

    That of a goal is a bound as long as all goals before it meet theirs.

    Args:
        problem: the goals.
        values: what is reached: a goal that misses the least there is needs no program.
    """
    floor = list(problem.least)
    coarse: tuple[int, ...] = ()
    for place in range(len(floor)):
        if values[place] == floor[place]:
            coarse = (*coarse, place) if _count_kinds(problem, place) <= _COARSE_KINDS else coarse
            continue
        if (
            _count_kinds(problem, place) > _COARSE_KINDS
            or _count_unknowns(problem, *coarse, place) > _FEW_UNKNOWNS
        ):
            continue
        found = _minimise(problem, coarse, place, tuple(floor), _EFFORT_BEFORE_SEARCH)
        if found.taken is None or found.value > found.bound:
            break
        floor[place] = max(floor[place], found.bound)
        coarse = (*coarse, place)
    return tuple(floor)


def _count_kinds(problem: Problem, *places: int) -> int:
    """Return how many kinds of items these goals tell apart."""
    quantities = stack([problem.goals[place] for place in places])[0]
    return len(np.unique(quantities, axis=0))


def _count_unknowns(problem: Problem, *places: int) -> int:
    return _count_kinds(problem, *places) * problem.side_count


def _minimise(
    problem: Problem, earlier: tuple[int, ...], place: int, values: Values, effort: float
) -> "_Found":
    """Return the least of the goal at `place` where `earlier` ones get no worse than `values`."""
    goals = [problem.goals[one] for one in (*earlier, place)]
    quantities, targets, tolerance, owner = stack(goals)
    kinds, multiplicity = np.unique(quantities, axis=0, return_counts=True)
    if np.abs(quantities).sum() + np.abs(targets).sum() > _MAX_TOTAL:
        return _Found(None, 0, 0)
    program = _Program(kinds, multiplicity, targets, tolerance, owner)
    program.limit_items(problem.min_items)
    for number, one in enumerate(earlier):
        program.limit_goal(number, values[one])
    return program.minimise(len(earlier), effort)


def _name_items(taken: Integers, kind_of: Integers, random: np.random.Generator) -> Integers:
    """Return the side of each item of an assignment that only counts kinds."""
    sides = np.empty(len(kind_of), np.int64)
    for kind, counts in enumerate(taken):
        members = random.permutation(np.flatnonzero(kind_of == kind))
        sides[members] = np.repeat(np.arange(len(counts)), counts)
    return sides


@dataclass(frozen=True)
class _Found:
    taken: Integers | None  # (kind, side)
    value: int
    bound: int


class _Program:
    """Unknowns: how many items of each kind are on each side, then what each quantity misses."""

    def __init__(
        self,
        kinds: Integers,
        multiplicity: Integers,
        targets: Integers,
        tolerance: Integers,
        owner: Integers,
    ) -> None:
        from ortools.sat.python import cp_model

        self._model = cp_model.CpModel()
        self._owner, self._upper = owner, multiplicity
        sides = range(len(targets))
        self._taken = [
            [self._model.new_int_var(0, int(count), "") for _ in sides] for count in multiplicity
        ]
        for row, count in zip(self._taken, multiplicity.tolist(), strict=True):
            self._model.add(sum(row) == count)
        self._missed = [
            [
                self._miss(kinds[:, column], side, targets, tolerance, column)
                for column in range(targets.shape[1])
            ]
            for side in sides
        ]

    def limit_items(self, least: Sequence[int]) -> None:
        """Give each side at least so many items."""
        for members, count in zip(zip(*self._taken, strict=True), least, strict=True):
            self._model.add(sum(members) >= count)

    def limit_goal(self, goal: int, value: int) -> None:
        """Keep a goal from missing more than `value`."""
        self._model.add(self._sum_missed(goal) <= value)

    def minimise(self, goal: int, effort: float) -> _Found:
        """Miss as little as possible of a goal, in so much deterministic time."""
        from ortools.sat.python import cp_model

        self._model.minimize(self._sum_missed(goal))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = effort
        status = solver.solve(self._model)
        # What is bounded is whole.
        bound = max(0, math.ceil(solver.best_objective_bound - 1e-6))
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return _Found(None, 0, bound)
        taken = np.array([[solver.value(one) for one in row] for row in self._taken], np.int64)
        return _Found(taken, round(solver.objective_value), bound)

    # `Any`: expressions of OR-Tools, which has no public type for them all.
    def _miss(
        self, weights: Integers, side: int, targets: Integers, tolerance: Integers, column: int
    ) -> Any:
        """Return the unknown that a side's total of one quantity misses."""
        total = sum(
            weight * row[side]
            for weight, row in zip(weights.tolist(), self._taken, strict=True)
            if weight
        )
        target, limit = int(targets[side, column]), int(tolerance[side, column])
        most = int(np.abs(weights) @ self._upper) + abs(target)
        missed = self._model.new_int_var(0, most, "")
        self._model.add(total - target - limit <= missed)
        self._model.add(target - limit - total <= missed)
        return missed

    def _sum_missed(self, goal: int) -> Any:
        columns = np.flatnonzero(self._owner == goal).tolist()
        return sum(row[column] for row in self._missed for column in columns)
