from collections.abc import Callable

import polars as pl
import pytest

from transforms.splits.audit import Finding, audit_split

# A clean split by hand: two participants per class tested or selected on, four to train on.
_HELD_OUT = {"0000": "test", "0001": "selection"}
_TRAINED = {
    "ratio_1_1_1": {"positive": 2, "neutral": 2, "negative": 2},
    "ratio_1_1_2": {"positive": 1, "neutral": 1, "negative": 4},
}
_Case = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture
def case(tables: Callable[..., _Case]) -> _Case:
    """Return split and index."""
    index, _ = tables({label: [2, 2, 1, 1, 1, 1] for label in ("positive", "neutral", "negative")})
    rows = []
    for variant, counts in _TRAINED.items():
        for sequence, person, label in index.select(
            "sequence_id", "participant_id", "label"
        ).iter_rows():
            number = person.split("-")[1]
            trained = "train" if int(number) - 2 < counts[label] else "unused"
            side = _HELD_OUT.get(number, trained)
            rows.append(("v", "fixed_test_nested", variant, sequence, person, label, side))
    columns = ["dataset_version", "protocol", "variant", "sequence_id", "participant_id", "label"]
    return pl.DataFrame(rows, schema=[*columns, "side"], orient="row"), index


def change(
    split: pl.DataFrame, column: str, value: str, sequence: str, variant: str | None = None
) -> pl.DataFrame:
    rows = pl.col("sequence_id") == sequence
    if variant:
        rows &= pl.col("variant") == variant
    return split.with_columns(pl.when(rows).then(pl.lit(value)).otherwise(column).alias(column))


def codes(findings: list[Finding]) -> set[str]:
    assert all(finding.severity == "error" for finding in findings)
    return {finding.code for finding in findings}


def by_code(findings: list[Finding], code: str) -> Finding:
    (found,) = (finding for finding in findings if finding.code == code)
    return found


def test_clean_split_has_no_finding(case: _Case) -> None:
    assert audit_split(*case) == []


def test_shared_participant_session_and_sync_group(case: _Case) -> None:
    split, index = case
    # Both of the participant's sequences are of session s0; their sync groups differ.
    leaky = change(split, "side", "train", "neutral-0000-s1")
    findings = audit_split(leaky, index)
    assert {"participant_on_two_sides", "session_on_two_sides"} <= codes(findings)
    assert "sync_group_on_two_sides" not in codes(findings)
    assert by_code(findings, "participant_on_two_sides").records == ("neutral-0000",)
    together = index.with_columns(sync_group=pl.lit("g0"))
    assert "sync_group_on_two_sides" in codes(audit_split(leaky, together))


def test_leak_behind_renamed_participants_is_found(case: _Case) -> None:
    split, index = case
    hidden = change(split, "side", "train", "neutral-0000-s1")
    hidden = change(hidden, "participant_id", "somebody-else", "neutral-0000-s1")
    found = codes(audit_split(hidden, index))
    assert {"participant_on_two_sides", "participant_id_differs_from_dataset"} <= found


def test_unused_sequences_of_a_trained_participant_are_no_leak(case: _Case) -> None:
    split, index = case
    unused = change(split, "side", "unused", "neutral-0001-s1")
    assert codes(audit_split(unused, index)) == set()


def test_same_video_on_two_sides(case: _Case) -> None:
    split, index = case
    copies = ["negative-0000-s0", "negative-0002-s0"]
    sha = (
        pl.when(pl.col("sequence_id").is_in(copies)).then(pl.lit("copy")).otherwise("video_sha256")
    )
    findings = audit_split(split, index.with_columns(video_sha256=sha))
    assert codes(findings) == {"same_video_on_two_sides"}
    assert findings[0].records == ("copy",)
    never_videos = index.with_columns(video_sha256=pl.lit(None, dtype=pl.String))
    assert audit_split(split, never_videos) == []


def test_missing_twice_and_unknown_sequences(case: _Case) -> None:
    split, index = case
    name = "neutral-0005-s0"  # unused in both variants
    assert codes(audit_split(split.filter(pl.col("sequence_id") != name), index)) == {
        "sequence_missing"
    }
    twice = pl.concat([split, split.filter(pl.col("sequence_id") == name)])
    assert codes(audit_split(twice, index)) == {"sequence_twice"}
    fewer = index.filter(pl.col("sequence_id") != name)
    assert codes(audit_split(split, fewer)) == {"sequence_not_in_dataset"}


def test_labels(case: _Case) -> None:
    split, index = case
    relabelled = change(split, "label", "positive", "neutral-0005-s0")
    assert codes(audit_split(relabelled, index)) == {"label_differs_from_dataset"}
    two = change(index, "label", "positive", "neutral-0000-s1")
    found = codes(audit_split(split, two))
    assert found == {"label_differs_from_dataset", "participant_with_two_labels"}


@pytest.mark.parametrize("side", ["test", "selection"])
def test_held_out_set_that_moves_with_the_variant(case: _Case, side: str) -> None:
    split, index = case
    number = {"test": "0000", "selection": "0001"}[side]
    moved = change(split, "side", "unused", f"positive-{number}-s0", "ratio_1_1_1")
    findings = audit_split(moved, index)
    assert codes(findings) == {f"{side}_differs_between_variants"}
    assert findings[0].records == (f"positive-{number}-s0",)


def test_class_without_test(case: _Case) -> None:
    split, index = case
    gone = pl.col("sequence_id").str.starts_with("positive-0000")
    side = pl.when(gone).then(pl.lit("unused")).otherwise("side").alias("side")
    assert codes(audit_split(split.with_columns(side), index)) == {"class_not_tested"}


def test_training_sets_that_do_not_nest(case: _Case) -> None:
    split, index = case
    swapped = change(split, "side", "unused", "positive-0002-s0", "ratio_1_1_2")
    swapped = change(swapped, "side", "train", "positive-0005-s0", "ratio_1_1_2")
    findings = audit_split(swapped, index)
    assert codes(findings) == {"training_not_nested"}
    assert findings[0].records == ("positive-0005-s0",)


def test_class_counts_that_are_not_the_ratio(case: _Case) -> None:
    split, index = case
    more = change(split, "side", "train", "neutral-0004-s0", "ratio_1_1_1")
    findings = audit_split(more, index)
    assert codes(findings) == {"class_counts_not_the_ratio", "training_size_differs"}
    message = by_code(findings, "class_counts_not_the_ratio").message
    assert "trains on 2 negative, 3 neutral, 2 positive" in message
    assert "the ratio at 7 is 3 negative, 2 neutral, 2 positive" in message


def test_rows_that_are_no_split(case: _Case) -> None:
    split, index = case
    assert codes(audit_split(split.drop("side"), index)) == {"column_missing"}
    assert codes(audit_split(split.clear(), index)) == {"no_rows"}
    assert "unknown_side" in codes(
        audit_split(change(split, "side", "val", "neutral-0005-s0"), index)
    )
    assert "variant_not_a_ratio" in codes(
        audit_split(split.with_columns(variant=pl.col("variant") + "x"), index)
    )
    assert "mixed_dataset_versions" in codes(
        audit_split(change(split, "dataset_version", "w", "neutral-0005-s0"), index)
    )


def test_finding_reads_as_one_line() -> None:
    finding = Finding("code", "error", tuple("abcdefg"), "what happened")
    assert str(finding) == "code: what happened (a, b, c, d, e and 2 more)"
