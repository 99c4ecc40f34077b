"""Proof that no assignment is better: an integer program per goal, solved by HiGHS through scipy.

Items that no goal so far tells apart are counted, not named, which leaves a handful of unknowns
where only counts matter.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transforms.errors import RefusalError
from transforms.splits.solving.goals import Integers, Problem, Values, stack

# The node limit stops at the same place on every machine; the time limit is a net, and what falls
# into it is refused, because it would differ from machine to machine.
_NODE_LIMIT: Final = 2_000
_NODE_LIMIT_OF_MANY_SIDES: Final = 500
_TIME_LIMIT_S: Final = 300.0
_COARSE_KINDS: Final = 16
"""A goal that tells more kinds of items apart than this may be left out of a first attempt."""
_FEW_UNKNOWNS: Final = 240
"""Programs with no more unknowns end at once; what they say is worth knowing before the search."""
_STOPPED_BY_CLOCK: Final = 1  # scipy's status; the node limit has another
_MAX_UNKNOWNS: Final = 1_000
"""Programs with more unknowns are not tried: in so many nodes they prove nothing."""
_MANY_SIDES: Final = 4
_MAX_UNKNOWNS_OF_MANY_SIDES: Final = 60
"""As many sides are folds: every assignment is there once for each order of them."""


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

    Raises:
        RefusalError: the solver was stopped by the clock.
    """
    goal = problem.goals[place]
    coarse = tuple(one for one in range(place) if _count_kinds(problem, one) <= _COARSE_KINDS)
    everything = tuple(range(place))
    floor = goal.least
    # Leaving goals out can only lower the bound; where few kinds of items are left, it is quick.
    if coarse != everything and _count_unknowns(problem, *coarse, place) <= _FEW_UNKNOWNS:
        floor = max(floor, _minimise(problem, coarse, place, values).bound)
    are_many = problem.side_count >= _MANY_SIDES
    limit = _MAX_UNKNOWNS_OF_MANY_SIDES if are_many else _MAX_UNKNOWNS
    if floor >= values[place] or _count_unknowns(problem, *everything, place) > limit:
        return Verdict(min(floor, values[place]), None)
    found = _minimise(problem, everything, place, values)
    bound = min(max(floor, found.bound), values[place])
    if found.taken is None or found.value >= values[place]:
        return Verdict(bound, None)
    quantities = stack([problem.goals[one] for one in (*everything, place)])[0]
    kind_of = np.unique(quantities, axis=0, return_inverse=True)[1].reshape(-1)
    return Verdict(bound, _name_items(found.taken, kind_of, random))


def find_floor(problem: Problem) -> Values:
    """Return a value of every goal to search for, from the goals that tell few kinds apart.

    That of a goal is a bound as long as all goals before it meet theirs.
    """
    floor = list(problem.least)
    coarse: tuple[int, ...] = ()
    for place in range(len(floor)):
        if (
            _count_kinds(problem, place) > _COARSE_KINDS
            or _count_unknowns(problem, *coarse, place) > _FEW_UNKNOWNS
        ):
            continue
        found = _minimise(problem, coarse, place, tuple(floor))
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


def _minimise(problem: Problem, earlier: tuple[int, ...], place: int, values: Values) -> "_Found":
    """Return the least of the goal at `place` where `earlier` ones get no worse than `values`."""
    goals = [problem.goals[one] for one in (*earlier, place)]
    quantities, targets, tolerance, owner = stack(goals)
    kinds, multiplicity = np.unique(quantities, axis=0, return_counts=True)
    program = _Program(kinds, multiplicity, targets, tolerance, owner)
    program.limit_items(problem.min_items)
    for number, one in enumerate(earlier):
        program.limit_goal(number, values[one])
    return program.minimise(len(earlier))


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
        kind_count, side_count = len(kinds), len(targets)
        self._taken = np.arange(kind_count * side_count).reshape(kind_count, side_count)
        missed = self._taken.size + np.arange(targets.size)
        self._missed, self._owner = missed.reshape(targets.shape), owner
        self._entries: list[tuple[Integers, Integers]] = []
        self._low: list[float] = []
        self._high: list[float] = []
        self._upper = np.full(self._taken.size + targets.size, np.inf)
        self._upper[self._taken] = multiplicity[:, None]
        for kind in range(kind_count):
            count = float(multiplicity[kind])
            self._add(self._taken[kind], np.ones(side_count, np.int64), count, count)
        for side in range(side_count):
            for column in range(targets.shape[1]):
                variables = np.append(self._taken[:, side], self._missed[side, column])
                target, limit = int(targets[side, column]), int(tolerance[side, column])
                weights = kinds[:, column]
                self._add(variables, np.append(weights, -1), -np.inf, target + limit)
                self._add(variables, np.append(weights, 1), target - limit, np.inf)

    def limit_items(self, least: int) -> None:
        """Give every side at least so many items."""
        for side in range(self._taken.shape[1]):
            members = self._taken[:, side]
            self._add(members, np.ones(len(members), np.int64), float(least), np.inf)

    def limit_goal(self, goal: int, value: int) -> None:
        """Keep a goal from missing more than `value`."""
        missed = self._missed[:, self._owner == goal].reshape(-1)
        self._add(missed, np.ones(len(missed), np.int64), -np.inf, value)

    def minimise(self, goal: int) -> _Found:
        """Miss as little as possible of a goal."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        lengths = [len(variables) for variables, _ in self._entries]
        columns = np.concatenate([variables for variables, _ in self._entries])
        weights = np.concatenate([weights for _, weights in self._entries]).astype(np.float64)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        matrix = csr_array((weights, (rows, columns)), shape=(len(lengths), len(self._upper)))
        are_many = self._taken.shape[1] >= _MANY_SIDES
        node_limit = _NODE_LIMIT_OF_MANY_SIDES if are_many else _NODE_LIMIT
        cost = np.zeros(len(self._upper))
        cost[self._missed[:, self._owner == goal]] = 1
        # `Any`: scipy's result is a bag of attributes.
        result: Any = milp(
            cost,
            constraints=LinearConstraint(matrix, np.array(self._low), np.array(self._high)),
            integrality=np.ones(len(self._upper)),
            bounds=Bounds(np.zeros(len(self._upper)), self._upper),
            options={"mip_rel_gap": 0.0, "node_limit": node_limit, "time_limit": _TIME_LIMIT_S},
        )
        if result.status == _STOPPED_BY_CLOCK:
            raise RefusalError(
                "the solver found no proof that it could repeat on another machine",
                where="splits",
                expected=f"an end within {node_limit} nodes and {_TIME_LIMIT_S:.0f} s",
                found=result.message,
                fix="ask for fewer sides",
            )
        # The bound is a float, or none where not one node was solved; what it bounds is whole.
        bound = max(0, math.ceil(float(result.mip_dual_bound or 0.0) - 1e-6))
        if result.x is None:
            return _Found(None, 0, bound)
        taken = np.rint(result.x[self._taken]).astype(np.int64)
        return _Found(taken, round(float(result.fun)), bound)

    def _add(self, variables: Integers, weights: Integers, low: float, high: float) -> None:
        self._entries.append((variables, weights))
        self._low.append(low)
        self._high.append(high)
