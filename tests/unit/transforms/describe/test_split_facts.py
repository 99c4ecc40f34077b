from typing import Any

import polars as pl
import pytest

from transforms.describe.split_facts import (
    has_one_test,
    mark_of,
    minutes_by_side,
    order_sides,
    order_variants,
    shared_participants,
)

APART = (("a", "train", "p1"), ("a", "test", "p2"))
LEAKY = (*APART, ("a", "selection", "p2"))


def split_of(*rows: tuple[str, str, str], protocol: str = "fixed_test_nested") -> pl.DataFrame:
    """Variant, side and participant; one sequence each."""
    frame = pl.DataFrame(rows, schema=["variant", "side", "participant_id"], orient="row")
    return frame.with_columns(
        pl.col("participant_id").alias("sequence_id"), protocol=pl.lit(protocol)
    )


def test_only_active_sides_of_one_variant_share_a_participant() -> None:
    rows = [("a", "train", "p1"), ("b", "test", "p1"), ("a", "unused", "p2"), ("a", "test", "p2")]
    assert shared_participants(split_of(*rows)).is_empty()
    assert shared_participants(split_of(*LEAKY)).rows() == [("a", "p2")]


@pytest.mark.parametrize(
    ("rows", "protocol", "disjointness", "short"),
    [
        (LEAKY, "sequence_wise", "violated_by_design", "LEAKY BY DESIGN: 1 participant on both"),
        (APART, "sequence_wise", "violated_by_design", "LEAKY BY DESIGN: 0 participants on both"),
        (LEAKY, "imported", "violated", "LEAKY: 1 participant on both sides"),
        (LEAKY, "fixed_test_nested", "proved", "LEAKY: 1 participant on both sides"),
        (APART, "imported", "unverifiable", "UNVERIFIABLE: who the participants are"),
    ],
)
def test_a_split_that_proves_nothing_is_marked(
    rows: Any, protocol: str, disjointness: str, short: str
) -> None:
    mark = mark_of(split_of(*rows, protocol=protocol), {"participant_disjointness": disjointness})
    assert mark is not None
    assert mark.short.startswith(short)


@pytest.mark.parametrize("protocol", ["fixed_test_nested", "paper_exact", "k_fold", "imported"])
def test_a_split_with_a_proof_has_no_mark(protocol: str) -> None:
    split = split_of(*APART, protocol=protocol)
    assert mark_of(split, {"participant_disjointness": "proved"}) is None


def test_variants_are_ordered_by_their_numbers() -> None:
    assert order_variants(["fold_10", "fold_2", "fold_2"]) == ["fold_2", "fold_10"]
    assert order_variants(["ratio_1_1_16", "ratio_1_1_2"]) == ["ratio_1_1_2", "ratio_1_1_16"]
    assert order_sides(["unused", "test", "train"]) == ["train", "test", "unused"]


def test_a_test_side_is_one_where_all_variants_have_it() -> None:
    same = (("a", "test", "p1"), ("b", "test", "p1"))
    assert has_one_test(split_of(*same))
    assert not has_one_test(split_of(*same, ("b", "test", "p2")))
    assert not has_one_test(split_of(*same, ("c", "train", "p2")))
    assert not has_one_test(split_of(("a", "train", "p1")))


def test_minutes_come_from_the_seconds_of_a_proof() -> None:
    assert minutes_by_side({"variants": {"a": {"sequences": {}}}}) == {}
    proof = {"variants": {"a": {"seconds": {"test": {"positive": 90}}}}}
    assert minutes_by_side(proof) == {("a", "test", "positive"): 1.5}
