import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import RefusalError
from transforms.splits.solver import (
    BALANCED,
    assign_participants,
    measure_imbalance,
    standardise,
    tolerances,
)


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
        }
    )


def brute_force(people: pl.DataFrame, targets: list[int]) -> tuple[int, int]:
    """Return the least (deviation, imbalance) over all assignments."""
    counts = people["sequence_count"].to_numpy()
    wanted = np.array(targets)
    features = standardise(people)
    limit = tolerances(counts, wanted)
    best = (10**9, 10**9)
    for sides in itertools.product(range(-1, len(targets)), repeat=len(counts)):
        if set(sides) != set(range(-1, len(targets))):
            continue
        chosen = np.array([[side == k for k in range(len(targets))] for side in sides]).astype(int)
        deviation = int(np.abs(counts @ chosen - wanted).sum())
        if deviation <= best[0]:
            best = min(best, (deviation, measure_imbalance(chosen, features, limit)))
    return best


@settings(max_examples=15, deadline=None)
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
    assert (proof.deviation, proof.imbalance) == brute_force(people, [test, selection])
    assert proof.imbalance_bound == proof.imbalance
    reached = dict.fromkeys(("test", "selection", "train"), 0)
    for person, count in zip(people["participant_id"], counts, strict=True):
        reached[assignment.sides[person]] += count
    assert all(reached.values())
    assert proof.achieved == {"test": reached["test"], "selection": reached["selection"]}
    assert proof.deviation == abs(reached["test"] - test) + abs(reached["selection"] - selection)


def test_odd_count_of_pairs_is_missed_by_one_and_says_so() -> None:
    people = people_of([2] * 60, 1)
    proof = assign_participants(people, {"neutral": {"test": 31}}, rest="train", seed=3).proofs[
        "neutral"
    ]
    assert proof.deviation == 1
    assert proof.achieved["test"] in (30, 32)


def test_balance_beats_a_random_draw() -> None:
    people = people_of([1] * 40, 5)
    proof = assign_participants(people, {"neutral": {"test": 12}}, rest="train", seed=0).proofs[
        "neutral"
    ]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        chosen = np.zeros((40, 1), dtype=np.int64)
        chosen[random.choice(40, 12, replace=False)] = 1
        limit = tolerances(np.ones(40, dtype=np.int64), np.array([12]))
        drawn.append(measure_imbalance(chosen, standardise(people), limit))
    assert proof.imbalance <= min(drawn)


def test_same_seed_gives_same_sides_whatever_the_order_of_rows() -> None:
    people = people_of([1, 2, 1, 3, 1, 1], 7)
    requested = {"neutral": {"test": 3, "selection": 2}}
    first = assign_participants(people, requested, rest="train", seed=1)
    again = assign_participants(people.reverse(), requested, rest="train", seed=1)
    assert first == again


def test_seed_decides_between_equals() -> None:
    people = people_of([1] * 12, 0).with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in BALANCED if name != "sequence_count"
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


def test_unknown_demographics_count_as_the_mean() -> None:
    people = people_of([1, 1, 1], 0).with_columns(age_years=pl.Series([13.0, None, 15.0]))
    ages = standardise(people.drop("sequence_count").with_columns(sequence_count=pl.lit(1)))
    assert [-100, 0, 100] in ages.T.tolist()


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


def test_result_that_time_cut_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut:
        x = np.zeros(4)
        status = 1
        mip_node_count = 7
        message = "Time limit reached"

    def milp(*_: Any, **__: Any) -> Cut:
        return Cut()

    monkeypatch.setattr("scipy.optimize.milp", milp)
    with pytest.raises(RefusalError, match="could repeat on another machine"):
        assign_participants(people_of([1, 1, 1], 0), {"neutral": {"test": 1}}, rest="train", seed=0)


@pytest.mark.slow
def test_scoliosis1k_is_met_exactly_and_proved(
    scoliosis1k: dict[str, list[int]], tables: Callable[..., Any]
) -> None:
    people = pl.concat(
        [
            people_of(counts, number, label)
            for number, (label, counts) in enumerate(scoliosis1k.items())
        ]
    )
    requested = {"positive": {"test": 99}, "neutral": {"test": 40}, "negative": {"test": 160}}
    assignment = assign_participants(people, requested, rest="train", seed=2026)
    for label, proof in assignment.proofs.items():
        assert proof.achieved == requested[label]
        assert proof.status == "optimal"
