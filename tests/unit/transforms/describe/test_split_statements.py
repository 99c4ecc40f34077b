from typing import Any

import polars as pl
import pytest

from transforms.describe.split_statements import (
    alike_statements,
    disjoint_statement,
    same_test_statement,
    solver_statements,
)


def split_of(*rows: tuple[str, str, str], protocol: str = "fixed_test_nested") -> pl.DataFrame:
    """Variant, side and participant; one positive sequence each."""
    frame = pl.DataFrame(rows, schema=["variant", "side", "participant_id"], orient="row")
    return frame.with_columns(
        pl.col("participant_id").alias("sequence_id"),
        protocol=pl.lit(protocol),
        label=pl.lit("positive"),
    )


def test_a_participant_on_two_sides_of_a_variant_fails() -> None:
    statement = disjoint_statement(split_of(("a", "train", "p1"), ("a", "test", "p1")))
    assert statement.status == "fails"
    assert "1 participant, 1 variant, 1 on more than one side" in statement.detail


@pytest.mark.parametrize(
    "other", [("b", "train", "p2"), ("a", "unused", "p1"), ("b", "test", "p1")]
)
def test_other_variants_and_unused_rows_are_no_leak(other: tuple[str, str, str]) -> None:
    assert disjoint_statement(split_of(("a", "test", "p1"), other)).status == "holds"


@pytest.mark.parametrize("proof", [None, {"participant_disjointness": "violated_by_design"}])
def test_a_leaky_split_says_so_and_counts_its_leaks(proof: dict[str, Any] | None) -> None:
    rows = [("a", "train", "p1"), ("a", "test", "p1"), ("a", "test", "p2"), ("b", "test", "p1")]
    statement = disjoint_statement(split_of(*rows, protocol="sequence_wise"), proof)
    assert statement.status == "fails"
    assert statement.claim.startswith("LEAKY BY DESIGN")
    assert "1 on more than one side" in statement.detail
    assert "1 of 2 (a), 0 of 1 (b)" in statement.detail


def test_participants_that_cannot_be_told_apart_are_no_proof() -> None:
    split = split_of(("imported", "train", "p1"), ("imported", "test", "p2"), protocol="imported")
    proof = {"participant_disjointness": "unverifiable", "notes": ["20 to 30 are expected"]}
    statement = disjoint_statement(split, proof)
    assert statement.status == "caution"
    assert statement.detail == "20 to 30 are expected."
    known = disjoint_statement(split, proof | {"participant_disjointness": "proved"})
    assert known.status == "holds"


def test_a_test_side_that_moves_with_the_variant_fails() -> None:
    same = [("a", "test", "p1"), ("b", "test", "p1")]
    assert same_test_statement(split_of(*same)).status == "holds"
    assert same_test_statement(split_of(*same, ("b", "test", "p2"))).status == "fails"
    assert same_test_statement(split_of(*same, ("c", "train", "p2"))).status == "fails"


def test_a_test_side_that_moves_as_published_is_a_caution_with_its_sizes() -> None:
    rows = [("ratio_1_1_2", "test", "p1"), ("ratio_1_1_4", "test", "p1")]
    rows.append(("ratio_1_1_4", "test", "p2"))
    statement = same_test_statement(split_of(*rows, protocol="paper_exact"))
    assert statement.status == "caution"
    assert "moves with the variant" in statement.claim
    assert "positive: ratio_1_1_2 1, ratio_1_1_4 2." in statement.detail


FOLDS = (
    ("fold_1", "test", "p1"),
    ("fold_1", "train", "p2"),
    ("fold_2", "train", "p1"),
    ("fold_2", "test", "p2"),
)


def test_folds_test_everybody_once() -> None:
    statement = same_test_statement(split_of(*FOLDS, protocol="k_fold"))
    assert statement.status == "holds"
    assert statement.claim == "Every participant is tested exactly once."
    assert "Participants that a fold tests: 1 positive." in statement.detail


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((*FOLDS, ("fold_1", "train", "p3")), "1 tested never, 0 more than once"),
        ((*FOLDS, ("fold_1", "test", "p2")), "0 tested never, 1 more than once"),
        (FOLDS[:3], "1 tested never, 0 more than once"),
    ],
)
def test_folds_that_miss_or_repeat_somebody_fail(rows: Any, found: str) -> None:
    statement = same_test_statement(split_of(*rows, protocol="k_fold"))
    assert statement.status == "fails"
    assert found in statement.detail


def problem(value: int, bound: int, achieved: int = 9) -> dict[str, Any]:
    return {
        "name": "positive",
        "variants": ["a"],
        "requested": {"positive": {"test": 9}},
        "achieved": {"positive": {"test": achieved}},
        "goals": [
            {"name": "sequences", "value": abs(achieved - 9), "bound": 0, "is_proved": True},
            {"name": "age_years", "value": value, "bound": bound, "is_proved": value <= bound},
        ],
        "status": "optimal" if value <= bound else "feasible",
    }


def test_a_solver_that_proved_everything_is_believed() -> None:
    (statement,) = solver_statements({"problems": [problem(3, 3)]})
    assert statement.status == "holds"
    assert "1 of 1 problem solved to a proof. The requested sizes are met exactly." in (
        statement.detail
    )


def test_a_goal_without_proof_is_named() -> None:
    (statement,) = solver_statements({"problems": [problem(3, 3), problem(1234, 2, 10)]})
    assert statement.status == "caution"
    assert "1 of 2 problems" in statement.detail
    assert "missed by 1 sequence (a: test, positive)" in statement.detail
    assert "age misses 1,234, proved is only that it is at least 2" in statement.detail


def test_many_goals_without_proof_are_counted() -> None:
    (statement,) = solver_statements({"problems": [problem(3, 2)] * 7})
    assert statement.detail.count("proved is only") == 4
    assert statement.detail.endswith("; and 3 more.")


def test_nothing_is_claimed_of_a_solver_that_did_not_run() -> None:
    assert solver_statements({"problems": []}) == []
    assert alike_statements({"balance": []}) == []


def balance(shift: float) -> list[dict[str, Any]]:
    common = {"variant": "a", "label": "positive"}
    return [
        common | {"side": "train", "age_years_shift": -0.05},
        common | {"side": "test", "age_years_shift": shift},
    ]


def test_sides_alike_to_a_tenth_of_a_standard_deviation_hold() -> None:
    (statement,) = alike_statements({"balance": balance(0.04)})
    assert statement.status == "holds"
    (statement,) = alike_statements({"balance": balance(0.26)})
    assert statement.status == "caution"
    assert "0 of 1 standardised mean difference" in statement.detail
    assert "age of positive, test of a: +0.31" in statement.detail
