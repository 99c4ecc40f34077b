import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from transforms.describe.formatting import NOTHING
from transforms.describe.gather import Dataset, Material, ReportInputs, Splits
from transforms.describe.page import Block, Group, Picture, Section, Statements, Table, Text
from transforms.describe.split_section import flatten, split_section

RATIOS = ("ratio_1_1_2", "ratio_1_1_4")
LABELS = ("negative", "positive")
# What 1:1:2 and 1:1:4 put a class's four participants on; every one has two sequences.
FIXED = (("train", "train", "selection", "test"), ("train", "unused", "selection", "test"))
MOVING = (("train", "train", "selection", "test"), ("train", "selection", "test", "test"))


def make_material(
    protocol: str,
    sides: Sequence[Sequence[str]] = FIXED,
    variants: Sequence[str] = RATIOS,
    **changes: Any,
) -> Material:
    """A report of nothing but a split; a side `a|b` puts a participant's sequences on both."""
    rows = [
        {
            "dataset_version": "v",
            "protocol": protocol,
            "variant": variant,
            "sequence_id": f"{label}-{number}-{turn}",
            "participant_id": f"{label}-{number}",
            "label": label,
            "side": side.split("|")[turn % (side.count("|") + 1)],
        }
        for variant, given in zip(variants, sides, strict=True)
        for label in LABELS
        for number, side in enumerate(given)
        for turn in range(2)
    ]
    split = pl.DataFrame(rows)
    ids = split.select("participant_id", "sequence_id").unique().sort("sequence_id")
    people = ids.select("participant_id").unique().sort("participant_id")
    participants = people.with_columns(
        label=pl.col("participant_id").str.split("-").list.first(),
        sex=pl.lit("F"),
        age_years=pl.int_range(pl.len()) + 12.0,
        height_cm=pl.int_range(pl.len()) + 150.0,
        weight_kg=pl.lit(None, dtype=pl.Float64),
    )
    index = ids.with_columns(frame_count=pl.lit(60), fps=pl.lit(25.0))
    present = split.select("variant", "label", "side").unique().sort(pl.all())
    proof: dict[str, Any] = {
        "dataset_version": "v",
        "protocol": protocol,
        "settings": {"seed": 7},
        "participant_disjointness": "proved",
        "notes": [],
        "problems": [make_problem(label, variants) for label in LABELS],
        "variants": {
            variant: {
                "seconds": {
                    side: dict.fromkeys(LABELS, 120) for side in {*given} if "|" not in side
                }
            }
            for variant, given in zip(variants, sides, strict=True)
        },
        "balance": [
            {"variant": variant, "label": label, "side": side, "age_years_mean": 14.5}
            | {"age_years_shift": 0.01 * len(side)}
            for variant, label, side in present.iter_rows()
        ],
    }
    return Material(
        inputs=ReportInputs(title="t"),
        intake=None,
        extraction=None,
        dataset=Dataset("v", index, participants, pl.DataFrame()),
        splits=Splits(split, proof | changes, "hash"),
        score=None,
        experiments=(),
        directories=(),
    )


def make_problem(label: str, variants: Sequence[str], bound: int = 9) -> dict[str, Any]:
    return {
        "name": label,
        "variants": list(variants),
        "requested": {label: {"test": 2, "selection": 2}},
        "achieved": {label: {"test": 2, "selection": 2, "train": 4}},
        "goals": [
            {"name": "sequences", "value": 0, "bound": 0, "is_proved": True},
            {"name": "age_years", "value": 9, "bound": bound, "is_proved": bound == 9},
        ],
        "status": "optimal" if bound == 9 else "feasible",
    }


def walk(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Group):
            yield from walk(block.blocks)


def tables_of(section: Section) -> dict[str, Table]:
    return {block.caption: block for block in walk(section.blocks) if isinstance(block, Table)}


def pictures_of(section: Section) -> list[Picture]:
    return [block for block in walk(section.blocks) if isinstance(block, Picture)]


def said_by(section: Section) -> dict[str, str]:
    """Return claim -> status."""
    (statements,) = (one for one in walk(section.blocks) if isinstance(one, Statements))
    return {one.claim: one.status for one in statements.statements}


def text_of(picture: Picture) -> str:
    return base64.b64decode(picture.source.partition(",")[2]).decode()


def test_a_fixed_test_shows_sides_people_differences_and_proof() -> None:
    section = split_section(make_material("fixed_test_nested"))
    assert set(said_by(section).values()) == {"holds"}
    assert len(said_by(section)) == 4
    assert len(pictures_of(section)) == 3
    assert section.title == "Splits"
    assert not [one for one in walk(section.blocks) if isinstance(one, Group) and one.form == "box"]
    tables = tables_of(section)
    counts = tables["Participants / sequences / minutes by variant, side and class"]
    assert counts.columns == ("variant", "side", "positive", "negative", "all")
    assert counts.rows[0] == ("ratio_1_1_2", "train", "2 / 4 / 2.0", "2 / 4 / 2.0", "4 / 8 / 4.0")
    requests = tables["Sequences requested and achieved"]
    assert requests.rows[0][1:] == (
        "negative",
        "selection 2, test 2",
        "train 4, selection 2, test 2",
        "0",
    )
    goals = tables["What each goal of the sides misses, and whether nothing better exists"]
    assert goals.rows[0] == (
        "2 variants: selection and test, negative",
        "proved",
        "0",
        "9",
    )
    full = tables["proof.json, as the solver left it"]
    assert ("settings.seed", "7") in full.rows
    assert "Balance of the sides within each class" in tables


