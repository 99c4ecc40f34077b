from collections.abc import Callable

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import RefusalError
from transforms.settings import SplitSettings
from transforms.splits.nested import split_fixed_test_nested
from transforms.splits.participants import gather_participants
from transforms.splits.sequence_wise import split_sequence_wise

MakeTables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
class_of = st.lists(st.integers(1, 4), min_size=3, max_size=6)


def count(table: pl.DataFrame) -> dict[tuple[str, ...], int]:
    grouped = table.group_by("variant", "side", "label").len()
    return {tuple(row[:3]): row[3] for row in grouped.iter_rows()}


@settings(max_examples=15, deadline=None)
@given(
    st.fixed_dictionaries({"positive": class_of, "neutral": class_of, "negative": class_of}),
    st.integers(0, 99),
)
def test_every_count_is_that_of_the_honest_split(
    tables: MakeTables, cohort: dict[str, list[int]], seed: int
) -> None:
    index, people = tables(cohort, seed)
    chosen = SplitSettings(seed=seed)
    participants = gather_participants(index, people)
    try:
        honest = split_fixed_test_nested(index, participants, chosen)
    except RefusalError:
        return
    leaky = split_sequence_wise(index, participants, chosen)
    assert count(leaky.table) == count(honest.table)
    assert leaky.table.equals(split_sequence_wise(index.reverse(), participants, chosen).table)
    assert leaky.disjointness == "violated_by_design"


def test_people_are_on_several_sides_and_it_says_how_many(
    scoliosis1k: dict[str, list[int]], tables: MakeTables
) -> None:
    index, people = tables(scoliosis1k)
    settings_ = SplitSettings(ratios=("ratio_1_1_2", "ratio_1_1_16"), selection_fraction=0.0)
    split = split_sequence_wise(index, gather_participants(index, people), settings_)
    used = split.table.filter(pl.col("side") != "unused")
    sides = used.group_by("variant", "participant_id").agg(pl.col("side").n_unique())
    shared = sides.filter(pl.col("side") > 1)["participant_id"].n_unique()
    assert shared > 50
    assert f"{shared} participants are on more than one side" in split.notes[0]
    tests = {
        tuple(rows.filter(pl.col("side") == "test")["sequence_id"])
        for _, rows in split.table.group_by("variant")
    }
    assert len(tests) == 1
