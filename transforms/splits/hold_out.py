"""Holding out: each class's participants on sides of asked-for sizes, the rest on one more side.

Participants are whole, and with them their sessions and sync groups. Each class is a problem of
its own. What the sides mean is the protocol's concern.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.errors import RefusalError
from transforms.splits.features import balance_goals
from transforms.splits.solving.goals import Goal, Integers, Problem
from transforms.splits.solving.solver import GoalProof, solve, status_of


@dataclass(frozen=True)
class ClassProof:
    """What was asked of one class and what came of it; the first goal is the counts.

    Attributes:
        requested: sequences per side that was asked for.
        achieved: sequences per side, the rest included.
        goals: in the order in which they were pursued.
    """

    requested: Mapping[str, int]
    achieved: Mapping[str, int]
    goals: tuple[GoalProof, ...]

    @property
    def deviation(self) -> int:
        """Return the sum over the sides asked for of |achieved - requested|."""
        return self.goals[0].value

    @property
    def status(self) -> str:
        """Return `optimal`, or `feasible` where a goal is not proved."""
        return status_of(self.goals)


@dataclass(frozen=True)
class Assignment:
    """The side of every participant, and the proof of every class."""

    sides: Mapping[str, str]  # participant_id -> side
    proofs: Mapping[str, ClassProof]  # label -> proof


def assign_participants(
    participants: pl.DataFrame,
    requested: Mapping[str, Mapping[str, int]],
    *,
    rest: str,
    seed: int,
    least_on_rest: int = 1,
) -> Assignment:
    """Put whole participants on sides so that each side has the requested sequences per class.

    In this order: the sum of |achieved - requested| is least; the sides are balanced in the
    columns `features.BALANCED`; the seed decides between equals. Every side, `rest` included, gets
    at least one participant of every class.

    Args:
        participants: columns participant_id, label and `features.BALANCED`. The order of the rows
            does not matter.
        requested: label -> side -> sequences, the same sides for every label.
        rest: the side of the participants on none of the requested ones.
        seed: decides between assignments that are equally good.
        least_on_rest: participants of each class that the rest must have.

    Raises:
        RefusalError: a class has fewer participants than there are sides.
    """
    sides: dict[str, str] = {}
    proofs: dict[str, ClassProof] = {}
    for label in sorted(requested):
        members = participants.filter(pl.col("label") == label).sort("participant_id")
        names = [*requested[label], rest]
        _require_participants(label, members.height, names, least_on_rest)
        random = np.random.default_rng([seed, *label.encode()])
        problem = state_problem(members, list(requested[label].values()), least_on_rest)
        solution = solve(problem, _fill(problem, random), random)
        ids = members["participant_id"].to_list()
        sides |= {name: names[side] for name, side in zip(ids, solution.sides, strict=True)}
        counts = members["sequence_count"].to_numpy()
        achieved = np.bincount(solution.sides, weights=counts, minlength=len(names))
        proofs[label] = ClassProof(
            requested=dict(requested[label]),
            achieved={name: int(count) for name, count in zip(names, achieved, strict=True)},
            goals=solution.goals,
        )
    return Assignment(sides=sides, proofs=proofs)


def state_problem(members: pl.DataFrame, targets: Sequence[int], least_on_rest: int = 1) -> Problem:
    """Return the problem of one class; the rest is the last side."""
    counts = members["sequence_count"].to_numpy().astype(np.int64)
    total = int(counts.sum())
    # The rest has no target: any number of sequences is right.
    goal = Goal(
        name="sequences",
        quantities=counts[:, None],
        targets=np.array([*targets, 0], np.int64)[:, None],
        tolerance=np.array([*([0] * len(targets)), total], np.int64)[:, None],
    )
    wanted = np.array([*targets, max(0, total - sum(targets))], np.float64)
    expected = members.height * wanted / max(1.0, float(wanted.sum()))
    min_items = (*(1 for _ in targets), least_on_rest)
    return Problem(goals=(goal, *balance_goals(members, expected)), min_items=min_items)


def _fill(problem: Problem, random: np.random.Generator) -> Integers:
    """Return a start: in random order, everybody where the side still wants them."""
    goal = problem.goals[0]
    order = random.permutation(problem.item_count)
    sides = np.full(problem.item_count, problem.side_count - 1)
    # What each side must have first, so that none has too few.
    must = np.repeat(np.arange(problem.side_count), problem.min_items)
    sides[order[: len(must)]] = must
    ends = np.cumsum(goal.quantities[order[len(must) :], 0])
    begin = 0
    for side in range(problem.side_count - 1):
        missing = goal.targets[side, 0] - goal.quantities[sides == side, 0].sum()
        stop = begin + int(
            np.searchsorted(ends[begin:] - (ends[begin - 1] if begin else 0), missing, "right")
        )
        sides[order[len(must) + begin : len(must) + stop]] = side
        begin = max(begin, stop)
    return sides


def _require_participants(label: str, count: int, sides: Sequence[str], least_on_rest: int) -> None:
    if count < len(sides) - 1 + least_on_rest:
        raise RefusalError(
            f"class {label} cannot be on every side",
            where="splits",
            expected=f"at least {len(sides) - 1 + least_on_rest} participants, one each for "
            f"{', '.join(sides)}" + (f" ({least_on_rest})" if least_on_rest > 1 else ""),
            found=count,
            fix="add participants of this class, or set splits.selection_fraction to 0"
            if len(sides) - count == 1 and len(sides) > 2
            else "add participants of this class",
        )
