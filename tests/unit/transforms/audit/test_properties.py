"""A clean split gives nothing, a planted leak is always found, and brute force agrees.

The last test holds the audit to a size at which comparing all pairs would never end.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transforms.audit.checks import audit_split
from transforms.splits.ratios import class_counts, parse_ratio

Tables = tuple[pl.DataFrame, pl.DataFrame]
LABELS = ("positive", "neutral", "negative")
PAIR_TYPES = {"first": pl.String, "second": pl.String, "kind": pl.String, "is_mirrored": pl.Boolean}
VARIANTS = ("ratio_1_1_1", "ratio_1_1_2")


class Case(NamedTuple):
    split: pl.DataFrame
    index: pl.DataFrame
    pairs: pl.DataFrame
    people: pl.DataFrame

    def codes(self, severity: str = "error") -> set[str]:
        found = audit_split(self.split, self.index, self.pairs, self.people)
        return {one.code for one in found if one.severity == severity}

    def is_clean(self) -> bool:
        return audit_split(self.split, self.index, self.pairs, self.people) == []


def lay_out(index: pl.DataFrame, protocol: str, sides: dict[str, dict[str, str]]) -> pl.DataFrame:
    """Return a split from variant -> sequence -> side."""
    about = index.select(
        "sequence_id",
        "participant_id",
        "label",
        dataset_version=pl.lit("v"),
        protocol=pl.lit(protocol),
    )
    return pl.concat(
        about.with_columns(
            variant=pl.lit(variant), side=pl.col("sequence_id").replace_strict(of_sequence)
        )
        for variant, of_sequence in sides.items()
    )


def by_participant(index: pl.DataFrame, sides: dict[str, str]) -> dict[str, str]:
    return {
        sequence: sides[person]
        for sequence, person in index.select("sequence_id", "participant_id").iter_rows()
    }


def take_at_ratio(
    index: pl.DataFrame, held_out: dict[str, str], variants: tuple[str, ...] = VARIANTS
) -> dict[str, dict[str, str]]:
    """Train every variant on the front of each class's queue, as much as all ratios allow."""
    queues: dict[str, list[str]] = {label: [] for label in LABELS}
    for sequence, person, label in index.select(
        "sequence_id", "participant_id", "label"
    ).iter_rows():
        if person not in held_out:
            queues[label].append(sequence)
    sizes = [
        size
        for size in range(4, index.height + 1)
        if all(
            1 <= count <= len(queues[label])
            for variant in variants
            for label, count in class_counts(parse_ratio(variant), size).items()
        )
    ]
    assume(sizes)
    sides = {}
    held = by_participant(index, defaultdict(lambda: "unused", held_out))
    for variant in variants:
        counts = class_counts(parse_ratio(variant), sizes[-1])
        trained = [name for label, queue in queues.items() for name in queue[: counts[label]]]
        sides[variant] = held | dict.fromkeys(trained, "train")
    return sides


@st.composite
def clean_cases(draw: st.DrawFn, make: Callable[..., Tables]) -> Case:
    sizes = st.lists(st.integers(1, 3), min_size=4, max_size=7)
    cohort = {label: draw(sizes) for label in LABELS}
    index, people = make(cohort)
    names = people["participant_id"].to_list()
    number = {name: int(name.split("-")[1]) for name in names}
    protocol = draw(st.sampled_from(["fixed_test_nested", "paper_exact", "k_fold", "imported"]))
    if protocol == "imported":
        side = st.sampled_from(["train", "selection", "test", "unused"])
        drawn = {name: draw(side) for name in names}
        sides = {"imported": by_participant(index, drawn)}
    elif protocol == "k_fold":
        count = draw(st.integers(2, 4))
        sides = {
            f"fold_{fold + 1}": by_participant(
                index,
                {name: "test" if number[name] % count == fold else "train" for name in names},
            )
            for fold in range(count)
        }
    elif protocol == "paper_exact":
        sides = {}
        for turn, variant in enumerate(VARIANTS):
            held_out = {name: "test" for name in names if number[name] == turn}
            sides |= take_at_ratio(index, held_out, (variant,))
    else:
        kinds = {0: "test", 1: "selection"}
        held_out = {name: kinds[number[name]] for name in names if number[name] in kinds}
        sides = take_at_ratio(index, held_out)
    return Case(lay_out(index, protocol, sides), index, pl.DataFrame(schema=PAIR_TYPES), people)


