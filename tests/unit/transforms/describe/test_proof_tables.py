from typing import Any

import pytest

from transforms.describe.proof_tables import (
    compare_sides,
    count_missed,
    describe_goals,
    describe_requests,
    group_problems,
    order_columns,
)


def goal(name: str, value: int, bound: int) -> dict[str, Any]:
    return {"name": name, "value": value, "bound": bound, "is_proved": value <= bound}


HELD_OUT: dict[str, Any] = {
    "name": "positive",
    "variants": ["ratio_1_1_2", "ratio_1_1_4"],
    "requested": {"positive": {"test": 1200, "selection": 5}},
    "achieved": {"positive": {"test": 1202, "selection": 4, "train": 20}},
    "goals": [goal("sequences", 3, 3), goal("age_years", 12, 7)],
    "status": "feasible",
}
TRAINED: dict[str, Any] = {
    "name": "neutral",
    "variants": ["ratio_1_1_4"],
    "requested": {"neutral": {"train": 6}},
    "achieved": {"neutral": {"train": 6, "test": 1}},
    "goals": [goal("sequences", 0, 0), goal("height_cm", 1000, 1000)],
    "status": "optimal",
}
FOLDS: dict[str, Any] = {
    "name": "all classes",
    "variants": ["fold_1", "fold_2"],
    "requested": {},
    "achieved": {"positive": {"fold_2": 3, "fold_1": 4}, "neutral": {"fold_1": 1}},
    "goals": [goal("participants of each class", 4, 4)],
    "status": "optimal",
}


def test_requests_show_what_was_asked_and_by_how_much_it_was_missed() -> None:
    assert describe_requests([HELD_OUT, TRAINED, FOLDS]).rows() == [
        (
            "2 variants",
            "positive",
            "selection 5, test 1,200",
            "train 20, selection 4, test 1,202",
            3,
        ),
        ("ratio_1_1_4", "neutral", "train 6", "train 6, test 1", 0),
        ("2 variants", "neutral", "even folds", "fold 1 1", None),
        ("2 variants", "positive", "even folds", "fold 1 4, fold 2 3", None),
    ]


def test_goals_stand_in_their_order_with_bound_and_verdict() -> None:
    table = describe_goals([HELD_OUT, TRAINED])
    assert table.columns == ["problem", "verdict", "sequences", "age", "height"]
    assert table.rows() == [
        ("2 variants: selection and test, positive", "not proved: age", "3", "12, at least 7", ""),
        ("ratio_1_1_4: train, neutral", "proved", "0", "", "1,000"),
    ]


def test_folds_and_sides_are_told_apart() -> None:
    assert group_problems([HELD_OUT, FOLDS, TRAINED]) == {
        "folds": [FOLDS],
        "sides": [HELD_OUT, TRAINED],
    }
    assert group_problems([TRAINED]) == {"sides": [TRAINED]}


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ([TRAINED, FOLDS], "The requested sizes are met exactly."),
        (
            [HELD_OUT, TRAINED],
            "The requested sizes are missed by 3 sequences "
            "(2 variants: selection and test, positive).",
        ),
        ([FOLDS], "No sizes were requested; the folds are to be even."),
    ],
)
def test_missed_sizes_are_told(problems: list[dict[str, Any]], said: str) -> None:
    assert count_missed(problems) == said


def test_no_problems_give_tables_without_rows() -> None:
    assert describe_requests([]).height == describe_goals([]).height == 0


def test_sides_are_compared_with_train_in_each_column_that_varies() -> None:
    def row(side: str, **shifts: float | None) -> dict[str, Any]:
        return {"variant": "a", "label": "positive", "side": side, "age_years_mean": 14.0} | {
            f"{name}_shift": shift for name, shift in shifts.items()
        }

    balance = [
        row("train", age_years=-0.25, height_cm=None, weight_kg=0.0),
        row("test", age_years=0.5, height_cm=0.3, weight_kg=None),
        row("selection", age_years=-0.5, height_cm=0.3, weight_kg=0.125),
        row("unused", age_years=9.0),
        row("test", age_years=9.0) | {"variant": "nobody is trained on"},
    ]
    assert sorted(compare_sides(balance).rows()) == [
        ("a", "positive", "selection", "age_years", -0.25),
        ("a", "positive", "selection", "weight_kg", 0.125),
        ("a", "positive", "test", "age_years", 0.75),
    ]


def test_columns_are_listed_as_people_list_them() -> None:
    columns = ["site_b", "duration_s", "age_years", "site_a", "is_female", "age_years"]
    assert order_columns(columns) == ["is_female", "age_years", "duration_s", "site_a", "site_b"]
