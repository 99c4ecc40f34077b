"""What an assignment to sides is judged by: goals in order, each a sum of whole-number misses.

Everything is an integer, so that a value means the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

Values = tuple[int, ...]
"""One value per goal, in their order: compared like words in a dictionary."""


@dataclass(frozen=True)
class Goal:
    """Sides should hold `targets` of some quantities; what lies outside the tolerance is missed.

    Attributes:
        name: as people know it.
        quantities: `(item, quantity)`: what each item brings along.
        targets: `(side, quantity)`.
        tolerance: `(side, quantity)`: how far a total may lie from its target at no cost.
        least: a value that arithmetic alone shows no assignment to go below.
    """

    name: str
    quantities: Integers
    targets: Integers
    tolerance: Integers
    least: int = 0


@dataclass(frozen=True)
class Problem:
    """Items to put on sides, and the goals to pursue, each only as far as those before it allow.

    Attributes:
        goals: in their order.
        min_items: how many items each side must have.
    """

    goals: tuple[Goal, ...]
    min_items: tuple[int, ...]

    @property
    def item_count(self) -> int:
        """How many items there are to put somewhere."""
        return len(self.goals[0].quantities)

    @property
    def side_count(self) -> int:
        """How many sides there are to put them on."""
        return len(self.goals[0].targets)

    @property
    def least(self) -> Values:
        """What arithmetic alone shows of every goal."""
        return tuple(goal.least for goal in self.goals)

    def measure(self, sides: Integers) -> Values:
        """Return what every goal misses where item i is on side `sides[i]`."""
        return tuple(
            int(miss(total_up(goal.quantities, sides, self.side_count), goal).sum())
            for goal in self.goals
        )


def total_up(quantities: Integers, sides: Integers, side_count: int) -> Integers:
    """Return what each side holds, `(side, quantity)`."""
    totals = np.zeros((side_count, quantities.shape[1]), np.int64)
    np.add.at(totals, sides, quantities)
    return totals


def miss(totals: Integers, goal: Goal) -> Integers:
    """Return how far totals lie outside the tolerance, `(side, quantity)`."""
    distance: Integers = np.maximum(np.abs(totals - goal.targets) - goal.tolerance, 0)
    return distance


def even_goal(name: str, quantities: Integers, side_count: int, *, tolerance: float = 0.0) -> Goal:
    """Return the goal that every side holds the same of each quantity.

    Counted in `side_count`-ths of a unit, so that a target is a whole number. To the last unit, the
    least possible miss is that of sides which differ by one unit at most.

    Args:
        name: as people know it.
        quantities: `(item, quantity)`.
        side_count: how many sides.
        tolerance: which part of its share a side may hold more or less at no cost.
    """
    totals = quantities.sum(axis=0)
    rests = totals % side_count
    least = int((2 * rests * (side_count - rests)).sum())
    return Goal(
        name=name,
        quantities=quantities * side_count,
        targets=np.tile(totals, (side_count, 1)),
        tolerance=np.tile(np.floor(totals * tolerance).astype(np.int64), (side_count, 1)),
        least=0 if tolerance else least,
    )


def stack(goals: Sequence[Goal]) -> tuple[Integers, Integers, Integers, Integers]:
    """Return all goals' quantities, targets and tolerances side by side, and whose each is."""
    owner = np.repeat(np.arange(len(goals)), [goal.quantities.shape[1] for goal in goals])
    return (
        np.concatenate([goal.quantities for goal in goals], axis=1),
        np.concatenate([goal.targets for goal in goals], axis=1),
        np.concatenate([goal.tolerance for goal in goals], axis=1),
        owner,
    )
