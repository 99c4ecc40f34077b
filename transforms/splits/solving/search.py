"""Finding a good assignment: swaps and moves between two sides, kicked out of dead ends.

Whole numbers and one seeded generator: the same result on every machine. How good a result is, is
`transforms.splits.solving.prover`'s to say.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.splits.solving.goals import Integers, Problem, Values, stack, total_up

_SAMPLE: Final = 32
"""Items drawn from a side to be tried at once, against as many of another."""
_FITTEST: Final = 12
"""Items that are tried besides: those that change most of what the side misses."""
_PATIENCE: Final = 40
"""Steps without progress after which a descent has ended."""
_KICKS: Final = 80
_KICKS_PER_ITEM: Final = 4
_KICKED_ITEMS: Final = 6
_WORST_FIRST: Final = 0.7
"""How often a step starts from the side that misses most."""


def descend(
    problem: Problem, start: Integers, floor: Values, random: np.random.Generator
) -> tuple[Integers, Values]:
    """Improve an assignment until it meets `floor` or nothing helps; see `search`."""
    state = _State(problem, start)
    stale = 0
    while state.values > floor and stale < _PATIENCE:
        before = state.values
        state.step(floor, random)
        stale = 0 if state.values < before else stale + 1
    return state.sides, state.values


def search(
    problem: Problem, start: Integers, floor: Values, random: np.random.Generator
) -> tuple[Integers, Values]:
    """Improve an assignment until it meets `floor`, or many kicks have led nowhere.

    Args:
        problem: what to pursue.
        start: `(item,)` side of each item; every side has the items that it must have.
        floor: values that cannot be beaten: where they are met the search ends.
        random: decides what is tried, and between equals.

    Returns:
        The best assignment found, and its values.
    """
    best, best_values = descend(problem, start, floor, random)
    for _ in range(min(_KICKS, _KICKS_PER_ITEM * problem.item_count)):
        if best_values <= floor:
            break
        trial = best.copy()
        count = min(_KICKED_ITEMS, problem.item_count)
        kicked = random.permutation(problem.item_count)[:count]
        trial[kicked] = random.integers(problem.side_count, size=count)
        if (np.bincount(trial, minlength=problem.side_count) < problem.min_items).any():
            continue
        found, values = descend(problem, trial, floor, random)
        if values <= best_values:
            best, best_values = found, values
    return best, best_values


class _State:
    """An assignment with its totals, changed by one swap or move at a time."""

    def __init__(self, problem: Problem, start: Integers) -> None:
        self.sides = start.copy()
        self._min_items = problem.min_items
        self._quantities, self._targets, self._tolerance, owner = stack(problem.goals)
        self._totals = total_up(self._quantities, self.sides, problem.side_count)
        self._counts = np.bincount(self.sides, minlength=problem.side_count)
        # Where each goal's quantities begin: they stand side by side.
        self._begins = np.searchsorted(owner, np.arange(len(problem.goals)))
        self._ends = np.append(self._begins[1:], len(owner))
        self._missed = self._miss(slice(None), self._totals)
        self.values: Values = tuple(self._sum_goals(self._missed).sum(axis=0).tolist())

    def step(self, floor: Values, random: np.random.Generator) -> None:
        """Take the best swap or move between two sides that makes nothing worse, if there is one.

        Among equally good ones a random one, so that a descent can cross a plateau.
        """
        goal = next(place for place, value in enumerate(self.values) if value > floor[place])
        columns = slice(self._begins[goal], self._ends[goal])
        first, second = self._choose_sides(columns, random)
        wanted = self._direction(first, columns)
        ours = self._sample(first, columns, wanted, random)
        theirs = self._sample(second, columns, -wanted, random)
        # The last row and column stand for no item: a move instead of a swap.
        none = np.zeros((1, self._quantities.shape[1]), np.int64)
        given = np.concatenate([self._quantities[ours], none])
        taken = np.concatenate([self._quantities[theirs], none])
        change = taken[None] - given[:, None]
        missed = self._miss(first, self._totals[first] + change)
        missed += self._miss(second, self._totals[second] - change)
        found = self._sum_goals(missed).reshape(-1, len(self.values))
        chosen = self._choose_best(first, second, found, len(ours), len(theirs), random)
        if chosen is None:
            return
        row, column = divmod(chosen, len(theirs) + 1)
        if row < len(ours):
            self._move(ours[row], first, second)
        if column < len(theirs):
            self._move(theirs[column], second, first)
        for side in (first, second):
            self._missed[side] = self._miss(side, self._totals[side])
        self.values = tuple(self._sum_goals(self._missed).sum(axis=0).tolist())

    def _choose_best(
        self,
        first: int,
        second: int,
        found: Integers,
        ours: int,
        theirs: int,
        random: np.random.Generator,
    ) -> int | None:
        """Return the best of all swaps and moves, one of the best at random; None where all harm.

        Args:
            first: a side.
            second: the other.
            found: `(swap or move, goal)`: what both sides would miss.
            ours: how many items of the first are tried.
            theirs: how many of the second.
            random: decides between equals.
        """
        candidates = np.flatnonzero(self._allowed(first, second, ours, theirs))
        now = self._sum_goals(self._missed[[first, second]]).sum(axis=0).tolist()
        is_better = False
        for goal, value in enumerate(now):
            if not len(candidates):
                return None
            column = found[candidates, goal]
            least = column.min()
            if not is_better and least > value:
                return None
            is_better = is_better or least < value
            candidates = candidates[column == least]
        return int(candidates[random.integers(len(candidates))])

    def _choose_sides(self, columns: slice, random: np.random.Generator) -> tuple[int, int]:
        """Return two sides: most often one that misses most of these quantities, and another."""
        count = len(self._totals)
        if random.random() < _WORST_FIRST:
            missed = self._missed[:, columns].sum(axis=1)
            worst = np.flatnonzero(missed == missed.max())
            first = int(worst[random.integers(len(worst))])
        else:
            first = int(random.integers(count))
        second = int(random.integers(count - 1))
        return first, second + (second >= first)

    def _direction(self, side: int, columns: slice) -> Integers:
        """Return +1 for what a side has too much of, -1 for too little, 0 for what is right."""
        distance = self._totals[side, columns] - self._targets[side, columns]
        is_missed = np.abs(distance) > self._tolerance[side, columns]
        direction: Integers = np.where(is_missed, np.sign(distance), 0)
        return direction

    def _sample(
        self, side: int, columns: slice, wanted: Integers, random: np.random.Generator
    ) -> Integers:
        """Return members: those with most of what is wanted away, and some at random."""
        members = np.flatnonzero(self.sides == side)
        if len(members) <= _SAMPLE + _FITTEST:
            return members
        gain = self._quantities[members, columns] @ wanted
        # A stable sort: which of several equals a partial one returns depends on the processor.
        fittest = members[np.argsort(-gain, kind="stable")[:_FITTEST]]
        return np.concatenate([fittest, members[random.integers(len(members), size=_SAMPLE)]])

    def _allowed(self, first: int, second: int, ours: int, theirs: int) -> NDArray[np.bool_]:
        """Return which swaps and moves leave both sides the items they must have."""
        allowed = np.ones((ours + 1, theirs + 1), np.bool_)
        allowed[:-1, -1] = self._counts[first] > self._min_items[first]
        allowed[-1, :-1] = self._counts[second] > self._min_items[second]
        allowed[-1, -1] = False
        return allowed

    def _move(self, item: int, origin: int, target: int) -> None:
        self.sides[item] = target
        self._totals[origin] -= self._quantities[item]
        self._totals[target] += self._quantities[item]
        self._counts[origin] -= 1
        self._counts[target] += 1

    def _miss(self, side: int | slice, totals: Integers) -> Integers:
        distance = np.abs(totals - self._targets[side])
        missed: Integers = np.maximum(distance - self._tolerance[side], 0)
        return missed

    def _sum_goals(self, missed: Integers) -> Integers:
        """Return what each goal misses, of what each quantity does; along the last axis."""
        sums: Integers = np.add.reduceat(missed, self._begins, axis=-1)
        return sums
