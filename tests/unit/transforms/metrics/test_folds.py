"""Mean and spread over folds beside the pooled intervals, on numbers worked out by hand."""

import math

import polars as pl
import pytest

from tests.unit.transforms.metrics.drawn_predictions import describe_people, draw, tabulate
from transforms.errors import InputError
from transforms.files import canonical_json
from transforms.metrics.folds import spread_over_folds, summarise_folds
from transforms.metrics.metrics import summarise_predictions
from transforms.settings import EvaluationSettings

SETTINGS = EvaluationSettings(bootstrap_resamples=100)
WRONG, RIGHT = [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]


def fold(number, predictions):
    facts = {"model": "m", "variant": f"fold_{number}", "seed": 0, "split_sha256": "s"}
    return facts | summarise_predictions(predictions, SETTINGS)


def of_positives(name, right, wrong):
    """Predictions of positive participants, so many of them found."""
    rows = [(f"{name}{n}", "positive", RIGHT if n < right else WRONG) for n in range(right + wrong)]
    return tabulate(rows).with_columns(sequence_id=pl.format("{}-{}", pl.lit(name), "sequence_id"))


FOLDS = [of_positives("a", 4, 0), of_positives("b", 2, 2), of_positives("c", 3, 1)]


def test_mean_and_deviation_are_those_of_the_folds() -> None:
    found = spread_over_folds([fold(n, table) for n, table in enumerate(FOLDS)])["participant"]
    assert found["accuracy"]["per_fold"] == [1.0, 0.5, 0.75]
    assert found["accuracy"]["mean"] == pytest.approx(0.75)
    assert found["accuracy"]["sd"] == pytest.approx(0.25)  # sqrt((1/16 + 1/16 + 0) / (3 - 1))
    assert found["positive_vs_rest/sensitivity"] == found["accuracy"]


def test_a_metric_that_no_fold_or_one_fold_defines_has_no_mean_or_no_deviation() -> None:
    healthy = tabulate([("h0", "negative", WRONG), ("h1", "negative", WRONG)])
    metrics = [fold(1, FOLDS[0]), fold(2, FOLDS[1]), fold(3, healthy)]
    found = spread_over_folds(metrics)["sequence"]
    assert found["macro_f1"] == {"mean": None, "sd": None, "per_fold": [None] * 3}
    specificity = found["any_abnormality/specificity"]
    assert specificity == {"mean": 1.0, "sd": None, "per_fold": [None, None, 1.0]}
    sensitivity = found["any_abnormality/sensitivity"]
    assert (sensitivity["mean"], sensitivity["sd"]) == (0.75, pytest.approx(math.sqrt(0.125)))


def test_the_pooled_part_is_that_of_all_predictions_in_one_table() -> None:
    metrics = [fold(n, table) for n, table in enumerate(FOLDS)]
    found = summarise_folds(metrics, FOLDS, SETTINGS)
    pooled = found["pooled"]["units"]["participant"]
    assert pooled["metrics"]["accuracy"]["value"] == pytest.approx(9 / 12)
    assert pooled["participants"] == 12
    assert found["pooled"] == summarise_predictions(pl.concat(FOLDS), SETTINGS)
    backwards = summarise_folds(metrics[::-1], FOLDS[::-1], SETTINGS)
    assert canonical_json(backwards) == canonical_json(found)
    assert found["folds"] == ["fold_0", "fold_1", "fold_2"]


def test_folds_are_in_the_order_of_their_numbers() -> None:
    metrics = [fold(n, table) for n, table in zip((10, 9, 2), FOLDS, strict=True)]
    found = summarise_folds(metrics, FOLDS, SETTINGS)
    assert found["folds"] == ["fold_2", "fold_9", "fold_10"]
    assert found["spread"]["participant"]["accuracy"]["per_fold"] == [0.75, 0.5, 1.0]


def test_with_participants_the_pooled_part_has_subgroups() -> None:
    people = describe_people(pl.concat(FOLDS), sex=["F"] * 12)
    metrics = [fold(n, table) for n, table in enumerate(FOLDS)]
    found = summarise_folds(metrics, FOLDS, SETTINGS, participants=people)
    (women,) = found["pooled"]["units"]["participant"]["subgroups"]["sex"]
    assert women["participants"] == 12


def test_what_does_not_belong_together_is_refused() -> None:
    metrics = [fold(n, table) for n, table in enumerate(FOLDS)]
    for wrong, tables, words in (
        (metrics[:1], FOLDS[:1], "at least two folds"),
        ([metrics[0], metrics[0]], FOLDS[:2], "each once"),
        ([metrics[0], metrics[1] | {"seed": 1}], FOLDS[:2], "another seed"),
        ([metrics[0], metrics[1] | {"split_sha256": "t"}], FOLDS[:2], "another split_sha256"),
        (metrics, FOLDS[:2], "needs its predictions"),
        ([metrics[0], fold(7, FOLDS[0])], [FOLDS[0], FOLDS[0]], "tested in two folds"),
        (metrics[:2], [FOLDS[0], draw(9, 9)], "not those of the fold's metrics"),
    ):
        with pytest.raises(InputError, match=words):
            summarise_folds(wrong, tables, SETTINGS)
