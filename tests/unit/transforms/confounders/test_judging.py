import numpy as np
import pytest

from transforms.confounders.fitting import Answers
from transforms.confounders.judging import Values, describe, resample
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.intervals import Evidence, score_interval


def test_accuracy_counts_the_likeliest_class_and_macro_f1_the_raised_one() -> None:
    truth = np.array([0, 0, 1, 2])
    answers = Answers(
        likeliest=np.array([0, 0, 0, 0]),
        raised=np.array([0, 1, 1, 2]),
        score=np.array([0.1, 0.5, 0.5, 0.9]),
    )
    found = resample(truth, {"one": answers}, seed=1, resamples=10)["one"]
    assert {metric: values.point for metric, values in found.items()} == {
        "accuracy": 0.5,
        "macro_f1": pytest.approx((2 / 3 + 2 / 3 + 1) / 3),
        "any_abnormality/auroc": 3.5 / 4,
    }


@pytest.mark.parametrize("at_once", [1, 1_000, 2_000_000])
def test_participants_are_drawn_as_for_metrics_json(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.confounders.judging._WEIGHTS_AT_ONCE", at_once)
    truth = np.random.default_rng(3).integers(0, 3, 80)
    negative = np.zeros(80, dtype=np.int64)
    answers = {"one": Answers(negative, negative, np.zeros(80))}
    found = resample(truth, answers, seed=5, resamples=300)["one"]["accuracy"].all
    is_hit = (truth == 0).astype(float)
    assert found[0] == is_hit.mean()
    assert found[1:] == pytest.approx(draw_weights(80, 300, 5) @ is_hit / 80)


def test_undefined_resamples_are_counted_and_too_many_leave_no_interval() -> None:
    seen = Evidence(people=20, rows=20, is_clustered=False)
    spread = np.array([*np.linspace(0, 1, 9), np.nan])
    entry = describe(Values(np.array([0.5, *spread]), seen), 0.5)
    wanted = score_interval(0.5, spread[:-1], 0.5, seen)
    assert (entry["low"], entry["high"]) == pytest.approx(wanted, abs=1e-6)
    assert entry["undefined_resamples"] == 1
    most = Values(np.array([0.5, 0.4, np.nan, np.nan]), seen)
    assert describe(most, 0.95)["low"] is None
    assert "more than half" in describe(most, 0.95)["reason"]
    assert describe(Values(np.array([np.nan, 0.5]), seen), 0.95)["value"] is None
