from typing import Any

import polars as pl
import pytest

from transforms.describe.split_section import disjoint_statement, flatten, same_test_statement


def split_of(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Variant, side and participant; one sequence each."""
    frame = pl.DataFrame(rows, schema=["variant", "side", "participant_id"], orient="row")
    return frame.with_columns(pl.col("participant_id").alias("sequence_id"))


def test_a_participant_on_two_sides_of_a_variant_fails() -> None:
    statement = disjoint_statement(split_of(("a", "train", "p1"), ("a", "test", "p1")))
    assert statement.status == "fails"
    assert "1 participant, 1 variant, 1 on more than one side" in statement.detail


@pytest.mark.parametrize(
    "other", [("b", "train", "p2"), ("a", "unused", "p1"), ("b", "test", "p1")]
)
def test_other_variants_and_unused_rows_are_no_leak(other: tuple[str, str, str]) -> None:
    assert disjoint_statement(split_of(("a", "test", "p1"), other)).status == "holds"


def test_a_test_side_that_moves_with_the_variant_fails() -> None:
    same = [("a", "test", "p1"), ("b", "test", "p1")]
    assert same_test_statement(split_of(*same)).status == "holds"
    assert same_test_statement(split_of(*same, ("b", "test", "p2"))).status == "fails"
    assert same_test_statement(split_of(*same, ("c", "train", "p2"))).status == "fails"


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ({"b": 1, "a": {"c": None, "d": True}}, [("a.c", ""), ("a.d", "True"), ("b", "1")]),
        ({"a": [1, 2]}, [("a", "1, 2")]),
        ({"a": [{"b": 1}, {"b": 2}]}, [("a[0].b", "1"), ("a[1].b", "2")]),
        ({"a": {}}, [("a", "{}")]),
    ],
)
def test_nested_values_become_a_list(value: Any, pairs: list[tuple[str, str]]) -> None:
    assert flatten(value) == pairs
