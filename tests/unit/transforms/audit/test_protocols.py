"""What each protocol promises, what it does not, and what must not be released."""

from collections.abc import Callable, Mapping

import polars as pl
import pytest

from transforms.audit.checks import Finding, audit_split, judge_for_release

Tables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]


def assign(
    index: pl.DataFrame, protocol: str, variants: Mapping[str, Callable[[int, str], str]]
) -> pl.DataFrame:
    """Return a split; each variant says the side of the nth participant of a class."""
    rows = [
        ("v", protocol, variant, sequence, person, label, side(int(person.split("-")[1]), sequence))
        for variant, side in variants.items()
        for sequence, person, label in index.select(
            "sequence_id", "participant_id", "label"
        ).iter_rows()
    ]
    columns = ["dataset_version", "protocol", "variant", "sequence_id", "participant_id", "label"]
    return pl.DataFrame(rows, schema=[*columns, "side"], orient="row")


def folds(index: pl.DataFrame, count: int) -> pl.DataFrame:
    def tests(fold: int) -> Callable[[int, str], str]:
        return lambda number, _: "test" if number % count == fold else "train"

    return assign(index, "k_fold", {f"fold_{fold + 1}": tests(fold) for fold in range(count)})


def codes(findings: list[Finding]) -> dict[str, str]:
    return {finding.code: finding.severity for finding in findings}


def change(split: pl.DataFrame, column: str, value: str, **where: str) -> pl.DataFrame:
    rows = pl.all_horizontal(pl.col(name) == wanted for name, wanted in where.items())
    return split.with_columns(pl.when(rows).then(pl.lit(value)).otherwise(column).alias(column))


@pytest.fixture
def index(tables: Tables) -> pl.DataFrame:
    return tables({label: [2, 1, 1, 1, 1] for label in ("positive", "neutral", "negative")})[0]


def test_folds_that_test_everybody_once_are_clean(index: pl.DataFrame) -> None:
    assert audit_split(folds(index, 3), index) == []


def test_somebody_whom_no_fold_tests(index: pl.DataFrame) -> None:
    # Sequences of one participant are left out one after the other.
    split = change(folds(index, 3), "side", "unused", sequence_id="neutral-0000-s0")
    assert codes(audit_split(split, index)) == {"sequence_not_tested": "error"}
    split = change(split, "side", "unused", sequence_id="neutral-0000-s1")
    found = codes(audit_split(split, index))
    assert found["participant_not_tested"] == found["sequence_not_tested"] == "error"


def test_somebody_whom_two_folds_test(index: pl.DataFrame) -> None:
    split = change(folds(index, 3), "side", "test", participant_id="neutral-0004", variant="fold_1")
    found = audit_split(split, index)
    assert codes(found)["participant_tested_in_several_folds"] == "error"
    assert found[0].records == ("neutral-0004",)


def test_classes_that_could_be_spread_more_evenly(index: pl.DataFrame) -> None:
    def tests(fold: int) -> Callable[[int, str], str]:
        return lambda number, _: "test" if number // 3 == fold else "train"

    split = assign(index, "k_fold", {"fold_1": tests(0), "fold_2": tests(1)})
    assert audit_split(split, index) == []  # 3 and 2 of 5
    last = pl.col("participant_id").str.ends_with("-0003")
    one = pl.when(pl.col("variant") == "fold_1").then(pl.lit("test")).otherwise(pl.lit("train"))
    split = split.with_columns(side=pl.when(last).then(one).otherwise("side"))
    (found,) = audit_split(split, index)  # 4 and 1
    assert (found.code, found.severity) == ("class_spread_uneven", "warning")
    assert len(found.records) == 6
    assert "negative 2 to 3" in found.message


def test_a_class_that_the_folds_divide_without_remainder(tables: Tables) -> None:
    index, _ = tables({label: [1] * 4 for label in ("positive", "neutral", "negative")})
    assert audit_split(folds(index, 2), index) == []
    split = folds(index, 2)
    other = pl.when(pl.col("variant") == "fold_1").then(pl.lit("test")).otherwise(pl.lit("train"))
    moved = pl.col("participant_id") == "neutral-0001"
    split = split.with_columns(side=pl.when(moved).then(other).otherwise("side"))
    (found,) = audit_split(split, index)  # 3 and 1
    assert found.records == ("fold_1/neutral", "fold_2/neutral")