@st.composite
def cases_with_a_crossing(draw: st.DrawFn, make: Callable[..., Tables]) -> tuple[Case, str, str]:
    """Return a clean case and two sequences of one label on two sides of one of its variants."""
    case = draw(clean_cases(make))
    variant = draw(st.sampled_from(sorted(case.split["variant"].unique())))
    used = case.split.filter((pl.col("variant") == variant) & (pl.col("side") != "unused"))
    label = draw(st.sampled_from(LABELS))
    rows = used.filter(pl.col("label") == label).select("sequence_id", "side").rows()
    crossing = [(a, b) for (a, x), (b, y) in combinations(sorted(rows), 2) if x != y]
    assume(crossing)
    return case, *draw(st.sampled_from(crossing))


def copy_value(frame: pl.DataFrame, column: str, first: str, second: str) -> pl.DataFrame:
    """Give the second sequence the first one's value."""
    value = frame.filter(pl.col("sequence_id") == first).item(0, column)
    is_second = pl.col("sequence_id") == second
    return frame.with_columns(
        pl.when(is_second).then(pl.lit(value)).otherwise(column).alias(column)
    )


def plant(case: Case, kind: str, first: str, second: str) -> Case:
    index, split = case.index, case.split
    if kind in ("participant", "session", "sync_group"):
        columns = ["participant_id"] + ([] if kind == "participant" else [kind])
        for column in columns:
            index = copy_value(index, column, first, second)
        split = copy_value(split, "participant_id", first, second)
    elif kind == "renamed_participant":
        index = copy_value(index, "participant_id", first, second)
    elif kind == "source":
        index = index.with_columns(video_sha256=pl.lit(None, dtype=pl.String))
        index = copy_value(index, "extraction_key", first, second)
    elif kind in ("video_sha256", "recording_id"):
        index = copy_value(index, kind, first, second)
    else:
        row = {"first": first, "second": second, "kind": kind, "is_mirrored": kind == "near"}
        return case._replace(pairs=pl.DataFrame([row], schema=PAIR_TYPES))
    return case._replace(index=index, split=split)


PLANTED = {
    "participant": "participant_on_two_sides",
    "renamed_participant": "participant_on_two_sides",
    "session": "session_on_two_sides",
    "sync_group": "sync_group_on_two_sides",
    "recording_id": "recording_on_two_sides",
    "video_sha256": "same_video_on_two_sides",
    "source": "same_source_on_two_sides",
    "identical": "identical_on_two_sides",
    "near": "near_duplicate_on_two_sides",
}


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_clean_splits_of_every_protocol_have_no_finding(
    data: st.DataObject, tables: Callable[..., Tables]
) -> None:
    assert data.draw(clean_cases(tables)).is_clean()


