from collections.abc import Callable
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.audit.checks import audit_split
from transforms.errors import RefusalError
from transforms.settings import SplitSettings
from transforms.splits.nested import PROTOCOL, held_out_counts, split_fixed_test_nested
from transforms.splits.participants import gather_participants
from transforms.splits.split import TRAIN, Split

MakeTables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
RATIOS = ("ratio_1_1_2", "ratio_1_1_4")


def split_tables(index: pl.DataFrame, people: pl.DataFrame, **changes: Any) -> Split:
    settings = SplitSettings(**({"ratios": RATIOS, "seed": 1} | changes))
    return split_fixed_test_nested(index, gather_participants(index, people), settings)


def finished(split: Split) -> pl.DataFrame:
    return split.table.with_columns(
        dataset_version=pl.lit("v"), protocol=pl.lit(PROTOCOL, dtype=pl.String)
    )


def test_held_out_counts_round_halves_up_and_never_to_none() -> None:
    assert held_out_counts({"neutral": 15}, 0.3, 0.01) == {"neutral": {"test": 5, "selection": 1}}
    assert held_out_counts({"neutral": 15}, 0.3, 0.0) == {"neutral": {"test": 5}}


def test_demo_tests_every_class_and_is_clean(
    demo: dict[str, list[int]], tables: MakeTables
) -> None:
    index, people = tables(demo)
    split = split_tables(index, people)
    assert audit_split(finished(split), index) == []
    assert all(problem.goals[0].value == 0 for problem in split.problems)
    tested = split.table.filter(pl.col("side") == "test")
    assert set(tested["label"]) == {"positive", "neutral", "negative"}
    trained = split.table.filter(pl.col("side") == TRAIN).group_by("variant").len()
    assert split.training is not None
    assert set(trained["len"]) == {split.training["size"]}


def test_at_most_one_participant_of_a_class_is_trained_on_in_part(tables: MakeTables) -> None:
    index, people = tables(
        {label: [5, 1, 4, 2, 3, 3] for label in ("positive", "neutral")} | {"negative": [4] * 12}
    )
    split = split_tables(index, people)
    per_person = split.table.group_by("variant", "label", "participant_id").agg(
        (pl.col("side") == TRAIN).any().alias("some"), (pl.col("side") == TRAIN).all().alias("all")
    )
    partial = per_person.filter(pl.col("some") & ~pl.col("all")).group_by("variant", "label").len()
    assert partial.height > 0
    assert set(partial["len"]) == {1}


def test_scoliosis1k_with_a_fifth_held_out_gives_the_known_counts(
    scoliosis1k: dict[str, list[int]], tables: MakeTables
) -> None:
    index, people = tables(scoliosis1k)
    ratios = (*RATIOS, "ratio_1_1_8", "ratio_1_1_16")
    split = split_tables(index, people, ratios=ratios, test_fraction=0.2, selection_fraction=0.0)
    assert [tuple(split.requested[name][TRAIN].values()) for name in ratios] == [
        (160, 160, 320),
        (106, 106, 428),
        (64, 64, 512),
        (35, 35, 570),
    ]
    assert audit_split(finished(split), index) == []


class_of = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None)
@given(
    st.fixed_dictionaries({"positive": class_of, "neutral": class_of, "negative": class_of}),
    st.sampled_from([0.0, 0.15]),
    st.integers(0, 2**31),
)
def test_any_cohort_gives_a_clean_split_or_a_refusal(
    tables: MakeTables, cohort: dict[str, list[int]], selection_fraction: float, seed: int
) -> None:
    index, people = tables(cohort, seed)
    arguments: dict[str, Any] = {"selection_fraction": selection_fraction, "seed": seed}
    sides = 3 if selection_fraction else 2
    split, refusal = None, None
    try:
        split = split_tables(index, people, **arguments)
    except RefusalError as error:
        refusal = error
    if split is None:
        too_few = min(len(counts) for counts in cohort.values()) < sides
        assert refusal is not None
        assert too_few == ("participants" in str(refusal.expected))
        return
    assert audit_split(finished(split), index) == []
    used = split.table.filter(pl.col("side") != "unused")
    assert (
        used.group_by("variant", "participant_id").agg(pl.col("side").n_unique())["side"].max() == 1
    )
    assert split_tables(index.reverse(), people, **arguments).table.equals(split.table)
    assert split.training is not None
    for problem in split.problems:
        (achieved,) = problem.achieved.values()
        assert sum(achieved.values()) == sum(cohort[problem.name])
        assert split.training["available"][problem.name] == achieved[TRAIN]