def test_a_fold_that_tests_nobody_of_a_class_that_has_enough(index: pl.DataFrame) -> None:
    split = folds(index, 3).with_columns(
        side=pl.when(pl.col("label") != "neutral")
        .then("side")
        .when(pl.col("variant") == "fold_1")
        .then(pl.lit("test"))
        .otherwise(pl.lit("train"))
    )
    (found,) = audit_split(split, index)
    assert (found.code, found.records) == ("class_spread_uneven", ("fold_1/neutral", "neutral"))


def test_a_class_of_fewer_participants_than_folds_is_not_uneven(tables: Tables) -> None:
    index, _ = tables({"positive": [1] * 5, "neutral": [1] * 2, "negative": [1] * 5})
    assert audit_split(folds(index, 5), index) == []


@pytest.mark.parametrize("name", ["fold_0", "fold_x", "fold_01", "ratio_1_1_2"])
def test_a_fold_by_another_name(index: pl.DataFrame, name: str) -> None:
    split = change(folds(index, 3), "variant", name, variant="fold_2")
    assert codes(audit_split(split, index)) == {"variant_not_a_fold": "error"}


def test_a_single_fold(index: pl.DataFrame) -> None:
    assert codes(audit_split(folds(index, 1), index)) == {"one_fold_only": "error"}


def paper_exact(index: pl.DataFrame, **counts: int) -> pl.DataFrame:
    """Train on the last participants, one sequence each, test on the others."""

    def side(number: int, sequence: str) -> str:
        return "train" if number > 4 - counts[sequence.split("-")[0]] else "test"

    moved = {"positive": 1, "neutral": 1, "negative": 1}

    def other(number: int, sequence: str) -> str:
        return "train" if number > 4 - moved[sequence.split("-")[0]] else "test"

    return assign(index, "paper_exact", {"ratio_1_1_2": side, "ratio_1_1_1": other})


def test_paper_exact_may_move_its_test_set_and_size_but_not_its_ratio(index: pl.DataFrame) -> None:
    split = paper_exact(index, positive=1, neutral=1, negative=2)
    assert audit_split(split, index) == []
    split = paper_exact(index, positive=1, neutral=2, negative=2)
    (found,) = audit_split(split, index)
    assert (found.code, found.records) == ("class_counts_not_the_ratio", ("ratio_1_1_2",))


def test_published_counts_are_the_ratio_in_every_variant(tables: Tables) -> None:
    from transforms.splits.paper_exact import PUBLISHED_COUNTS

    index, _ = tables({"positive": [1] * 493, "neutral": [1] * 200, "negative": [1] * 800})

    def trains(counts: Mapping[str, int]) -> Callable[[int, str], str]:
        return lambda number, name: "train" if number < counts[name.split("-")[0]] else "test"

    split = assign(
        index, "paper_exact", {name: trains(one) for name, one in PUBLISHED_COUNTS.items()}
    )
    assert audit_split(split, index) == []


def test_paper_exact_must_test_every_class(index: pl.DataFrame) -> None:
    split = paper_exact(index, positive=1, neutral=1, negative=2)
    is_gone = (pl.col("label") == "neutral") & (pl.col("side") == "test")
    split = split.with_columns(side=pl.when(is_gone).then(pl.lit("unused")).otherwise("side"))
    assert codes(audit_split(split, index)) == {"class_not_tested": "error"}


def sequence_wise(index: pl.DataFrame) -> pl.DataFrame:
    """One sequence of the first participants tested, the other one trained on."""

    def side(number: int, sequence: str) -> str:
        if sequence.endswith("-0000-s0"):
            return "test"
        return "train" if number < 2 else "unused"

    return assign(index, "sequence_wise", {"ratio_1_1_1": side})


