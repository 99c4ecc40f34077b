"""Who goes on which side: an exact, participant-disjoint assignment with proof.

Participants are whole, and with them their sessions and sync groups. Each class is its own integer
program (HiGHS through scipy), solved in the stated order: first the counts, then the balance, then
the seed. What the sides mean is the protocol's concern.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import RefusalError

# Columns of the participants whose class means every side should share.
BALANCED: Final = ("sequence_count", "is_female", "age_years", "height_cm", "weight_kg")
# A side whose mean lies within a tenth of a standard deviation counts as balanced: the usual
# threshold of standardised mean differences (Austin 2009). It also makes optima provable.
BALANCE_TOLERANCE_SD: Final = 0.1
_UNITS_PER_SD: Final = 100  # balance is counted in whole hundredths of a standard deviation
_TIE_COSTS: Final = 10
# The node limit stops at the same place on every machine; the time limit is a net, and what falls
# into it is refused, because it would differ from machine to machine.
_NODE_LIMIT: Final = 5_000
_TIME_LIMIT_S: Final = 300.0

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ClassProof:
    """What was asked of one class, what came of it, and how sure that is the best there is.

    Attributes:
        requested: sequences per side.
        achieved: sequences per side.
        deviation: sum over sides of |achieved - requested|; the least possible.
        imbalance: sum over sides and columns of how far the side's centred total lies outside
            the tolerance, in hundredths of a standard deviation.
        imbalance_bound: what no assignment of that deviation can go below.
        status: `optimal`, or `feasible` where `imbalance_bound` was not reached.
    """

    requested: Mapping[str, int]
    achieved: Mapping[str, int]
    deviation: int
    imbalance: int
    imbalance_bound: int
    status: Literal["optimal", "feasible"]


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
) -> Assignment:
    """Put whole participants on sides so that each side has the requested sequences per class.

    In this order: the sum of |achieved - requested| is least; the sides are balanced in the
    columns `BALANCED`; a cost drawn from the seed decides between equals. Every side, `rest`
    included, gets at least one participant of every class.

    Args:
        participants: columns participant_id, label and `BALANCED`; nulls in a balanced column
            count as the class's mean. The order of the rows does not matter.
        requested: label -> side -> sequences, the same sides for every label.
        rest: the side of the participants on none of the requested ones.
        seed: decides between assignments that are equally good.

    Raises:
        RefusalError: a class has fewer participants than there are sides, or the solver did not
            end in time.
    """
    sides: dict[str, str] = {}
    proofs: dict[str, ClassProof] = {}
    for label in sorted(requested):
        members = participants.filter(pl.col("label") == label).sort("participant_id")
        _require_participants(label, members.height, [*requested[label], rest])
        names = list(requested[label])
        targets = np.array([requested[label][name] for name in names], dtype=np.int64)
        random = np.random.default_rng([seed, *label.encode()])
        chosen, proof = _solve_class(members, names, targets, random, where=label)
        ids = members["participant_id"].to_list()
        sides |= {
            name: rest if side < 0 else names[side] for name, side in zip(ids, chosen, strict=True)
        }
        proofs[label] = proof
    return Assignment(sides=sides, proofs=proofs)


def _require_participants(label: str, count: int, sides: Sequence[str]) -> None:
    if count < len(sides):
        raise RefusalError(
            f"class {label} cannot be on every side",
            where="splits",
            expected=f"at least {len(sides)} participants, one each for {', '.join(sides)}",
            found=count,
            fix="add participants of this class, or set splits.selection_fraction to 0"
            if len(sides) - count == 1 and len(sides) > 2
            else "add participants of this class",
        )


def _solve_class(
    members: pl.DataFrame,
    names: Sequence[str],
    targets: Integers,
    random: np.random.Generator,
    *,
    where: str,
) -> tuple[list[int], ClassProof]:
    """Return the side index of each member (-1: rest) and the proof."""
    counts = members["sequence_count"].to_numpy().astype(np.int64)
    deviation = least_deviation(counts, targets)
    features = standardise(members)
    costs = random.integers(_TIE_COSTS, size=(len(counts), len(targets)), dtype=np.int64)
    chosen, bound, is_proved = _balance(counts, targets, deviation, features, costs, where=where)
    achieved = counts @ chosen
    imbalance = measure_imbalance(chosen, features, tolerances(counts, targets))
    proof = ClassProof(
        requested={name: int(value) for name, value in zip(names, targets, strict=True)},
        achieved={name: int(value) for name, value in zip(names, achieved, strict=True)},
        deviation=deviation,
        imbalance=imbalance,
        imbalance_bound=imbalance if is_proved else bound,
        status="optimal" if is_proved or bound >= imbalance else "feasible",
    )
    side_of = np.where(chosen.any(axis=1), chosen.argmax(axis=1), -1)
    return side_of.tolist(), proof


def standardise(members: pl.DataFrame) -> Integers:
    """Return the balanced columns centred on the class's mean, in `_UNITS_PER_SD`-ths of an sd.

    Returns:
        int64 [participant, column]; columns without variation are left out.
    """
    columns = []
    for name in BALANCED:
        values = members[name].cast(pl.Float64).to_numpy()
        known = values[~np.isnan(values)]
        if len(known) < 2 or np.ptp(known) == 0:
            continue
        # fsum is exact, so the last bit does not depend on how a machine adds up.
        mean = math.fsum(known) / len(known)
        deviation = math.sqrt(math.fsum((known - mean) ** 2) / len(known))
        scaled = (values - mean) / deviation * _UNITS_PER_SD
        columns.append(np.rint(np.nan_to_num(scaled)).astype(np.int64))
    return np.stack(columns, axis=1) if columns else np.zeros((members.height, 0), dtype=np.int64)


def tolerances(counts: Integers, targets: Integers) -> Integers:
    """Return, per side, how far a centred total may lie from zero and still count as balanced."""
    expected_participants = len(counts) * targets / counts.sum()
    allowed: Integers = np.floor(
        BALANCE_TOLERANCE_SD * _UNITS_PER_SD * expected_participants
    ).astype(np.int64)
    return allowed


def measure_imbalance(chosen: Integers, features: Integers, tolerance: Integers) -> int:
    """Return the imbalance of an assignment `chosen`, {0, 1} [participant, side]."""
    totals = np.abs(chosen.T @ features)  # (side, column)
    return int(np.maximum(totals - tolerance[:, None], 0).sum())


def least_deviation(counts: Integers, targets: Integers) -> int:
    """Return the least sum of |achieved - requested| that whole participants allow.

    Participants with equally many sequences are interchangeable here, so the program counts
    them: a handful of whole numbers, solved to proof at once. Side -1 (the rest) keeps one too.
    """
    kinds, multiplicity = np.unique(counts, return_counts=True)
    kind_count, side_count = len(kinds), len(targets)
    program = _Program(kind_count * side_count + side_count)
    taken = np.arange(kind_count * side_count).reshape(kind_count, side_count)
    missed = kind_count * side_count + np.arange(side_count)
    for kind in range(kind_count):
        program.add(taken[kind], np.ones(side_count), high=multiplicity[kind])
    program.add(taken.ravel(), np.ones(taken.size), high=len(counts) - 1)
    _add_count_rows(program, taken, missed, kinds, targets)
    program.upper[taken] = multiplicity[:, None]
    program.cost[missed] = 1
    solution = program.solve(where="splits")
    return round(float(solution.values[missed].sum()))


def _balance(
    counts: Integers,
    targets: Integers,
    deviation: int,
    features: Integers,
    costs: Integers,
    *,
    where: str,
) -> tuple[Integers, int, bool]:
    """Return the assignment {0, 1} [participant, side], a bound on imbalance, and if proved."""
    member_count, side_count = costs.shape
    column_count = features.shape[1]
    base = member_count * side_count
    program = _Program(base + side_count + side_count * column_count)
    taken = np.arange(base).reshape(member_count, side_count)
    missed = base + np.arange(side_count)
    excess = base + side_count + np.arange(side_count * column_count)
    for member in range(member_count):
        program.add(taken[member], np.ones(side_count), high=1)
    program.add(taken.ravel(), np.ones(base), high=member_count - 1)
    _add_count_rows(program, taken, missed, counts, targets)
    program.add(missed, np.ones(side_count), high=deviation)
    tolerance = tolerances(counts, targets)
    for side in range(side_count):
        for column in range(column_count):
            where_excess = excess[side * column_count + column]
            variables = np.append(taken[:, side], where_excess)
            for sign in (1, -1):
                weights = np.append(sign * features[:, column], -1)
                program.add(variables, weights, high=tolerance[side])
    program.upper[taken] = 1
    # One unit of balance outweighs all tie costs together.
    balance_cost = 1 + int(costs.max(axis=1).sum())
    program.cost[taken] = costs
    program.cost[excess] = balance_cost
    solution = program.solve(where=where)
    chosen = np.rint(solution.values[taken]).astype(np.int64)
    # The dual bound holds for balance and ties together; what it leaves to balance, rounded up.
    bound = max(0, math.ceil((solution.bound - balance_cost + 1) / balance_cost - 1e-6))
    return chosen, bound, solution.is_optimal


def _add_count_rows(
    program: "_Program", taken: Integers, missed: Integers, counts: Integers, targets: Integers
) -> None:
    """Tie each side's `missed` to |achieved - requested| and give it a participant."""
    for side, target in enumerate(targets):
        variables = np.append(taken[:, side], missed[side])
        program.add(variables, np.append(counts, -1), high=target)
        program.add(variables, np.append(counts, 1), low=target)
        program.add(taken[:, side], np.ones(len(taken)), low=1)


