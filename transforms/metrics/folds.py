"""A model over the folds of a cross-validation: the spread over folds, and all folds pooled.

Papers print mean ± std over folds. That says how much folds differ, not how sure the mean is: each
fold tests few people, and the models share most of what they were trained on. The interval to quote
is that of the pooled predictions, in which every participant was tested once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.errors import InputError
from transforms.fold_names import number_of_fold
from transforms.labels import find_scheme
from transforms.metrics.metrics import round_off, summarise_predictions
from transforms.metrics.summary import summarise_evaluation
from transforms.settings import EvaluationSettings

METRICS: Final = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
RATES: Final = ("sensitivity", "specificity")  # of each question
_SHARED: Final = ("model", "seed", "dataset_version", "split_sha256")

Json = dict[str, Any]  # `Any`: JSON


def summarise_folds(
    metrics: Sequence[Mapping[str, Any]],
    predictions: Sequence[pl.DataFrame],
    settings: EvaluationSettings,
    *,
    participants: pl.DataFrame | None = None,
    clips: Sequence[pl.DataFrame] | None = None,
) -> Json:
    """Return what the folds share, `folds`, `spread` and `pooled`, as plain JSON values.

    Args:
        metrics: `metrics.json` of every fold, in any order.
        predictions: the test predictions that each was made of, in the same order.
        settings: resamples, confidence and seed of the pooled intervals.
        participants: who they are; then the pooled part holds classes, operating points and
            subgroups, the diagnoses among them, as well.
        clips: the predictions of single clips of every fold.

    Raises:
        InputError: there are fewer than two folds, they are of different models or splits, or a
            participant is tested in two of them.
    """
    _require_one_model(metrics)
    if len(predictions) != len(metrics):
        raise InputError(
            "every fold needs its predictions", expected=len(metrics), found=len(predictions)
        )
    order = sorted(range(len(metrics)), key=lambda fold: _place(metrics[fold]["variant"]))
    ordered = [metrics[fold] for fold in order]
    tables = [predictions[fold] for fold in order]
    return {
        **{name: ordered[0][name] for name in _SHARED if name in ordered[0]},
        "folds": [str(one["variant"]) for one in ordered],
        "spread": spread_over_folds(ordered),
        "pooled": _pool(ordered, tables, settings, participants, clips),
    }


def spread_over_folds(metrics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Json]]:
    """Return unit -> metric -> `mean`, `sd` (n - 1) and `per_fold`, the value in each fold.

    A fold in which a metric is undefined has None there and does not enter mean and deviation,
    which are None where no fold, or only one, is left.

    Args:
        metrics: `metrics.json` of every fold.
    """
    units = metrics[0]["units"]
    return {
        unit: {
            name: _describe([one["units"][unit]["metrics"][name]["value"] for one in metrics])
            for name in list_metrics(summary["labels"])
        }
        for unit, summary in units.items()
    }


def list_metrics(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics whose spread is told, for a scheme's labels."""
    questions = find_scheme(labels).questions
    return (*METRICS, *(f"{question}/{rate}" for question in questions for rate in RATES))


def _describe(values: Sequence[float | None]) -> Json:
    defined = np.array([value for value in values if value is not None], dtype=np.float64)
    return {
        "mean": round_off(float(defined.mean())) if len(defined) else None,
        "sd": round_off(float(defined.std(ddof=1))) if len(defined) > 1 else None,
        "per_fold": list(values),
    }


def _pool(
    metrics: Sequence[Mapping[str, Any]],
    tables: Sequence[pl.DataFrame],
    settings: EvaluationSettings,
    participants: pl.DataFrame | None,
    clips: Sequence[pl.DataFrame] | None,
) -> Json:
    seen: dict[str, str] = {}
    for one, table in zip(metrics, tables, strict=True):
        people = table["participant_id"].unique().sort().to_list()
        judged = one["units"]["participant"]["count"]
        if len(people) != judged:
            raise InputError(
                "the predictions are not those of the fold's metrics",
                where=one["variant"],
                expected=f"{judged} participants",
                found=f"{len(people)} participants",
                fix="run the evaluation again",
            )
        for person in people:
            if person in seen:
                raise InputError(
                    "a participant is tested in two folds, so the folds cannot be pooled",
                    where=person,
                    found=f"{seen[person]} and {one['variant']}",
                    fix="split by k_fold, which tests everybody once",
                )
            seen[person] = one["variant"]
    pooled = pl.concat(tables)
    pooled_clips = None if clips is None else pl.concat(clips)
    if participants is None:
        return summarise_predictions(pooled, settings, clips=pooled_clips)
    return summarise_evaluation(pooled, participants, settings, clips=pooled_clips)


def _require_one_model(metrics: Sequence[Mapping[str, Any]]) -> None:
    variants = [str(one["variant"]) for one in metrics]
    if len(set(variants)) < 2 or len(set(variants)) < len(variants):
        raise InputError(
            "a spread needs at least two folds, each once", found=", ".join(variants) or "none"
        )
    for name in _SHARED:
        values = {str(one.get(name)) for one in metrics}
        if len(values) > 1:
            raise InputError(
                f"folds of another {name} cannot be summarised together",
                found=", ".join(sorted(values)),
                fix="judge all folds of one model on the same dataset and split",
            )


def _place(variant: str) -> tuple[int, str]:
    """Sort fold_10 after fold_9."""
    return (number_of_fold(variant) or 0, variant)
