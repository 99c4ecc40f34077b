"""What answers are worth per participant: three figures and their bootstrap intervals.

Definitions, names and draws are those of `metrics.json`: the same seed draws the same resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.confounders.fitting import Answers
from transforms.confounders.people import Floats
from transforms.labels import SCOLIOSIS, LabelScheme
from transforms.metrics.bootstrap import NO_INTERVAL, draw_weights_in_parts
from transforms.metrics.intervals import (
    Evidence,
    Interval,
    correlate,
    difference_interval,
    score_interval,
)
from transforms.metrics.metrics import derive_from_confusion, weigh_confusion
from transforms.metrics.ranking import measure_auroc

_DIGITS: Final = 6
_WEIGHTS_AT_ONCE: Final = 2_000_000  # 16 MB; some tens of such arrays live at a time


@dataclass(frozen=True)
class Values:
    """One metric of some answers.

    Attributes:
        all: the point value, then one value per resample, float64 [1 + resamples], NaN where
            undefined.
        evidence: the participants it was seen on.
    """

    all: Floats
    evidence: Evidence

    @property
    def point(self) -> float:
        """The value on the participants as they are."""
        return float(self.all[0])

    def interval(self, confidence: float) -> Interval | None:
        """Return the interval of the point value, as in `metrics.json`."""
        return score_interval(self.point, self.all[1:], confidence, self.evidence)


Resampled = dict[str, Values]  # metric -> its values


def resample(
    truth: NDArray[np.int64],
    answers: Mapping[str, Answers],
    *,
    seed: int,
    resamples: int,
    scheme: LabelScheme = SCOLIOSIS,
) -> dict[str, Resampled]:
    """Return the metrics of all answers on the participants as they are and on the same resamples.

    Args:
        truth: class index of each participant.
        answers: name -> answers about the same participants.
        seed: of the draws.
        resamples: how many.
        scheme: of the classes.

    Returns:
        name -> metric -> its values.
    """
    parts: dict[str, list[dict[str, Floats]]] = {name: [] for name in answers}
    at_once = max(1, _WEIGHTS_AT_ONCE // len(truth))
    draws = draw_weights_in_parts(len(truth), resamples, seed, at_once=at_once)
    for weights in chain([np.ones((1, len(truth)))], draws):
        for name, answer in answers.items():
            parts[name].append(_measure(truth, answer, weights, scheme))
    counts = np.bincount(truth, minlength=len(scheme.classes))
    evidence = {
        metric: _gather_evidence(metric, counts, scheme) for metric in _list_metrics(scheme)
    }
    return {
        name: {
            metric: Values(np.concatenate([part[metric] for part in found]), evidence[metric])
            for metric in evidence
        }
        for name, found in parts.items()
    }


def describe(values: Values, confidence: float) -> dict[str, Any]:
    """Return a point value with its interval, as an entry of `metrics.json`."""
    interval = None if np.isnan(values.point) else values.interval(confidence)
    return _describe(values.all, interval)


def describe_lead(rival: Values, model: Values, confidence: float) -> dict[str, Any]:
    """Return how much more a model is worth than a rival on the same resamples, likewise."""
    lead = model.all - rival.all
    if not np.any(np.nan_to_num(lead)):  # the same answers: whoever is drawn, nobody leads
        return _describe(lead, (0.0, 0.0))
    ours, theirs = model.interval(confidence), rival.interval(confidence)
    interval = None
    if not np.isnan(lead[0]) and ours is not None and theirs is not None:
        correlation = correlate(rival.all[1:], model.all[1:])
        interval = difference_interval((rival.point, theirs), (model.point, ours), correlation)
    return _describe(lead, interval)


def _describe(values: Floats, interval: Interval | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": None, "low": None, "high": None}
    if np.isnan(values[0]):
        return entry | {"reason": "undefined: a class is missing among those judged"}
    entry["value"] = _round(float(values[0]))
    if interval is None:
        return entry | {"reason": NO_INTERVAL}
    entry["low"], entry["high"] = (_round(bound) for bound in interval)
    undefined = int(np.isnan(values[1:]).sum())
    if undefined:
        entry["undefined_resamples"] = undefined
    return entry


def describe_all(values: Resampled, confidence: float) -> dict[str, dict[str, Any]]:
    """Return `describe` of every metric."""
    return {metric: describe(one, confidence) for metric, one in values.items()}


def _list_metrics(scheme: LabelScheme) -> tuple[str, str, str]:
    return ("accuracy", "macro_f1", f"{scheme.screening}/auroc")


def _gather_evidence(metric: str, counts: NDArray[np.int64], scheme: LabelScheme) -> Evidence:
    """Return what a metric was seen on; `transforms.metrics` counts in the same way."""
    people = int(counts.sum())
    scarcer = people
    if metric == "macro_f1":
        scarcer = int(counts.min())
    elif metric == f"{scheme.screening}/auroc":
        inside = int(counts[scheme.class_indices(scheme.screening)].sum())
        scarcer = min(inside, people - inside)
    return Evidence(scarcer, people, is_clustered=False)


def _measure(
    truth: NDArray[np.int64], answers: Answers, weights: Floats, scheme: LabelScheme
) -> dict[str, Floats]:
    classes = len(scheme.classes)
    likeliest, raised = (
        derive_from_confusion(weigh_confusion(truth, named, weights, classes), scheme)
        for named in (answers.likeliest, answers.raised)
    )
    is_positive = np.isin(truth, scheme.questions[scheme.screening])
    return {
        "accuracy": likeliest["accuracy"],
        "macro_f1": raised["macro_f1"],
        f"{scheme.screening}/auroc": measure_auroc(answers.score, is_positive, weights),
    }


def _round(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # no -0.0
