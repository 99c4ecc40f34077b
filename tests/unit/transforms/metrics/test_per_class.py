import numpy as np
import pytest
from sklearn.metrics import classification_report, roc_auc_score

from tests.unit.transforms.metrics.drawn_predictions import draw, tabulate
from transforms.labels import SCOLIOSIS_LABELS
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import read_predictions
from transforms.metrics.metrics import measure
from transforms.metrics.per_class import measure_per_class, summarise_per_class


def summarise(predictions):
    judged = read_predictions(predictions)
    people = int(judged.participant.max()) + 1
    weights = draw_weights(people, 200, seed=2)[:, judged.participant]
    return summarise_per_class(judged, weights, 0.95)


def test_every_class_equals_scikit_learn() -> None:
    predictions = draw(30, 80)
    truth, named = predictions["label"].to_list(), predictions["predicted"].to_list()
    wanted = classification_report(truth, named, output_dict=True)
    for label, found in summarise(predictions).items():
        for name, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert found[name]["value"] == pytest.approx(wanted[label][theirs])
            assert found[name]["low"] < found[name]["value"] < found[name]["high"]
        assert found["count"] == wanted[label]["support"]
        assert found["predicted_count"] == named.count(label)
        auroc = roc_auc_score([one == label for one in truth], predictions[f"p_{label}"].to_list())
        assert found["auroc"]["value"] == pytest.approx(auroc)


def test_macro_averages_are_the_means_of_the_classes() -> None:
    judged = read_predictions(draw(12, 40))
    weights = draw_weights(12, 50, seed=1)[:, judged.participant]
    classes, macro = measure_per_class(judged, weights), measure(judged, weights)
    for name in ("precision", "recall", "f1"):
        mean = np.mean([classes[label][name] for label in SCOLIOSIS_LABELS], axis=0)
        assert mean == pytest.approx(macro[f"macro_{name}"], nan_ok=True)


def test_class_never_predicted_counts_as_zero_and_has_no_interval() -> None:
    found = summarise(
        tabulate([("a", "neutral", [0.9, 0.1, 0]), ("b", "negative", [0.8, 0.1, 0.1])])
    )
    assert found["neutral"]["precision"]["value"] == 0
    assert found["neutral"]["precision"]["low"] is None
    assert found["neutral"]["precision"]["reason"] == "never predicted: counts as 0"
    assert found["positive"]["recall"]["reason"] == "no positive among the tested"
