"""From a problem to an assignment with proof: a search finds it, an integer program proves it.

Goal after goal: where the search reached what arithmetic allows, that is the proof; elsewhere
an integer program says how far it is from the best, or hands over something better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from transforms.splits.solving.goals import Integers, Problem, Values
from transforms.splits.solving.prover import find_floor, prove
from transforms.splits.solving.search import descend, search


@dataclass(frozen=True)
class GoalProof:
    """What became of one goal.

    Attributes:
        name: of the goal.
        value: what is missed.
        bound: what no assignment goes below that does as well in the goals before.
    """

    name: str
    value: int
    bound: int

    @property
    def is_proved(self) -> bool:
        """Whether nothing better exists."""
        return self.value <= self.bound


@dataclass(frozen=True)
class Solution:
    """Where every item is, and what is known of every goal, in their order."""

    sides: Integers
    goals: tuple[GoalProof, ...]


def status_of(goals: Sequence[GoalProof]) -> Literal["optimal", "feasible"]:
    """Return `optimal` where every goal is proved."""
    return "optimal" if all(goal.is_proved for goal in goals) else "feasible"


def solve(problem: Problem, start: Integers, random: np.random.Generator) -> Solution:
    """Return the best assignment found, each goal pursued as far as those before it allow.

    Args:
        problem: items, sides and goals.
        start: `(item,)` any side of each item that gives every side the items it must have.
        random: decides between assignments that are equally good.
    """
    least = problem.least
    bounds = list(least)
    sides, values = descend(problem, start, least, random)
    if values > least:
        bounds = list(find_floor(problem, values))
        sides, values = search(problem, sides, tuple(bounds), random)
    for place in range(len(bounds)):
        if values[place] <= bounds[place]:
            continue
        verdict = prove(problem, place, values, random)
        # What was taken for a bound of the others counted on this one to meet its own.
        bounds[place:] = [verdict.bound, *least[place + 1 :]]
        if verdict.better is not None:
            sides, values = _reach(problem, sides, values, place, verdict.better, random)
        # The search has spent itself on this goal; now for those after it.
        sides, values = search(problem, sides, (*values[: place + 1], *least[place + 1 :]), random)
    goals = tuple(
        GoalProof(goal.name, value, bound)
        for goal, value, bound in zip(problem.goals, values, bounds, strict=True)
    )
    return Solution(sides, goals)


def _reach(
    problem: Problem,
    sides: Integers,
    values: Values,
    place: int,
    better: Integers,
    random: np.random.Generator,
) -> tuple[Integers, Values]:
    """Return an assignment as good as `better` up to a goal, and its values.

    The search's own if it finds one: which of many a solver names depends on its version.
    """
    wanted = problem.measure(better)
    aim = (*wanted[: place + 1], *problem.least[place + 1 :])
    found, reached = search(problem, sides, aim, random)
    if reached[: place + 1] > wanted[: place + 1]:
        found, reached = search(problem, better, aim, random)
    return (found, reached) if reached < values else (sides, values)