@dataclass(frozen=True)
class _Solution:
    values: NDArray[np.float64]
    bound: float
    is_optimal: bool


class _Program:
    """An integer program under construction: rows of constraints, costs, upper bounds."""

    def __init__(self, variable_count: int) -> None:
        self.cost = np.zeros(variable_count)
        self.upper = np.full(variable_count, np.inf)
        self._entries: list[tuple[NDArray[Any], NDArray[Any]]] = []  # `Any`: ints or floats
        self._low: list[float] = []
        self._high: list[float] = []

    def add(
        self,
        variables: Integers,
        weights: NDArray[Any],  # `Any`: ints or floats
        *,
        low: float = -np.inf,
        high: float = np.inf,
    ) -> None:
        """Add the row low <= weights . variables <= high."""
        self._entries.append((variables, weights))
        self._low.append(low)
        self._high.append(high)

    def solve(self, *, where: str) -> _Solution:
        """Minimise the cost over non-negative integers."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        lengths = [len(variables) for variables, _ in self._entries]
        matrix = csr_array(
            (
                np.concatenate([weights for _, weights in self._entries]).astype(np.float64),
                (
                    np.repeat(np.arange(len(lengths)), lengths),
                    np.concatenate([variables for variables, _ in self._entries]),
                ),
            ),
            shape=(len(lengths), len(self.cost)),
        )
        result = milp(
            self.cost,
            constraints=LinearConstraint(matrix, np.array(self._low), np.array(self._high)),
            integrality=np.ones(len(self.cost)),
            bounds=Bounds(np.zeros(len(self.cost)), self.upper),
            options={
                "mip_rel_gap": 0.0,
                "node_limit": _NODE_LIMIT,
                "time_limit": _TIME_LIMIT_S,
            },
        )
        if result.x is None or (result.status != 0 and result.mip_node_count < _NODE_LIMIT):
            raise RefusalError(
                "the solver found no assignment that it could repeat on another machine",
                where=where,
                expected=f"an end within {_NODE_LIMIT} nodes and {_TIME_LIMIT_S:.0f} s",
                found=result.message,
                fix="ask for fewer sides",
            )
        return _Solution(
            values=np.asarray(result.x, dtype=np.float64),
            bound=float(result.mip_dual_bound),
            is_optimal=result.status == 0,
        )