def test_a_goal_that_is_not_proved_is_a_caution() -> None:
    problems = [make_problem("positive", RATIOS, bound=4)]
    section = split_section(make_material("fixed_test_nested", problems=problems))
    claim = "The split is what its table says, but a better balanced one may exist."
    assert said_by(section)[claim] == "caution"
    goals = tables_of(section)[
        "What each goal of the sides misses, and whether nothing better exists"
    ]
    assert goals.rows[0][1:] == ("not proved: age", "0", "9, at least 4")


def test_a_moving_test_is_said_and_drawn_variant_by_variant() -> None:
    note = "the test set moves with the ratio"
    section = split_section(make_material("paper_exact", MOVING, notes=[note]))
    assert said_by(section)["The test side moves with the variant, as published."] == "caution"
    texts = [one.text for one in section.blocks if isinstance(one, Text)]
    assert f"T{note[1:]}." in texts
    people = [one.caption for one in pictures_of(section) if one.caption.startswith("The people")]
    assert [caption.partition(".")[0] for caption in people] == [
        "The people on each side of ratio_1_1_2",
        "The people on each side of ratio_1_1_4",
    ]


FOLDS = (("test", "train", "train", "train"), ("train", "test", "test", "test"))


def test_folds_are_a_matrix_with_what_is_even() -> None:
    problem = make_problem("all classes", ("fold_1", "fold_2")) | {
        "requested": {},
        "achieved": {label: {"fold_1": 2, "fold_2": 6} for label in LABELS},
    }
    section = split_section(
        make_material("k_fold", FOLDS, ("fold_1", "fold_2"), problems=[problem])
    )
    assert said_by(section)["Every participant is tested exactly once."] == "holds"
    tables = tables_of(section)
    matrix = tables["Participants / sequences / minutes tested, by fold and class"]
    assert matrix.rows[1] == ("fold_2", "3 / 6 / 2.0", "3 / 6 / 2.0", "6 / 12 / 4.0")
    assert [row[0] for row in matrix.rows[2:]] == ["fewest", "most", "even share"]
    assert "What each goal of the folds misses, and whether nothing better exists" in tables
    assert tables["Sequences requested and achieved"].rows[0][2:] == (
        "even folds",
        "fold 1 2, fold 2 6",
        NOTHING,
    )


@pytest.mark.slow
def test_many_folds_show_the_people_of_the_first() -> None:
    sides = [["train", "train", "train", "test"] for _ in range(13)]
    variants = [f"fold_{number}" for number in range(1, 14)]
    people = pictures_of(split_section(make_material("k_fold", sides, variants)))[1]
    assert people.caption.startswith("The people tested in each of the first 12 folds.")
    assert ">fold 12<" in text_of(people)
    assert ">fold 13<" not in text_of(people)


LEAKY = (("train|test", "train", "selection", "test"),) * 2


def test_a_leaky_split_is_marked_on_section_picture_and_statement() -> None:
    note = "leaky by design: everybody knows"
    leaky: dict[str, Any] = {"participant_disjointness": "violated_by_design", "notes": [note]}
    section = split_section(make_material("sequence_wise", LEAKY, problems=[], **leaky))
    mark = "LEAKY BY DESIGN: 2 participants on both sides"
    assert section.title == f"Splits: {mark}"
    box = section.blocks[0]
    assert isinstance(box, Group)
    assert box.form == "box"
    assert [one.text for one in box.blocks if isinstance(one, Text)][-1] == f"L{note[1:]}."
    picture = pictures_of(section)[0]
    assert mark in text_of(picture)
    assert picture.caption.startswith(mark)
    assert picture.alternative.startswith(mark)
    claim = "LEAKY BY DESIGN: participants are on both sides of this split."
    assert said_by(section)[claim] == "fails"


def test_an_imported_split_shows_what_it_cannot_prove_and_its_notes() -> None:
    unknown: dict[str, Any] = {
        "participant_disjointness": "unverifiable",
        "notes": ["20 to 30 test ids are expected to be trained on"],
    }
    material = make_material("imported", FIXED[:1], ("imported",), problems=[], **unknown)
    section = split_section(material)
    assert section.title.startswith("Splits: UNVERIFIABLE")
    box = section.blocks[0]
    assert isinstance(box, Group)
    assert "20 to 30 test ids are expected to be trained on." in [
        one.text for one in box.blocks if isinstance(one, Text)
    ]
    assert said_by(section)["Whether a participant is on two sides can't be known."] == "caution"
    assert "UNVERIFIABLE" in text_of(pictures_of(section)[0])
    assert "Sequences requested and achieved" not in tables_of(section)


def test_a_split_without_its_dataset_is_described_the_same_way_each_time() -> None:
    material = replace(make_material("fixed_test_nested"), dataset=None)
    section = split_section(material)
    assert len(pictures_of(section)) == 2
    assert split_section(material) == section


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