def test_a_split_by_sequences_is_marked_and_its_leaks_are_warnings(index: pl.DataFrame) -> None:
    found = audit_split(sequence_wise(index), index)
    assert codes(found) == {
        "participant_on_two_sides": "warning",
        "session_on_two_sides": "warning",
        "leaky_by_design": "warning",
    }
    assert "3 of 6 participants" in found[-1].message
    apart = change(sequence_wise(index), "side", "unused", side="train")
    assert "leaky_by_design" in codes(audit_split(apart, index))


def test_a_split_by_sequences_excuses_no_other_leak(index: pl.DataFrame) -> None:
    split = sequence_wise(index)
    names = ["neutral-0000-s0", "neutral-0001-s0"]
    sha = pl.when(pl.col("sequence_id").is_in(names)).then(pl.lit("x")).otherwise("video_sha256")
    assert (
        codes(audit_split(split, index.with_columns(video_sha256=sha)))["same_video_on_two_sides"]
        == "error"
    )
    pairs = pl.DataFrame(
        [("neutral-0000-s0", "neutral-0001-s0", "near", True)],
        schema=["first", "second", "kind", "is_mirrored"],
        orient="row",
    )
    assert codes(audit_split(split, index, pairs))["near_duplicate_on_two_sides"] == "error"


def test_rows_that_call_themselves_leaky_excuse_no_others(index: pl.DataFrame) -> None:
    split = change(folds(index, 3), "side", "train", sequence_id="neutral-0000-s1")
    split = change(split, "protocol", "sequence_wise", participant_id="neutral-0000")
    found = codes(audit_split(split, index))
    assert found["participant_on_two_sides"] == "error"
    assert found["mixed_protocols"] == "error"


def test_a_split_that_leaks_by_design_is_never_released(index: pl.DataFrame) -> None:
    found = audit_split(sequence_wise(index), index)
    judged = judge_for_release(found)
    assert [finding.code for finding in judged] == [finding.code for finding in found]
    errors = [finding.code for finding in judged if finding.severity == "error"]
    assert errors == ["leaky_by_design"]


def test_other_findings_weigh_the_same_in_a_release(index: pl.DataFrame) -> None:
    rows = index.filter(pl.col("participant_id") != "neutral-0001")
    uneven = audit_split(folds(rows, 2), rows)
    assert codes(uneven) == {"class_spread_uneven": "warning"}
    twice = audit_split(pl.concat([folds(index, 3), folds(index, 3)]), index)
    assert codes(twice) == {"sequence_twice": "error"}
    assert judge_for_release(uneven + twice) == uneven + twice


def test_an_imported_split_promises_nothing_but_may_not_leak(index: pl.DataFrame) -> None:
    split = assign(index, "imported", {"imported": lambda number, _: "test" if number else "train"})
    assert audit_split(split, index) == []
    leaky = change(split, "side", "test", sequence_id="neutral-0000-s1")
    assert codes(audit_split(leaky, index))["participant_on_two_sides"] == "error"


def test_ids_that_may_be_of_sequences_are_said_to_be_unverifiable(index: pl.DataFrame) -> None:
    nameless = index.with_columns(
        sequence_id="participant_id", extraction_key=pl.lit("import_1_") + pl.col("sequence_id")
    ).unique("sequence_id", keep="first", maintain_order=True)
    split = assign(nameless, "imported", {"imported": lambda number, _: "test"})
    found = audit_split(split, nameless)
    assert codes(found) == {"participants_unverifiable": "warning"}
    assert "15 participants" in found[0].message


def test_rows_of_several_protocols_are_held_to_the_promises_of_their_own(
    index: pl.DataFrame,
) -> None:
    other = assign(index, "imported", {"imported": lambda number, _: "train"})
    found = audit_split(pl.concat([folds(index, 3), other]), index)
    assert codes(found) == {"mixed_protocols": "error"}


def test_an_unknown_protocol_is_named(index: pl.DataFrame) -> None:
    split = folds(index, 3).with_columns(protocol=pl.lit("by_hand"))
    assert codes(audit_split(split, index)) == {"protocol_unknown": "warning"}
