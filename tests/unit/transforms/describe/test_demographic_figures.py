from typing import Any

import polars as pl
import pytest

from transforms.describe.demographic_figures import (
    draw_demographics,
    draw_differences,
    gather_demographics,
)
from transforms.describe.style import figure_to_svg

SPLIT = pl.DataFrame(
    [
        ("ratio_1_1_2", "train", "positive", "p1", "s1"),
        ("ratio_1_1_2", "train", "positive", "p1", "s2"),
        ("ratio_1_1_2", "test", "negative", "p2", "s3"),
        ("ratio_1_1_2", "unused", "positive", "p3", "s4"),
        ("ratio_1_1_4", "unused", "positive", "p1", "s1"),
        ("ratio_1_1_4", "train", "positive", "p1", "s2"),
        ("ratio_1_1_4", "test", "negative", "p2", "s3"),
        ("ratio_1_1_4", "unused", "positive", "p3", "s4"),
    ],
    schema=["variant", "side", "label", "participant_id", "sequence_id"],
    orient="row",
).with_columns(protocol=pl.lit("fixed_test_nested"))
PEOPLE = pl.DataFrame(
    {
        "participant_id": ["p1", "p2", "p3"],
        "label": ["positive", "negative", "positive"],
        "sex": ["F", "M", None],
        "age_years": [12.0, 13.0, 14.0],
        "height_cm": [150.0, 160.0, 170.0],
        "weight_kg": [40.0, 50.0, 60.0],
    }
)
INDEX = pl.DataFrame(
    {"sequence_id": ["s1", "s2", "s3", "s4"], "frame_count": [50, 100, 75, 25], "fps": [25.0] * 4}
)


def crowd(*groups: tuple[str, int], age: float | None = 12.0) -> pl.DataFrame:
    """So many people of one class in each group."""
    rows = [
        {
            "participant_id": f"{group}-{number}",
            "label": "positive",
            "group": group,
            "sex": "F" if number % 2 else "M",
            "age_years": None if age is None else age + number,
            "height_cm": 150.0 + number,
            "weight_kg": 40.0 + number,
            "duration_s": 4.0,
        }
        for group, count in groups
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema_overrides={"age_years": pl.Float64})


def dots(axes: Any) -> int:
    return sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o")


def test_a_participant_stands_once_on_each_side_with_all_it_walked_there() -> None:
    people = gather_demographics(SPLIT, PEOPLE, INDEX)
    assert people.select("participant_id", "group", "age_years", "duration_s").rows() == [
        ("p2", "test", 13.0, 3.0),
        ("p1", "train", 12.0, 6.0),
    ]


def test_of_folds_the_fold_that_tests_a_participant_is_its_group() -> None:
    folds = SPLIT.with_columns(protocol=pl.lit("k_fold"))
    people = gather_demographics(folds, PEOPLE, INDEX)
    assert people.select("participant_id", "group").rows() == [
        ("p2", "ratio_1_1_2"),
        ("p2", "ratio_1_1_4"),
    ]


def test_a_participant_on_two_sides_stands_on_both() -> None:
    leak = SPLIT.head(1).with_columns(side=pl.lit("test"))
    people = gather_demographics(pl.concat([SPLIT, leak]), PEOPLE, INDEX)
    mine = people.filter(pl.col("participant_id") == "p1")
    assert mine.select("group", "duration_s").rows() == [("test", 2.0), ("train", 6.0)]


def test_few_people_are_drawn_one_by_one_and_many_as_a_spread() -> None:
    few, many = (draw_demographics(crowd(("train", n))).axes[0] for n in (4, 41))
    assert (dots(few), dots(many)) == (4, 0)
    assert (len(few.lines), len(many.lines)) == (2, 3)  # dots and median; two spans and median


@pytest.mark.parametrize("age", [12.0, None])
def test_unknown_values_are_called_unknown(age: float | None) -> None:
    axes = draw_demographics(crowd(("train", 3), ("test", 2), age=age)).axes[0]
    assert dots(axes) == (0 if age is None else 5)
    assert [text.get_text() for text in axes.texts] == (["unknown"] if age is None else [])


def test_the_sexes_are_counted_of_those_known() -> None:
    people = crowd(("train", 5)).with_columns(
        sex=pl.Series(["F", "F", "M", None, None], dtype=pl.String)
    )
    (text,) = draw_demographics(people).axes[-1].texts
    assert text.get_text() == "2/3"


def test_sides_and_folds_have_their_order() -> None:
    def names(*groups: str) -> list[str]:
        axes = draw_demographics(crowd(*((group, 1) for group in groups))).axes[0]
        return [label.get_text() for label in axes.get_yticklabels()]

    assert names("test", "train") == ["train", "test"]
    assert names("fold_10", "fold_2") == ["fold 2", "fold 10"]


def differences(*rows: tuple[str, str, str, str, float]) -> pl.DataFrame:
    columns = ["variant", "label", "side", "column", "difference"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def marks(axes: Any) -> list[tuple[str, float]]:
    lines = [line for line in axes.lines if line.get_marker() != "None"]
    return [(line.get_marker(), round(float(line.get_xdata()[0]), 3)) for line in lines]


def test_each_variant_has_its_dots_and_the_band_of_alike_sides() -> None:
    figure = draw_differences(
        differences(
            ("ratio_1_1_16", "positive", "test", "age_years", 0.05),
            ("ratio_1_1_2", "positive", "selection", "age_years", -0.2),
            ("ratio_1_1_2", "negative", "test", "height_cm", 0.15),
        )
    )
    first, second = figure.axes
    assert first.get_title(loc="left") == "ratio_1_1_2"
    assert sorted(marks(first)) == [("D", -0.2), ("o", 0.15)]
    assert marks(second) == [("o", 0.05)]
    band = first.patches[0].get_path().get_extents(first.patches[0].get_patch_transform())
    assert (band.x0, band.x1) == (-0.1, 0.1)
    assert [label.get_text() for label in first.get_yticklabels()] == ["age", "height"]


def test_differences_beyond_the_edge_point_outwards() -> None:
    rows = [("a", "positive", "test", "age_years", 3.0), ("a", "neutral", "test", "age_years", -2)]
    axes = draw_differences(differences(*rows)).axes[0]
    assert sorted(marks(axes)) == [("<", -1.0), (">", 1.0)]


def test_many_variants_share_a_panel() -> None:
    rows = [(f"fold_{n}", "positive", "test", "age_years", n / 100) for n in range(20)]
    (axes,) = draw_differences(differences(*rows)).axes
    assert axes.get_title(loc="left") == "all 20 variants"
    assert len(marks(axes)) == 20


def test_pictures_are_the_same_bytes_each_time() -> None:
    people = gather_demographics(SPLIT, PEOPLE, INDEX)
    again = gather_demographics(SPLIT.reverse(), PEOPLE.reverse(), INDEX.reverse())
    assert figure_to_svg(draw_demographics(again)) == figure_to_svg(draw_demographics(people))
