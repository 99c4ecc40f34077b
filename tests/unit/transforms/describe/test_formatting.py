from typing import Any

import pytest

from transforms.describe.formatting import (
    NOTHING,
    format_bytes,
    format_cell,
    format_interval,
    name_metric,
    plural,
)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ({"value": 0.8249, "low": 0.735, "high": 0.9}, "0.82 [0.73, 0.90]"),
        ({"value": 1.0, "low": 1.0, "high": 1.0}, "1.00 [1.00, 1.00]"),
        ({"value": 0.5, "low": None, "high": None}, "0.50"),
        ({"value": None, "low": None, "high": None, "reason": "no positive"}, "undefined"),
    ],
)
def test_intervals_have_one_form(metric: dict[str, Any], text: str) -> None:
    assert format_interval(metric) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        ("", NOTHING),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (447_900, "447,900"),
        (0.12345, "0.123"),
        (12345.6, "12,346"),
        ("12", "12"),
    ],
)
def test_cells_say_what_they_hold(value: Any, text: str) -> None:
    assert format_cell(value) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", ("Accuracy", "none: all classes")),
        ("any_abnormality/auroc", ("AUROC", "any_abnormality: positive + neutral")),
        ("positive_vs_rest/sensitivity", ("Sensitivity", "positive_vs_rest: positive")),
        ("neutral_vs_rest/sensitivity", ("Sensitivity", "neutral_vs_rest")),
        ("sensitivity", ("Sensitivity", "not stated")),
        ("new_metric", ("new_metric", "not stated")),
    ],
)
def test_every_metric_names_its_positive_set(name: str, expected: tuple[str, str]) -> None:
    assert name_metric(name) == expected


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (3.2e12, "3.2 TB")]
)
def test_sizes_have_a_fitting_unit(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_one_is_singular() -> None:
    assert (plural(1, "frame"), plural(1200, "frame")) == ("1 frame", "1,200 frames")
