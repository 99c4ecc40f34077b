from collections.abc import Callable

import polars as pl
import pytest

from transforms.audit.checks import Finding, audit_split, run_checks

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
    assert by_code(findings, "same_video_on_two_sides").records == ("copy",)
    assert by_code(findings, "same_video_on_two_sides").severity == "error"
    assert by_code(findings, "source_of_two_participants").severity == "warning"
    assert len(findings) == 2
    keyed = index.with_columns(video_sha256=sha)
    keyed = change(keyed, "extraction_key", copies[0], copies[1])
    assert audit_split(split, keyed) == findings  # once is enough
    never_videos = index.with_columns(video_sha256=pl.lit(None, dtype=pl.String))
    assert audit_split(split, never_videos) == []


def test_sequences_that_were_never_a_video_are_told_by_their_source(case: _Case) -> None:
    split, index = case
    index = index.with_columns(video_sha256=pl.lit(None, dtype=pl.String))
    copied = change(index, "extraction_key", "import_1_abc", "negative-0000-s0")
    copied = change(copied, "extraction_key", "import_1_abc", "negative-0002-s0")
    found = audit_split(split, copied)
    assert by_code(found, "same_source_on_two_sides").records == ("import_1_abc",)
    # The key of a whole batch says how it was made, not from which file.
    assert audit_split(split, index.with_columns(extraction_key=pl.lit("walker-1"))) == []


def test_recording_on_two_sides(case: _Case) -> None:
    split, index = case
    shared = change(index, "recording_id", "r", "negative-0000-s0")
    shared = change(shared, "recording_id", "r", "negative-0002-s0")
    assert codes(audit_split(split, shared)) == {"recording_on_two_sides"}


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


def test_labels_and_people_are_held_against_the_participants_table(case: _Case) -> None:
    split, index = case
    people = index.select("participant_id", "label").unique(maintain_order=True)
    assert audit_split(split, index, participants=people) == []

    def audit(people: pl.DataFrame) -> list[Finding]:
        return audit_split(split, index, participants=people)

    other = people.with_columns(
        label=pl.when(pl.col("participant_id") == "neutral-0003")
        .then(pl.lit("positive"))
        .otherwise("label")
    )
    (found,) = audit(other)
    assert found.code == "label_differs_from_participants_table"
    assert found.records == ("neutral-0003",)
    (found,) = audit(people.slice(1))
    assert (found.code, found.records) == ("participant_not_in_table", (people.item(0, 0),))
    assert codes(audit(pl.concat([people, people.head(1)]))) == {"participant_listed_twice"}
    assert codes(audit(people.drop("label"))) == {"participants_column_missing"}


def test_one_file_under_two_labels(case: _Case) -> None:
    split, index = case
    names = ["negative-0002-s0", "positive-0003-s0"]
    sha = pl.when(pl.col("sequence_id").is_in(names)).then(pl.lit("copy")).otherwise("video_sha256")
    found = audit_split(split, index.with_columns(video_sha256=sha))
    assert by_code(found, "source_with_two_labels").severity == "error"
    assert "source_of_two_participants" not in codes(found)


def test_a_sequence_that_the_index_lists_twice_is_named_and_multiplies_nothing(case: _Case) -> None:
    split, index = case
    many = pl.concat([index, *[index.head(1)] * 3])
    (found,) = audit_split(split, many)
    assert (found.code, found.records) == ("sequence_listed_twice", (index.item(0, "sequence_id"),))


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


def test_checks_say_how_much_they_looked_at(case: _Case) -> None:
    split, index = case
    checks = {check.claim: check for check in run_checks(index, split)}
    assert len(checks) == len(run_checks(index, split))
    people = checks["no participant is on two sides of a variant"]
    assert (people.examined, people.unit, people.status) == (14, "participants in use", "clean")
    assert checks["every sequence is listed once"].examined == 24
    assert checks["labels are those of the participants table"].status == "not checked"
    assert checks["copies have one label"].status == "not checked"
    alone = run_checks(index.with_columns(video_sha256=pl.lit(None, dtype=pl.String)))
    assert {check.group for check in alone} == {"dataset", "copies"}
    never = index.with_columns(sync_group=pl.lit(None, dtype=pl.String))
    checks = {check.claim: check for check in run_checks(never, split)}
    sync = checks["no group of synchronised recordings is on two sides of a variant"]
    assert sync.status == "nothing to check"
    leaky = run_checks(index, change(split, "side", "train", "neutral-0000-s1"))
    assert "error" in {check.status for check in leaky}


def test_columns_that_are_missing_leave_the_dataset_audited(case: _Case) -> None:
    split, index = case
    two = change(index, "label", "positive", "neutral-0000-s1")
    found = codes(audit_split(split.drop("side"), two))
    assert found == {"participant_with_two_labels", "column_missing"}


def test_names_that_are_numbers_of_thousands_of_digits_are_no_ratio(case: _Case) -> None:
    split, index = case
    name = f"ratio_{'9' * 5000}_1_1"
    found = codes(audit_split(split.with_columns(variant=pl.lit(name)), index))
    assert "variant_not_a_ratio" in found


def test_finding_reads_as_one_line() -> None:
    finding = Finding("code", "error", tuple("abcdefg"), "what happened")
    assert str(finding) == "code: what happened (a, b, c, d, e and 2 more)"
