import polars as pl
import pytest

from transforms.describe.cohort_table import (
    describe_cohort,
    describe_folds,
    describe_sides,
    describe_split,
)


@pytest.fixture
def cohort() -> tuple[pl.DataFrame, pl.DataFrame]:
    people = pl.DataFrame(
        [
            ("a", "positive", "F", 14.0, 160.0, 50.0, "north"),
            ("b", "positive", "M", 16.0, 164.0, None, "south"),
            ("c", "neutral", None, 15.0, 150.0, 45.0, None),
            ("d", "negative", "F", 99.0, 99.0, 99.0, "nowhere"),  # no sequence was accepted
        ],
        schema=["participant_id", "label", "sex", "age_years", "height_cm", "weight_kg", "site"],
        orient="row",
    )
    index = pl.DataFrame(
        {
            "participant_id": ["a", "a", "b", "c"],
            "label": ["positive", "positive", "positive", "neutral"],
            "frame_count": [10, 20, 30, 40],
        }
    )
    return people, index


def test_table_one_counts_those_with_sequences(cohort: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    table = describe_cohort(*cohort)
    assert table["label"].to_list() == ["positive", "neutral", "all"]
    assert table.row(0, named=True) == {
        "label": "positive",
        "participants": 2,
        "sequences": 3,
        "frames": 60,
        "sex": "1 F / 1 M",
        "age (years)": "15.0 ± 1.4",
        "height (cm)": "162.0 ± 2.8",
        "weight (kg)": "50.0",
        "sites": "north, south",
    }
    assert table.row(1, named=True)["sex"] == "0 F / 0 M / 1 unknown"
    assert table.row(2, named=True)["participants"] == 3
    assert table.row(2, named=True)["frames"] == 100


def test_unknown_measures_are_empty(cohort: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    people, index = cohort
    people = people.with_columns(weight_kg=pl.lit(None, dtype=pl.Float64))
    assert set(describe_cohort(people, index)["weight (kg)"]) == {""}


def test_split_table_counts_participants_and_sequences_in_reading_order() -> None:
    split = pl.DataFrame(
        [
            ("ratio_1_1_16", "a", "positive", "test"),
            ("ratio_1_1_2", "a", "positive", "train"),
            ("ratio_1_1_2", "a", "positive", "train"),
            ("ratio_1_1_2", "b", "neutral", "train"),
            ("ratio_1_1_2", "c", "negative", "test"),
            ("ratio_1_1_2", "c", "negative", "unused"),
        ],
        schema=["variant", "participant_id", "label", "side"],
        orient="row",
    )
    assert describe_split(split).rows() == [
        ("ratio_1_1_2", "train", "positive", 1, 2),
        ("ratio_1_1_2", "train", "neutral", 1, 1),
        ("ratio_1_1_2", "train", "all", 2, 3),
        ("ratio_1_1_2", "test", "negative", 1, 1),
        ("ratio_1_1_2", "test", "all", 1, 1),
        ("ratio_1_1_2", "unused", "negative", 1, 1),
        ("ratio_1_1_2", "unused", "all", 1, 1),
        ("ratio_1_1_16", "test", "positive", 1, 1),
        ("ratio_1_1_16", "test", "all", 1, 1),
    ]


SPLIT = pl.DataFrame(
    [
        ("fold_10", "a", "positive", "train"),
        ("fold_10", "b", "neutral", "test"),
        ("fold_10", "b", "neutral", "test"),
        ("fold_2", "a", "positive", "test"),
        ("fold_2", "b", "neutral", "train"),
        ("fold_2", "b", "neutral", "train"),
    ],
    schema=["variant", "participant_id", "label", "side"],
    orient="row",
)
PROOF = {
    "variants": {
        "fold_2": {"seconds": {"test": {"positive": 90}, "train": {"neutral": 60}}},
        "fold_10": {"seconds": {"test": {"neutral": 60}, "train": {"positive": 90}}},
    }
}


def test_sides_hold_participants_sequences_and_minutes_of_each_class() -> None:
    table = describe_sides(SPLIT, PROOF)
    assert table.columns == ["variant", "side", "positive", "neutral", "all"]
    assert table.rows() == [
        ("fold_2", "train", "0 / 0 / 0.0", "1 / 2 / 1.0", "1 / 2 / 1.0"),
        ("fold_2", "test", "1 / 1 / 1.5", "0 / 0 / 0.0", "1 / 1 / 1.5"),
        ("fold_10", "train", "1 / 1 / 1.5", "0 / 0 / 0.0", "1 / 1 / 1.5"),
        ("fold_10", "test", "0 / 0 / 0.0", "1 / 2 / 1.0", "1 / 2 / 1.0"),
    ]


def test_minutes_are_left_out_where_the_proof_has_none() -> None:
    assert describe_sides(SPLIT, {}).row(0) == ("fold_2", "train", "0 / 0", "1 / 2", "1 / 2")


def test_folds_show_what_they_test_and_how_even_they_are() -> None:
    assert describe_folds(SPLIT, PROOF).rows() == [
        ("fold_2", "1 / 1 / 1.5", "0 / 0 / 0.0", "1 / 1 / 1.5"),
        ("fold_10", "0 / 0 / 0.0", "1 / 2 / 1.0", "1 / 2 / 1.0"),
        ("fewest", "0 / 0 / 0.0", "0 / 0 / 0.0", "1 / 1 / 1.0"),
        ("most", "1 / 1 / 1.5", "1 / 2 / 1.0", "1 / 2 / 1.5"),
        ("even share", "0.5 / 0.5 / 0.8", "0.5 / 1.0 / 0.5", "1.0 / 1.5 / 1.2"),
    ]


def test_classes_of_other_diseases_come_after_those_of_scoliosis() -> None:
    split = SPLIT.with_columns(label=pl.col("label").replace({"positive": "asd"}))
    assert describe_sides(split, {}).columns[2:] == ["neutral", "asd", "all"]
