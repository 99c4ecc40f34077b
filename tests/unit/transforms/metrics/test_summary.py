"""The parts of metrics.json together, and what must never pass for them."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.metrics.drawn_predictions import describe_people, draw, tabulate
from transforms.errors import InputError
from transforms.files import canonical_json
from transforms.labels import SCOLIOSIS, SCOLIOSIS_LABELS
from transforms.metrics import judged, metrics, operating_points
from transforms.metrics.summary import summarise_evaluation
from transforms.settings import EvaluationSettings

SETTINGS = EvaluationSettings(bootstrap_resamples=120)
# Most of the ill are missed and nobody is alarmed: the two rates cannot be mistaken for each other.
MATRIX = [[20, 0, 0], [12, 6, 2], [14, 1, 15]]


def from_matrix(matrix):
    cells = [
        (truth, named, number)
        for truth, line in enumerate(matrix)
        for named, count in enumerate(line)
        for number in range(count)
    ]
    return tabulate(
        [
            (f"p{n:03}", SCOLIOSIS_LABELS[truth], 0.1 + 0.7 * np.eye(3)[named])
            for n, (truth, named, _) in enumerate(cells)
        ]
    )


def check_meaning():
    """Raise AssertionError unless every figure means what its name says."""
    predictions = from_matrix(MATRIX)
    people = describe_people(predictions, sex=["F"] * predictions.height)
    found = summarise_evaluation(predictions, people, SETTINGS)
    unit = found["units"]["participant"]
    wanted = {
        "any_abnormality/sensitivity": 24 / 50,
        "any_abnormality/specificity": 20 / 20,
        "positive_vs_rest/sensitivity": 15 / 30,
        "positive_vs_rest/specificity": 38 / 40,
    }
    (women,) = unit["subgroups"]["sex"]
    for name, value in wanted.items():
        question, _, kind = name.partition("/")
        point = unit["operating_points"][question][operating_points.LIKELIEST]
        assert unit["metrics"][name]["value"] == pytest.approx(value)
        assert point[kind]["value"] == pytest.approx(value)
        if name in women["metrics"]:
            assert women["metrics"][name]["value"] == pytest.approx(value)
    assert unit["metrics"]["any_abnormality/auroc"]["value"] > 0.5
    assert unit["per_class"]["negative"]["recall"]["value"] == 1
    assert unit["per_class"]["positive"]["recall"]["value"] == 0.5
    published = found["as_published_2024"]
    assert published["sensitivity"] == wanted["any_abnormality/specificity"]
    assert published["specificity"] == wanted["any_abnormality/sensitivity"]


def test_every_figure_means_what_its_name_says() -> None:
    check_meaning()


@pytest.mark.parametrize(
    "sets",
    [
        {"any_abnormality": (0,), "positive_vs_rest": (2,)},  # class 0 is positive, as in 2024
        {"any_abnormality": (1, 2), "positive_vs_rest": (1,)},  # 1 is positive, as in its encoding
        {"any_abnormality": (0, 1), "positive_vs_rest": (2,)},
    ],
)
def test_a_wrong_positive_set_is_caught(monkeypatch, sets) -> None:
    wrong = replace(SCOLIOSIS, questions=sets)
    monkeypatch.setattr(judged, "find_scheme", lambda labels, **said: wrong)
    with pytest.raises(AssertionError):
        check_meaning()


def test_swapped_sensitivity_and_specificity_are_caught(monkeypatch) -> None:
    honest = metrics.derive_from_confusion

    def swap(matrix, scheme):
        values = honest(matrix, scheme)
        for question in scheme.questions:
            rates = [f"{question}/{kind}" for kind in ("sensitivity", "specificity")]
            values[rates[0]], values[rates[1]] = values[rates[1]], values[rates[0]]
        return values

    monkeypatch.setattr(metrics, "derive_from_confusion", swap)
    with pytest.raises(AssertionError):
        check_meaning()


def test_the_encoding_of_2024_is_caught(monkeypatch) -> None:
    honest = metrics.weigh_confusion
    order = [0, 2, 1]  # negative, positive, neutral
    monkeypatch.setattr(
        metrics, "weigh_confusion", lambda *given: honest(*given)[:, order][:, :, order]
    )
    with pytest.raises(AssertionError):
        check_meaning()


def test_a_transposed_confusion_matrix_is_caught(monkeypatch) -> None:
    honest = metrics.weigh_confusion
    monkeypatch.setattr(
        metrics, "weigh_confusion", lambda *given: honest(*given).transpose(0, 2, 1)
    )
    with pytest.raises(AssertionError):
        check_meaning()


def test_same_predictions_in_any_order_give_the_same_bytes() -> None:
    predictions = draw(20, 50)
    people = describe_people(predictions, sex=["F", "M"] * 10, age_years=list(range(10, 30)))
    first = canonical_json(summarise_evaluation(predictions, people, SETTINGS))
    shuffled = predictions.sample(fraction=1, shuffle=True, seed=1)
    assert canonical_json(summarise_evaluation(shuffled, people.reverse(), SETTINGS)) == first
    assert set(json.loads(first)["units"]["sequence"]) == {
        *("count", "participants", "labels", "confusion", "metrics"),
        *("per_class", "operating_points", "subgroups"),
    }


def test_one_participant_is_summarised_without_a_failure() -> None:
    predictions = tabulate([("a", "positive", [0.1, 0.2, 0.7])])
    found = summarise_evaluation(predictions, describe_people(predictions), SETTINGS)
    assert found["units"]["participant"]["metrics"]["accuracy"]["value"] == 1
    assert "NaN" not in canonical_json(found).decode()


def test_predictions_of_strangers_are_refused() -> None:
    predictions = draw(5, 9)
    people = describe_people(predictions).filter(pl.col("participant_id") != "p001")
    with pytest.raises(InputError, match="not in the participants table"):
        summarise_evaluation(predictions, people, SETTINGS)