@pytest.mark.parametrize("kind", PLANTED)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_planted_leak_is_always_found(
    kind: str, data: st.DataObject, tables: Callable[..., Tables]
) -> None:
    case, first, second = data.draw(cases_with_a_crossing(tables))
    assert PLANTED[kind] not in case.codes()
    assert PLANTED[kind] in plant(case, kind, first, second).codes()
    by_sequences = plant(case, kind, first, second)
    by_sequences = by_sequences._replace(
        split=by_sequences.split.with_columns(protocol=pl.lit("sequence_wise"))
    )
    is_meant = kind in ("participant", "renamed_participant", "session", "sync_group")
    assert PLANTED[kind] in by_sequences.codes("warning" if is_meant else "error")
    assert "leaky_by_design" in by_sequences.codes("warning")


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_label_that_differs_is_always_found(
    data: st.DataObject, tables: Callable[..., Tables]
) -> None:
    case = data.draw(clean_cases(tables))
    name, person, label = case.index.select("sequence_id", "participant_id", "label").row(
        data.draw(st.integers(0, case.index.height - 1))
    )
    other = pl.lit(next(one for one in LABELS if one != label))
    is_person, is_sequence = pl.col("participant_id") == person, pl.col("sequence_id") == name
    swap = {"label": pl.when(is_person).then(other).otherwise("label")}
    table = case._replace(people=case.people.with_columns(**swap))
    assert case.codes() == set()
    assert table.codes() == {"label_differs_from_participants_table"}
    swap = {"label": pl.when(is_sequence).then(other).otherwise("label")}
    one = case._replace(index=case.index.with_columns(**swap))
    expected = {"label_differs_from_dataset", "label_differs_from_participants_table"}
    if case.index.filter(is_person).height > 1:
        expected.add("participant_with_two_labels")
    assert one.codes() == expected


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_brute_force_over_all_pairs_finds_the_same_leaks(data: st.DataObject) -> None:
    few = st.integers(0, 3)
    sequences = [
        {
            "sequence_id": f"q{number}",
            "participant_id": f"p{data.draw(few)}",
            "session": data.draw(st.sampled_from([None, "s0", "s1"])),
            "sync_group": data.draw(st.sampled_from([None, "g0", "g1"])),
            "video_sha256": data.draw(st.sampled_from([None, "a", "b", "c"])),
            "recording_id": f"r{data.draw(few)}",
            "batch_id": "b",
            "extraction_key": f"k{number}",
            "label": "neutral",
            "view": "side",
        }
        for number in range(data.draw(st.integers(2, 7)))
    ]
    side = st.sampled_from(["train", "selection", "test", "unused"])
    sides = {
        variant: {row["sequence_id"]: data.draw(side) for row in sequences}
        for variant in ("imported", "again")
    }
    texts = ("session", "sync_group", "video_sha256")
    index = pl.DataFrame(sequences, schema_overrides=dict.fromkeys(texts, pl.String))
    found = {
        finding.code: set(finding.records)
        for finding in audit_split(lay_out(index, "imported", sides), index)
    }
    keys = {
        "participant_on_two_sides": ("participant_id",),
        "session_on_two_sides": ("participant_id", "session"),
        "sync_group_on_two_sides": ("participant_id", "sync_group"),
        "recording_on_two_sides": ("recording_id",),
        "same_video_on_two_sides": ("video_sha256",),
    }
    for code, key in keys.items():
        assert found.get(code, set()) == set(compare_all(sequences, sides, key)), code


def compare_all(
    sequences: list[dict[str, str]], sides: dict[str, dict[str, str]], key: tuple[str, ...]
) -> Iterator[str]:
    for of_sequence in sides.values():
        for one, other in combinations(sequences, 2):
            values = [one[column] for column in key]
            is_shared = None not in values and values == [other[column] for column in key]
            both = {of_sequence[row["sequence_id"]] for row in (one, other)}
            if is_shared and len(both) == 2 and "unused" not in both:
                yield "/".join(values)


def test_the_time_grows_with_the_rows_and_not_with_their_pairs() -> None:
    numbers = pl.int_range(150_000, eager=True)
    person = "P" + (numbers // 2).cast(pl.String)
    index = pl.DataFrame(
        {
            "sequence_id": "S" + numbers.cast(pl.String),
            "participant_id": person,
            "label": (numbers // 2 % 3).cast(pl.String),
            "batch_id": "b",
            "view": "side",
            "session": "s" + (numbers % 2).cast(pl.String),
            "sync_group": None,
            "recording_id": "S" + numbers.cast(pl.String),
            "video_sha256": "V" + numbers.cast(pl.String),
            "extraction_key": "K" + numbers.cast(pl.String),
        }
    ).with_columns(pl.col("sync_group").cast(pl.String))
    # One recording is named by a third of all rows, and one sequence has thousands of copies.
    index = index.with_columns(
        recording_id=pl.when(numbers % 3 == 0).then(pl.lit("R")).otherwise("recording_id")
    )
    side = pl.Series(["train" if number // 2 % 5 else "test" for number in numbers])
    split = index.select(
        "sequence_id",
        "participant_id",
        "label",
        dataset_version=pl.lit("v"),
        protocol=pl.lit("imported"),
        variant=pl.lit("imported"),
        side=side,
    )
    pairs = pl.DataFrame({"second": index["sequence_id"].slice(1, 20_000)}).with_columns(
        first=pl.lit("S0"), kind=pl.lit("near"), is_mirrored=pl.lit(value=False)
    )
    began = time.process_time()
    found = audit_split(split, index, pairs, index.select("participant_id", "label").unique())
    assert time.process_time() - began < 5
    codes = {finding.code: len(finding.records) for finding in found}
    assert codes["recording_on_two_sides"] == 1
    assert codes["near_duplicate_on_two_sides"] == 16_000
