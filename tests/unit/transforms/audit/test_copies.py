"""Copies of a walk under other ids: where they lie decides how bad they are."""

from collections.abc import Callable

import polars as pl
import pytest

from transforms.audit.checks import Finding, audit_split, run_checks

Tables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
SIDES = {"0000": "test", "0001": "train", "0002": "train", "0003": "unused"}


@pytest.fixture
def index(tables: Tables) -> pl.DataFrame:
    return tables({label: [2, 2, 2, 2] for label in ("positive", "neutral", "negative")})[0]


@pytest.fixture
def split(index: pl.DataFrame) -> pl.DataFrame:
    return index.select(
        "sequence_id",
        "participant_id",
        "label",
        dataset_version=pl.lit("v"),
        protocol=pl.lit("imported"),
        variant=pl.lit("imported"),
        side=pl.col("participant_id").str.slice(-4).replace_strict(SIDES),
    )


def pairs(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """First, second and kind; further columns of the search are of no concern here."""
    schema = dict.fromkeys(("first", "second", "kind"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(is_mirrored=pl.col("kind") == "near", distance=pl.lit(0.1))


def codes(findings: list[Finding]) -> dict[str, str]:
    return {finding.code: finding.severity for finding in findings}


@pytest.mark.parametrize(
    ("second", "kind", "expected"),
    [
        ("neutral-0001-s0", "near", {"near_duplicate_on_two_sides": "error"}),
        ("neutral-0001-s0", "identical", {"identical_on_two_sides": "error"}),
        ("neutral-0003-s0", "near", {"copy_of_two_participants": "warning"}),
        ("neutral-0003-s0", "identical", {"copy_of_two_participants": "warning"}),
        ("neutral-0000-s1", "near", {}),
        ("neutral-0000-s1", "identical", {"sequence_stored_twice": "warning"}),
        (
            "positive-0001-s0",
            "near",
            {"near_duplicate_on_two_sides": "error", "near_duplicate_with_two_labels": "warning"},
        ),
        (
            "positive-0003-s0",
            "identical",
            {"copy_of_two_participants": "warning", "identical_content_with_two_labels": "error"},
        ),
        ("elsewhere", "near", {"copies_of_another_dataset": "error"}),
    ],
)
def test_a_copy_of_a_tested_walk(
    split: pl.DataFrame, index: pl.DataFrame, second: str, kind: str, expected: dict[str, str]
) -> None:
    first = "neutral-0000-s0"
    found = audit_split(split, index, pairs((first, second, kind)))
    assert codes(found) == expected
    sign = "=" if kind == "identical" else "~"
    name = f"{first} {sign} {second}" + (" (mirrored)" if kind == "near" else "")
    assert all(finding.records == (name,) for finding in found)


def test_what_is_the_same_through_others_is_the_same(
    split: pl.DataFrame, index: pl.DataFrame
) -> None:
    # Of many identical sequences the search lists pairs with one of them alone: here an unused one.
    unused, tested, trained = (f"neutral-{number}-s0" for number in ("0003", "0000", "0002"))
    found = audit_split(
        split,
        index,
        pairs(
            (tested, unused, "identical"),
            (trained, unused, "identical"),
            ("neutral-0000-s1", trained, "identical"),
        ),
    )
    (leak,) = (finding for finding in found if finding.severity == "error")
    assert leak.code == "identical_on_two_sides"
    assert leak.records == (f"{tested} = {trained}",)
    apart = audit_split(
        split,
        index,
        pairs((tested, unused, "identical"), ("neutral-0001-s0", trained, "identical")),
    )
    assert codes(apart) == {"copy_of_two_participants": "warning"}


def test_two_copies_on_one_side_are_of_two_people_but_no_leak(
    split: pl.DataFrame, index: pl.DataFrame
) -> None:
    found = audit_split(split, index, pairs(("neutral-0001-s0", "neutral-0002-s1", "near")))
    assert codes(found) == {"copy_of_two_participants": "warning"}


def test_a_sequence_with_a_copy_on_another_side_and_one_on_none(
    split: pl.DataFrame, index: pl.DataFrame
) -> None:
    found = audit_split(
        split,
        index,
        pairs(
            ("neutral-0000-s0", "neutral-0001-s0", "near"),
            ("neutral-0000-s0", "neutral-0003-s0", "identical"),
        ),
    )
    assert {finding.code: finding.records for finding in found} == {
        "near_duplicate_on_two_sides": ("neutral-0000-s0 ~ neutral-0001-s0 (mirrored)",),
        "copy_of_two_participants": ("neutral-0000-s0 = neutral-0003-s0",),
    }


def test_a_pair_that_crosses_in_one_variant_of_several(
    split: pl.DataFrame, index: pl.DataFrame
) -> None:
    moved = pl.when(pl.col("participant_id") == "neutral-0003").then(pl.lit("test"))
    other = split.with_columns(variant=pl.lit("other"), side=moved.otherwise("side"))
    found = audit_split(
        pl.concat([split, other]), index, pairs(("neutral-0001-s0", "neutral-0003-s0", "near"))
    )
    assert codes(found) == {"near_duplicate_on_two_sides": "error"}
    assert found[0].message.endswith("of other")


def test_no_pairs_is_something_else_than_no_search(
    split: pl.DataFrame, index: pl.DataFrame
) -> None:
    def of_copies(found: pl.DataFrame | None) -> list[str]:
        checks = run_checks(index, split, found)
        return [check.status for check in checks if check.group == "copies"]

    assert of_copies(pairs()) == ["clean", "clean", "nothing to check"]
    assert of_copies(None) == ["not checked"] * 3


def test_copies_are_judged_without_a_split(index: pl.DataFrame) -> None:
    checks = run_checks(index, None, pairs(("neutral-0001-s0", "neutral-0003-s0", "identical")))
    found = [finding for check in checks for finding in check.findings]
    assert codes(found) == {"copy_of_two_participants": "warning"}
