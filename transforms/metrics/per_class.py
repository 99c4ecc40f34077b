"""Each class on its own: precision, recall, F1, and AUROC against the others together."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.metrics.intervals import Evidence, score_interval
from transforms.metrics.judged import Floats, Judged
from transforms.metrics.metrics import (
    count_people,
    describe_value,
    evidence_of,
    undefined_entry,
    weigh_confusion,
)
from transforms.metrics.ranking import measure_auroc

_NEVER_NAMED: Final = "never predicted: counts as 0"

PerClass = dict[str, dict[str, Any]]  # `Any`: JSON


def measure_per_class(judged: Judged, weights: Floats) -> dict[str, dict[str, Floats]]:
    """Return label -> metric -> its value under each weighting of the rows, NaN where undefined.

    The macro averages of `metrics.json` are the means of these. As there, a class that is never
    predicted has precision 0.

    Args:
        judged: the rows.
        weights: whole numbers, float64 [weighting, row].
    """
    labels = judged.scheme.classes
    matrix = weigh_confusion(judged.truth, judged.predicted, weights, len(labels))
    found: dict[str, dict[str, Floats]] = {}
    for index, label in enumerate(labels):
        hits = matrix[:, index, index]
        truths, named = matrix[:, index].sum(axis=1), matrix[:, :, index].sum(axis=1)
        exists = np.where(truths > 0, 1.0, np.nan)
        found[label] = {
            "precision": exists * hits / np.maximum(named, 1),
            "recall": exists * hits / np.maximum(truths, 1),
            "f1": exists * 2 * hits / np.maximum(truths + named, 1),
            "auroc": measure_auroc(judged.probabilities[:, index], judged.truth == index, weights),
        }
    return found


def summarise_per_class(judged: Judged, weights: Floats, confidence: float) -> PerClass:
    """Return label -> `count`, `predicted_count` and an entry per metric of `measure_per_class`.

    Args:
        judged: the rows.
        weights: of the rows in each resample, float64 [resample, row].
        confidence: of the intervals.
    """
    points = measure_per_class(judged, np.ones((1, len(judged.truth))))
    spreads = measure_per_class(judged, weights)
    summary: PerClass = {}
    for index, label in enumerate(judged.scheme.classes):
        is_true, is_named = judged.truth == index, judged.predicted == index
        summary[label] = {
            "count": int(is_true.sum()),
            "predicted_count": int(is_named.sum()),
        }
        for metric, point in points[label].items():
            value, spread = float(point[0]), spreads[label][metric]
            if np.isnan(value):
                missing = f"no {label}" if not is_true.any() else f"nothing but {label}"
                summary[label][metric] = undefined_entry(f"{missing} among the tested")
            elif metric == "precision" and not is_named.any():
                summary[label][metric] = describe_value(value, spread, None, reason=_NEVER_NAMED)
            else:
                evidence = _gather_evidence(metric, judged, is_true, is_named)
                interval = score_interval(value, spread, confidence, evidence)
                summary[label][metric] = describe_value(value, spread, interval)
    return summary


def _gather_evidence(
    metric: str, judged: Judged, is_true: NDArray[np.bool_], is_named: NDArray[np.bool_]
) -> Evidence:
    if metric == "auroc":
        return evidence_of(judged, is_true, metric)
    of_class = evidence_of(judged, is_true, "sensitivity")
    if metric == "recall":
        return of_class
    chosen = is_named if metric == "precision" else is_true | is_named
    return Evidence(count_people(judged, chosen), int(chosen.sum()), of_class.is_clustered)
