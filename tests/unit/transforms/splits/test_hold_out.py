import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import RefusalError
from transforms.splits.features import BALANCED
from transforms.splits.hold_out import assign_participants, state_problem
from transforms.splits.participants import gather_participants


def people_of(counts: list[int], seed: int, label: str = "neutral") -> pl.DataFrame:
    random = np.random.default_rng(seed)
    size = len(counts)
    return pl.DataFrame(
        {
            "participant_id": [f"{label}{number:03}" for number in range(size)],
            "label": [label] * size,
            "sequence_count": counts,
            "is_female": random.integers(0, 2, size).astype(float),
            "age_years": random.normal(14, 1, size).round(1),
            "height_cm": random.normal(160, 7, size).round(1),
            "weight_kg": random.normal(48, 8, size).round(1),
            "site": random.choice(["north", "south", "west"], size),
            "duration_s": random.normal(12, 2, size).round(2) * counts,
        }
    )


def brute_force(people: pl.DataFrame, targets: list[int]) -> tuple[int, ...]:
    """Return the least values of all goals, in their order, over all assignments."""
    problem = state_problem(people.sort("participant_id"), targets)
    everyone = itertools.product(range(problem.side_count), repeat=people.height)
    return min(
        problem.measure(np.array(sides))
        for sides in everyone
        if len(set(sides)) == problem.side_count
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=3, max_size=6),
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(0, 2**31),
)
def test_optimum_equals_brute_force(
    counts: list[int], test: int, selection: int, seed: int
) -> None:
    people = people_of(counts, seed)
    requested = {"neutral": {"test": test, "selection": selection}}
    assignment = assign_participants(people, requested, rest="train", seed=seed)
    proof = assignment.proofs["neutral"]
    assert proof.status == "optimal"
    assert tuple(goal.value for goal in proof.goals) == brute_force(people, [test, selection])
    assert tuple(goal.bound for goal in proof.goals) == tuple(goal.value for goal in proof.goals)
    reached = dict.fromkeys(("test", "selection", "train"), 0)
    for person, count in zip(people["participant_id"], counts, strict=True):
        reached[assignment.sides[person]] += count
    assert all(reached.values())
    assert proof.achieved == reached
    assert proof.deviation == abs(reached["test"] - test) + abs(reached["selection"] - selection)


def test_odd_count_of_pairs_is_missed_by_one_and_says_so() -> None:
    people = people_of([2] * 60, 1)
    proof = assign_participants(people, {"neutral": {"test": 31}}, rest="train", seed=3).proofs[
        "neutral"
    ]
    assert proof.deviation == 1
    assert proof.goals[0].is_proved
    assert proof.achieved["test"] in (30, 32)


def test_sides_are_alike_in_everything_that_is_balanced() -> None:
    people = people_of([1, 2] * 60, 5)
    assignment = assign_participants(people, {"neutral": {"test": 50}}, rest="train", seed=0)
    assert [goal.value for goal in assignment.proofs["neutral"].goals] == [0] * 8
    side = pl.col("participant_id").replace_strict(assignment.sides, return_dtype=pl.String)
    tested = people.filter(side == "test")
    for column in ("is_female", "age_years", "height_cm", "weight_kg", "duration_s"):
        gap = tested[column].mean() - people[column].mean()  # type: ignore[operator]
        # A tenth of a standard deviation, and the rounding to hundredths.
        assert abs(gap) <= 0.15 * people[column].std(ddof=0)  # type: ignore[operator]


def test_an_earlier_goal_is_never_given_up_for_a_later_one() -> None:
    # Two sequences each, so that an even count of women can only be had at the price of counts.
    people = people_of([1, 1, 1, 3], 0).with_columns(
        is_female=pl.Series([1.0, 1.0, 1.0, 0.0]), site=pl.lit("north")
    )
    proof = assign_participants(people, {"neutral": {"test": 3}}, rest="train", seed=0).proofs[
        "neutral"
    ]
    assert proof.deviation == 0
    assert proof.goals[2].name == "is_female"
    assert proof.goals[2].value > 0


def test_same_seed_gives_same_sides_whatever_the_order_of_rows() -> None:
    people = people_of([1, 2, 1, 3, 1, 1], 7)
    requested = {"neutral": {"test": 3, "selection": 2}}
    first = assign_participants(people, requested, rest="train", seed=1)
    again = assign_participants(people.reverse(), requested, rest="train", seed=1)
    assert first == again


def test_seed_decides_between_equals() -> None:
    people = people_of([1] * 12, 0).with_columns(
        *(
            pl.lit(None, dtype=pl.Float64).alias(name)
            for name in BALANCED
            if name not in ("sequence_count", "site")
        ),
        site=pl.lit(None, dtype=pl.String),
    )
    drawn = {
        tuple(
            assign_participants(
                people, {"neutral": {"test": 4}}, rest="train", seed=seed
            ).sides.values()
        )
        for seed in range(6)
    }
    assert len(drawn) > 3


@pytest.mark.parametrize(
    ("members", "sides", "fix"),
    [(2, {"test": 1, "selection": 1}, "selection_fraction"), (1, {"test": 1}, "add participants")],
)
def test_class_with_fewer_participants_than_sides_is_refused(
    members: int, sides: dict[str, int], fix: str
) -> None:
    with pytest.raises(RefusalError, match=f"at least {len(sides) + 1} participants") as caught:
        assign_participants(people_of([4] * members, 0), {"neutral": sides}, rest="train", seed=0)
    assert caught.value.found == str(members)
    assert caught.value.fix is not None
    assert fix in caught.value.fix


def test_more_sequences_than_there_are_leave_one_participant(
    tables: Callable[..., tuple[pl.DataFrame, pl.DataFrame]],
) -> None:
    index, people = tables({"neutral": [2, 1, 1, 1]})
    participants = gather_participants(index, people)
    proof = assign_participants(
        participants, {"neutral": {"test": 9}}, rest="train", seed=0
    ).proofs["neutral"]
    assert proof.achieved == {"test": 4, "train": 1}
    assert proof.deviation == 5


def test_scoliosis1k_is_met_exactly_and_proved(
    scoliosis1k: dict[str, list[int]], tables: Callable[..., Any]
) -> None:
    participants = gather_participants(*tables(scoliosis1k))
    requested = {"positive": {"train": 186}, "neutral": {"train": 186}, "negative": {"train": 373}}
    assignment = assign_participants(participants, requested, rest="test", seed=0)
    assert {proof.status for proof in assignment.proofs.values()} == {"optimal"}
    assert all(proof.deviation == 0 for proof in assignment.proofs.values())
