"""What answers are worth per participant: three figures and their bootstrap intervals.

Definitions, names and draws are those of `metrics.json`: the same seed draws the same resamples.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.confounders.fitting import Answers
from transforms.confounders.people import Floats
from transforms.metrics.bootstrap import NO_INTERVAL, draw_weights_in_parts, percentile_interval
from transforms.metrics.metrics import POSITIVE_SETS, derive_from_confusion, weigh_confusion
from transforms.metrics.ranking import measure_auroc

_QUESTION: Final = "any_abnormality"
METRICS: Final = ("accuracy", "macro_f1", f"{_QUESTION}/auroc")
_DIGITS: Final = 6
_WEIGHTS_AT_ONCE: Final = 2_000_000  # 16 MB; some tens of such arrays live at a time

Resampled = dict[str, Floats]  # metric -> the point value, then one value per resample


def resample(
    truth: NDArray[np.int64], answers: Mapping[str, Answers], *, seed: int, resamples: int
) -> dict[str, Resampled]:
    """Return the metrics of all answers on the participants as they are and on the same resamples.

    Args:
        truth: class index of each participant.
        answers: name -> answers about the same participants.
        seed: of the draws.
        resamples: how many.

    Returns:
        name -> metric -> float64 [1 + resamples], NaN where undefined.
    """
    parts: dict[str, list[dict[str, Floats]]] = {name: [] for name in answers}
    at_once = max(1, _WEIGHTS_AT_ONCE // len(truth))
    draws = draw_weights_in_parts(len(truth), resamples, seed, at_once=at_once)
    for weights in chain([np.ones((1, len(truth)))], draws):
        for name, answer in answers.items():
            parts[name].append(_measure(truth, answer, weights))
    return {
        name: {metric: np.concatenate([part[metric] for part in found]) for metric in METRICS}
        for name, found in parts.items()
    }


def describe(values: Floats, confidence: float) -> dict[str, Any]:
    """Return a point value with its percentile interval, as an entry of `metrics.json`."""
    entry: dict[str, Any] = {"value": None, "low": None, "high": None}
    point, spread = float(values[0]), values[1:]
    if np.isnan(point):
        return entry | {"reason": "undefined: a class is missing among those judged"}
    entry["value"] = _round(point)
    interval = percentile_interval(spread, confidence)
    if interval is None:
        return entry | {"reason": NO_INTERVAL}
    entry["low"], entry["high"] = (_round(bound) for bound in interval)
    undefined = int(np.isnan(spread).sum())
    if undefined:
        entry["undefined_resamples"] = undefined
    return entry


def describe_all(values: Resampled, confidence: float) -> dict[str, dict[str, Any]]:
    """Return `describe` of every metric."""
    return {metric: describe(values[metric], confidence) for metric in METRICS}


def _measure(truth: NDArray[np.int64], answers: Answers, weights: Floats) -> dict[str, Floats]:
    likeliest, raised = (
        derive_from_confusion(weigh_confusion(truth, named, weights))
        for named in (answers.likeliest, answers.raised)
    )
    is_positive = np.isin(truth, POSITIVE_SETS[_QUESTION])
    return {
        "accuracy": likeliest["accuracy"],
        "macro_f1": raised["macro_f1"],
        f"{_QUESTION}/auroc": measure_auroc(answers.score, is_positive, weights),
    }


def _round(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # no -0.0
