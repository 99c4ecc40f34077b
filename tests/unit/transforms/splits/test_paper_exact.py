from collections.abc import Callable
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import RefusalError
from transforms.settings import SplitSettings
from transforms.splits.paper_exact import reachable_sums, split_paper_exact, training_counts
from transforms.splits.participants import gather_participants
from transforms.splits.split import Split

MakeTables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
RATIOS = ("ratio_1_1_2", "ratio_1_1_4", "ratio_1_1_8", "ratio_1_1_16")


def split_tables(index: pl.DataFrame, people: pl.DataFrame, **changes: Any) -> Split:
    values = {"protocol": "paper_exact", "ratios": RATIOS, "selection_fraction": 0.0}
    settings = SplitSettings(**(values | changes))
    return split_paper_exact(index, gather_participants(index, people), settings)


def count(split: Split, variant: str, side: str) -> dict[str, int]:
    rows = split.table.filter((pl.col("variant") == variant) & (pl.col("side") == side))
    return dict(rows.group_by("label").len().iter_rows())


def test_scoliosis1k_trains_on_the_published_counts_and_tests_on_the_rest(
    scoliosis1k: dict[str, list[int]], tables: MakeTables
) -> None:
    split = split_tables(*tables(scoliosis1k))
    found = [count(split, variant, "train") for variant in RATIOS]
    assert found == [
        {"positive": 186, "neutral": 186, "negative": 373},
        {"positive": 124, "neutral": 124, "negative": 497},
        {"positive": 74, "neutral": 74, "negative": 596},
        {"positive": 41, "neutral": 41, "negative": 663},
    ]
    assert count(split, "ratio_1_1_2", "test")["neutral"] == 14
    assert count(split, "ratio_1_1_16", "test")["neutral"] == 159
    people = split.table.group_by("variant", "participant_id").agg(pl.col("side").n_unique())
    assert people["side"].max() == 1
    assert all(problem.goals[0].value == 0 for problem in split.problems)


def test_selection_is_taken_from_what_is_not_trained_on(
    scoliosis1k: dict[str, list[int]], tables: MakeTables
) -> None:
    split = split_tables(*tables(scoliosis1k), ratios=("ratio_1_1_8",), selection_fraction=0.1)
    assert count(split, "ratio_1_1_8", "train") == {"positive": 74, "neutral": 74, "negative": 596}
    assert count(split, "ratio_1_1_8", "selection") == {
        "positive": 42,
        "neutral": 13,
        "negative": 20,
    }
    people = split.table.group_by("participant_id").agg(pl.col("side").n_unique())
    assert people["side"].max() == 1


def test_another_cohort_trains_on_the_same_share() -> None:
    totals = {"positive": 50, "neutral": 40, "negative": 210}
    # 300 x 745 / 1493 = 149.7
    assert training_counts("ratio_1_1_4", totals, None) == {
        "positive": 24,
        "neutral": 24,
        "negative": 101,
    }
    assert sum(training_counts("ratio_1_1_4", totals, 90).values()) == 90


@given(st.lists(st.integers(1, 6), min_size=1, max_size=7), st.integers(1, 2))
def test_reachable_sums_are_those_that_leave_enough(counts: list[int], left: int) -> None:
    sizes = range(1, len(counts) - left + 1)
    expected = {sum(chosen) for size in sizes for chosen in combinations(counts, size)}
    sums = reachable_sums(counts, left)
    assert {n for n in range(sum(counts) + 2) if sums >> n & 1} == expected


def test_a_refusal_shows_the_arithmetic_and_the_nearest_size(tables: MakeTables) -> None:
    index, people = tables({"positive": [2] * 6, "neutral": [2] * 6, "negative": [1] * 30})
    with pytest.raises(RefusalError) as caught:
        split_tables(index, people, ratios=("ratio_1_1_2",), training_size=20)
    text = str(caught.value)
    assert "5 positive of 12 in 6 participants, the nearest that leave enough are 4 or 6" in text
    assert "5 neutral of 12 in 6 participants" in text
    assert "is 19" in text
    again = split_tables(index, people, ratios=("ratio_1_1_2",), training_size=19)
    assert count(again, "ratio_1_1_2", "train") == {"positive": 4, "neutral": 4, "negative": 11}


def test_more_than_a_class_has_is_refused(tables: MakeTables) -> None:
    index, people = tables({"positive": [1] * 9, "neutral": [1] * 3, "negative": [1] * 40})
    with pytest.raises(RefusalError, match=r"6 neutral of 3 in 3 participants.* are 2"):
        split_tables(index, people, ratios=("ratio_1_1_2",))


def test_the_nearest_size_is_one_that_all_ratios_can_be_met_with(tables: MakeTables) -> None:
    index, people = tables({"positive": [2] * 10, "neutral": [2] * 10, "negative": [2] * 40})
    with pytest.raises(RefusalError, match="all ratios can be met with is 48"):
        split_tables(index, people)
    split_tables(index, people, training_size=48)


def test_a_size_that_leaves_nobody_to_select_on_is_refused_at_once(tables: MakeTables) -> None:
    index, people = tables({label: [1] * 3 for label in ("positive", "neutral", "negative")})
    wanted = {"ratios": ("ratio_1_1_2",), "training_size": 4}
    split_tables(index, people, **wanted)
    with pytest.raises(RefusalError, match=r"2 participant.s. left to select and test on"):
        split_tables(index, people, **wanted, selection_fraction=0.1)
