import copy

import polars as pl
import pytest

from tests.unit.transforms.metrics.drawn_predictions import draw
from transforms.metrics.metrics import summarise_predictions
from transforms.metrics.sanity import find_contradictions
from transforms.settings import EvaluationSettings

SETTINGS = EvaluationSettings(bootstrap_resamples=100)


def judged(participants=30, sequences=45, seed=0, skill=1.2):
    predictions = draw(participants, sequences, seed, skill)
    metrics = {"experiment": "e"} | summarise_predictions(predictions, SETTINGS)
    return metrics, predictions


@pytest.fixture(scope="module")
def sound():
    return judged()


def contradict(metrics, predictions, tested=None):
    sequences = predictions["sequence_id"].to_list() if tested is None else tested
    return find_contradictions(metrics, predictions, sequences)


@pytest.mark.parametrize("seed", range(12))
def test_real_metrics_never_contradict_their_predictions(seed):
    size = (6, 12, 40)[seed % 3]
    metrics, predictions = judged(size, size + seed, seed, skill=(0.0, 1.2, 6.0, 30.0)[seed % 4])
    assert contradict(metrics, predictions) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("accuracy", "value"), 0.123, "the matrix says"),
        (("any_abnormality/sensitivity", "value"), 0.5123, "the matrix says"),
        (("any_abnormality/specificity", "value"), 0.5123, "the matrix says"),
        (("positive_vs_rest/sensitivity", "value"), 0.5123, "the matrix says"),
        (("positive_vs_rest/specificity", "value"), 0.5123, "the matrix says"),
        (("any_abnormality/auroc", "value"), 0.5, "the predictions give"),
        (("positive_vs_rest/auroc", "value"), None, "the predictions give"),
        (("macro_f1", "value"), 1.2, "between 0 and 1"),
        (("accuracy", "low"), -0.1, "between 0 and 1"),
        (("macro_recall", "high"), 0.0001, "outside its own interval"),
        (("brier", "value"), 2.5, "between 0 and 2"),
    ],
)
@pytest.mark.parametrize("unit", ["participant", "sequence"])
def test_a_planted_contradiction_is_found(sound, unit, path, value, words):
    metrics, predictions = copy.deepcopy(sound[0]), sound[1]
    name, key = path
    metrics["units"][unit]["metrics"][name][key] = value
    found = contradict(metrics, predictions)
    assert any(words in line and name in line and f"e, {unit}" in line for line in found), found


def test_swapped_classes_in_the_matrix_are_found(sound):
    metrics = copy.deepcopy(sound[0])
    metrics["units"]["participant"]["confusion"].reverse()
    assert any("give the matrix" in line for line in contradict(metrics, sound[1]))


def test_predictions_are_those_of_the_test_side(sound):
    metrics, predictions = sound
    names = predictions["sequence_id"].to_list()
    assert any("not judged" in line for line in contradict(metrics, predictions, [*names, "x"]))
    assert any(
        "not on the test side" in line for line in contradict(metrics, predictions, names[1:])
    )
    twice = pl.concat([predictions, predictions.head(1)])
    assert any("second time" in line for line in contradict(metrics, twice, names))
