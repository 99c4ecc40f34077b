"""What a table of predictions is worth: the confusion matrix first, every scalar derived from it.

The unit is the participant, then the sequence. Each binary metric names its positive set.
"""

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.labels import SCOLIOSIS, LabelScheme
from transforms.metrics.bootstrap import NO_INTERVAL, draw_weights
from transforms.metrics.brier import brier_interval, squared_errors
from transforms.metrics.intervals import Evidence, score_interval
from transforms.metrics.judged import (
    Floats,
    Judged,
    average_by_participant,
    read_clip_predictions,
    read_predictions,
)
from transforms.metrics.published_convention import read_as_published_2024
from transforms.metrics.ranking import measure_auprc, measure_auroc
from transforms.settings import EvaluationSettings

_ECE_BINS: Final = 15  # of equal width, as in Guo et al. 2017
_DIGITS: Final = 10  # beyond these, values differ only by the order of a machine's additions
_ECE_REASON: Final = "no interval: few rows make it too high, and resamples of them even higher"
_BRIER_REASON: Final = "no interval: the errors of the participants do not differ"


def summarise_predictions(
    predictions: pl.DataFrame,
    settings: EvaluationSettings,
    *,
    clips: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the parts `units` and, of scoliosis, `as_published_2024` of an experiment's metrics.

    A metric is `{"value", "low", "high"}`: the point value and its interval, from resamples of
    whole participants. Where it is undefined, `value` is None and `reason` says why;
    where resamples left it undefined, `undefined_resamples` counts them.

    Args:
        predictions: table of `predictions_schema`, of one side.
        settings: resamples, confidence and seed of the intervals.
        clips: the clips that the sequences were made of, for the unit `clip`.

    Raises:
        InputError: a table is not what `read_predictions` or `read_clip_predictions` takes.
    """
    units = judge_units(predictions, clips)
    people = len(units["participant"].truth)
    weights = draw_weights(people, settings.bootstrap_resamples, settings.seed)
    summary: dict[str, Any] = {
        "units": {
            unit: _summarise(judged, weights, settings.confidence) for unit, judged in units.items()
        }
    }
    if units["sequence"].scheme.name == SCOLIOSIS.name:
        matrix = confusion_matrix(units["sequence"])
        summary["as_published_2024"] = read_as_published_2024(matrix)
    return summary


def judge_units(predictions: pl.DataFrame, clips: pl.DataFrame | None = None) -> dict[str, Judged]:
    """Return the rows of each unit, the participant first; the arguments as above."""
    sequences = read_predictions(predictions)
    units = {"participant": average_by_participant(sequences), "sequence": sequences}
    return units if clips is None else units | {"clip": read_clip_predictions(clips, predictions)}


def confusion_matrix(judged: Judged) -> NDArray[np.int64]:
    """Return how often each truth (row) was given each prediction (column)."""
    matrix = np.zeros((len(judged.scheme.classes),) * 2, dtype=np.int64)
    np.add.at(matrix, (judged.truth, judged.predicted), 1)
    return matrix


def weigh_confusion(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], weights: Floats, classes: int
) -> Floats:
    """Return the confusion matrix under each weighting of the rows.

    Args:
        truth: class index of each row.
        predicted: class index of each row.
        weights: whole numbers, float64 [weighting, row].
        classes: how many there are.

    Returns:
        float64 [weighting, truth, prediction].
    """
    cells = np.eye(classes**2)[truth * classes + predicted]  # (row, cell)
    matrices: Floats = (weights @ cells).reshape(-1, classes, classes)
    return matrices


def derive_from_confusion(matrix: Floats, scheme: LabelScheme = SCOLIOSIS) -> dict[str, Floats]:
    """Return every metric that follows from confusion matrices.

    A class that nobody has leaves the macro averages undefined; a class that was never predicted
    has precision 0, as scikit-learn and the field's evaluator count it.

    Args:
        matrix: float64 [..., truth, prediction].
        scheme: whose classes they are.

    Returns:
        name -> float64 [...], NaN where undefined.
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    truths, named = matrix.sum(axis=-1), matrix.sum(axis=-2)
    recall = _ratio(hits, truths)
    precision = np.where(named > 0, hits / np.maximum(named, 1), 0.0)
    values = {
        "accuracy": _ratio(hits.sum(axis=-1), truths.sum(axis=-1)),
        "macro_precision": np.where(truths > 0, precision, np.nan).mean(axis=-1),
        "macro_recall": recall.mean(axis=-1),
        "macro_f1": np.where(truths > 0, _ratio(2 * hits, truths + named), np.nan).mean(axis=-1),
    }
    for name, positive in scheme.questions.items():
        inside = np.isin(np.arange(matrix.shape[-1]), positive)
        true_positive = matrix[..., inside, :][..., inside].sum(axis=(-2, -1))
        true_negative = matrix[..., ~inside, :][..., ~inside].sum(axis=(-2, -1))
        values[f"{name}/sensitivity"] = _ratio(true_positive, truths[..., inside].sum(axis=-1))
        values[f"{name}/specificity"] = _ratio(true_negative, truths[..., ~inside].sum(axis=-1))
    return values


def measure_answers(judged: Judged, weights: Floats) -> dict[str, Floats]:
    """Return every metric of the answers alone, without their probabilities, as `measure` does."""
    classes = len(judged.scheme.classes)
    matrix = weigh_confusion(judged.truth, judged.predicted, weights, classes)
    return derive_from_confusion(matrix, judged.scheme)


def measure(judged: Judged, weights: Floats) -> dict[str, Floats]:
    """Return every metric under each weighting of the rows.

    Args:
        judged: the rows.
        weights: whole numbers, float64 [weighting, row].

    Returns:
        name -> float64 [weighting], NaN where undefined.
    """
    values = measure_answers(judged, weights)
    for name, positive in judged.scheme.questions.items():
        score = judged.probabilities[:, positive].sum(axis=1)
        is_positive = np.isin(judged.truth, positive)
        values[f"{name}/auroc"] = measure_auroc(score, is_positive, weights)
        values[f"{name}/auprc"] = measure_auprc(score, is_positive, weights)
    total = weights.sum(axis=1)
    values["brier"] = _ratio(weights @ squared_errors(judged), total)
    values["ece"] = _ratio(_calibration_error(judged, weights), total)
    return values


def _calibration_error(judged: Judged, weights: Floats) -> Floats:
    """Return the weighted sum over bins of confidence of |hits - confidence|."""
    confidence = judged.probabilities.max(axis=1)
    # Bins are open below, as in the definition: a confidence of 1/15 belongs to the first.
    bins = np.clip(np.ceil(confidence * _ECE_BINS).astype(np.int64) - 1, 0, _ECE_BINS - 1)
    surplus = (judged.predicted == judged.truth).astype(np.float64) - confidence
    per_bin = np.eye(_ECE_BINS)[bins] * surplus[:, None]  # (row, bin)
    total: Floats = np.abs(weights @ per_bin).sum(axis=1)
    return total


def _ratio(part: Floats, whole: Floats) -> Floats:
    undefined = np.full(np.shape(whole), np.nan)
    ratio: Floats = np.divide(part, whole, out=undefined, where=whole > 0)
    return ratio


def _summarise(judged: Judged, participant_weights: Floats, confidence: float) -> dict[str, Any]:
    points = measure(judged, np.ones((1, len(judged.truth))))
    spread = measure(judged, participant_weights[:, judged.participant])
    metrics = {
        name: describe_metric(name, float(value[0]), spread[name], judged, confidence)
        for name, value in points.items()
        if name != "brier"
    }
    metrics["brier"] = describe_value(
        float(points["brier"][0]),
        spread["brier"],
        brier_interval(judged, participant_weights, confidence),
        reason=_BRIER_REASON,
    )
    return {
        "count": len(judged.truth),
        "participants": participant_weights.shape[1],
        "labels": list(judged.scheme.classes),
        "confusion": confusion_matrix(judged).tolist(),
        "metrics": metrics,
    }


def describe_metric(
    name: str, value: float, spread: Floats, judged: Judged, confidence: float
) -> dict[str, Any]:
    """Return one metric of `measure`, but the Brier score, as an entry of `metrics.json`.

    Args:
        name: as `measure` calls it.
        value: on the rows as they are, NaN where undefined.
        spread: in each resample, NaN where undefined.
        judged: the rows.
        confidence: of the interval.
    """
    if np.isnan(value):
        return undefined_entry(_reason_undefined(name, judged))
    if name == "ece":
        return describe_value(value, spread, None, reason=_ECE_REASON)
    evidence = gather_evidence(name, judged)
    interval = score_interval(value, spread, confidence, evidence)
    return describe_value(value, spread, interval)


def undefined_entry(reason: str) -> dict[str, Any]:
    """Return the entry of a metric that has no value."""
    return {"value": None, "low": None, "high": None, "reason": reason}


def describe_value(
    value: float,
    spread: Floats,
    interval: tuple[float, float] | None,
    *,
    reason: str = NO_INTERVAL,
) -> dict[str, Any]:
    """Return the entry of a value and its interval, or why there is none."""
    entry: dict[str, Any] = {"value": round_off(value), "low": None, "high": None}
    if interval is None:
        entry["reason"] = reason
    else:
        entry["low"], entry["high"] = (round_off(bound) for bound in interval)
    undefined = int(np.isnan(spread).sum())
    if undefined:
        entry["undefined_resamples"] = undefined
    return entry


def round_off(value: float) -> float:
    """Return a number as it stands in `metrics.json`."""
    return round(value, _DIGITS) + 0.0  # no -0.0


def gather_evidence(name: str, judged: Judged) -> Evidence:
    """Return what a metric of `measure` was seen on."""
    question, _, kind = name.rpartition("/")
    people = int(judged.participant.max()) + 1
    if question:
        inside = np.isin(judged.truth, judged.scheme.questions[question])
        return evidence_of(judged, inside, kind)
    if kind.startswith("macro"):
        classes = range(len(judged.scheme.classes))
        rarest = min(count_people(judged, judged.truth == k) for k in classes)
        return Evidence(rarest, len(judged.truth), len(judged.truth) > people)
    return Evidence(people, len(judged.truth), len(judged.truth) > people)


def evidence_of(judged: Judged, inside: NDArray[np.bool_], kind: str) -> Evidence:
    """Return what a metric of one positive set was seen on.

    Args:
        judged: the rows.
        inside: whether the truth is in the positive set, bool [row].
        kind: sensitivity, specificity, auroc or auprc.
    """
    is_clustered = len(judged.truth) > int(judged.participant.max()) + 1
    found, others = count_people(judged, inside), count_people(judged, ~inside)
    rows = len(judged.truth)
    if kind == "sensitivity":
        return Evidence(found, int(inside.sum()), is_clustered)
    if kind == "specificity":
        return Evidence(others, int((~inside).sum()), is_clustered)
    return Evidence(found if kind == "auprc" else min(found, others), rows, is_clustered)


def count_people(judged: Judged, chosen: NDArray[np.bool_]) -> int:
    """Return how many participants have one of the chosen rows."""
    return len(np.unique(judged.participant[chosen]))


def _reason_undefined(name: str, judged: Judged) -> str:
    """Say which truth is missing; only that can leave a point value undefined."""
    question = name.rpartition("/")[0]
    if not question:
        classes = enumerate(judged.scheme.classes)
        absent = [label for index, label in classes if index not in judged.truth]
        return f"no {' and no '.join(absent)} among the tested"
    inside = np.isin(judged.truth, judged.scheme.questions[question])
    missing = "inside" if not inside.any() else "outside"
    return f"nobody {missing} the positive set {question} among the tested"
