from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import RefusalError
from transforms.settings import SplitSettings
from transforms.splits.folds import assign_folds, split_k_fold
from transforms.splits.participants import gather_participants
from transforms.splits.split import Split

MakeTables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
DEFORMITY = {"asd": (27, 4673), "dhs": (9, 2959), "lcs": (6, 1026), "hipoa": (2, 373)}


def split_tables(index: pl.DataFrame, people: pl.DataFrame, **changes: Any) -> Split:
    values = {"protocol": "k_fold", "selection_fraction": 0.0}
    return split_k_fold(
        index, gather_participants(index, people), SplitSettings(**(values | changes))
    )


def draw_seconds(total: int, count: int, random: np.random.Generator) -> list[int]:
    weights = random.lognormal(0, 0.3, count)
    seconds = np.floor(weights / weights.sum() * total).astype(int)
    seconds[: total - seconds.sum()] += 1
    return [int(one) for one in seconds]


def spine_cohort(seed: int) -> pl.DataFrame:
    """The dual-view cohort's classes and durations, with people drawn from a seed."""
    random = np.random.default_rng(seed)
    rows = [
        {"participant_id": f"{label}{number:02}", "label": label, "duration_s": float(seconds)}
        for label, (count, total) in sorted(DEFORMITY.items())
        for number, seconds in enumerate(draw_seconds(total, count, random))
    ]
    size = len(rows)
    return pl.DataFrame(rows).with_columns(
        sequence_count=pl.lit(1, dtype=pl.Int64),
        is_female=pl.Series(random.integers(0, 2, size).astype(float)),
        age_years=pl.Series(random.normal(68, 9, size)),
        height_cm=pl.Series(random.normal(156, 9, size)),
        weight_kg=pl.Series(random.normal(57, 9, size)),
        site=pl.lit("clinic"),
    )


def test_the_dual_view_cohort_is_spread_as_evenly_as_can_be_and_proved() -> None:
    people = spine_cohort(3).sort("label", "participant_id")
    folds, goals = assign_folds(people, 5, seed=1)
    proved = {goal.name: goal.is_proved for goal in goals}
    for name in ("participants of each class", "participants", "sequences", "seconds"):
        assert proved[name], name
    for label, (count, _) in DEFORMITY.items():
        sizes = np.bincount(folds[(people["label"] == label).to_numpy()], minlength=5)
        assert set(sizes.tolist()) <= {count // 5, -(-count // 5)}, label
    assert sorted(np.bincount(folds, minlength=5).tolist()) == [8, 9, 9, 9, 9]
    seconds = np.bincount(folds, weights=people["duration_s"].to_numpy(), minlength=5)
    assert np.abs(seconds / seconds.mean() - 1).max() <= 0.01


def test_scoliosis1k_gets_even_folds_in_everything(
    scoliosis1k: dict[str, list[int]], tables: MakeTables
) -> None:
    split = split_tables(*tables(scoliosis1k))
    (problem,) = split.problems
    assert all(goal.is_proved for goal in problem.goals)
    tested = split.table.filter(pl.col("side") == "test")
    assert tested.height == tested["sequence_id"].n_unique() == 1493
    per_fold = tested.group_by("variant").agg(
        pl.len(), pl.col("participant_id").n_unique().alias("people")
    )
    assert sorted(per_fold["len"].to_list()) == [298, 298, 299, 299, 299]
    assert set(per_fold["people"]) == {210}
    for label, total in (("positive", 493), ("neutral", 200), ("negative", 800)):
        counts = tested.filter(pl.col("label") == label).group_by("variant").len()["len"]
        assert set(counts) <= {total // 5, -(-total // 5)}


@settings(max_examples=12, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            label: st.lists(st.integers(1, 3), min_size=1, max_size=6)
            for label in ("positive", "neutral", "negative")
        }
    ),
    st.integers(2, 5),
    st.sampled_from([0.0, 0.2]),
    st.integers(0, 2**31),
)
def test_any_cohort_is_tested_once_and_never_shared(
    tables: MakeTables, cohort: dict[str, list[int]], folds: int, selection: float, seed: int
) -> None:
    index, people = tables(cohort, seed)
    sizes = [len(counts) for counts in cohort.values()]
    # With a selection side, a class needs two people in every training set too.
    rest = [size - -(-size // folds) for size in sizes]
    arguments = {"folds": folds, "selection_fraction": selection, "seed": seed}
    if min(sizes) < 2 or sum(sizes) < folds or (selection and min(rest) < 2):
        with pytest.raises(RefusalError):
            split_tables(index, people, **arguments)
        return
    split = split_tables(index, people, **arguments)
    used = split.table.group_by("variant", "participant_id").agg(pl.col("side").n_unique())
    assert used["side"].max() == 1
    tested = split.table.filter(pl.col("side") == "test")
    assert sorted(tested["sequence_id"]) == sorted(index["sequence_id"])
    assert tested["variant"].n_unique() == folds
    per_class = (
        tested.unique(["variant", "participant_id"])
        .group_by("label", "variant")
        .len()
        .group_by("label")
        .agg(pl.col("len").max())
    )
    for label, most in per_class.iter_rows():
        assert most == -(-len(cohort[label]) // folds)


def test_a_fold_without_a_class_is_said(tables: MakeTables) -> None:
    index, people = tables({"positive": [1] * 2, "neutral": [1] * 6, "negative": [1] * 9})
    split = split_tables(index, people)
    assert split.notes == ("class positive has 2 participants: 3 folds test none of it",)


def test_one_person_of_a_class_is_refused(tables: MakeTables) -> None:
    index, people = tables({"positive": [3], "neutral": [1] * 6, "negative": [1] * 9})
    with pytest.raises(RefusalError, match="class positive cannot be both trained and tested"):
        split_tables(index, people)


def test_more_folds_than_people_are_refused(tables: MakeTables) -> None:
    index, people = tables({"positive": [1] * 2, "neutral": [1] * 2, "negative": [1] * 2})
    with pytest.raises(RefusalError, match="fewer participants than folds"):
        split_tables(index, people, folds=7)
