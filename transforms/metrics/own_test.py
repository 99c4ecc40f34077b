"""What a model's own test says of an answer it gives: how often such answers were right.

The test side's people were in neither training nor selection; whether a new person is like them,
nobody knows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import FiniteFloat

from transforms.errors import IntegrityError
from transforms.files import read_limited
from transforms.labels import LabelScheme
from transforms.layout import METRICS_NAME
from transforms.metrics.judged import average_by_participant, read_predictions
from transforms.outside_json import Count, Form, check_form, parse_json
from transforms.schemas import predictions_schema
from transforms.shards.parquet import read_table

_PREDICTIONS_NAME: Final = "predictions.parquet"
_IDENTITY: Final = ("experiment", "model", "variant", "seed", "dataset_version", "split_sha256")
_UNIT: Final = "participant"
_MAX_BYTES: Final = 64 << 20

Json = dict[str, Any]  # `Any`: JSON


class _Figure(Form):
    value: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class _NamedClass(Form):
    named: Count
    were: Count
    precision: _Figure
    recall: _Figure
    mean_probability: FiniteFloat | None


class _OwnTest(Form):
    """What those who print it take for granted."""

    participants: Count
    participants_per_class: dict[str, Count]
    named_class: _NamedClass
    questions: dict[str, dict[str, _Figure]]
    accuracy: _Figure
    brier: _Figure
    ece: _Figure


def read_own_test(directories: Sequence[Path], card: Mapping[str, Any]) -> tuple[Json, Path] | None:
    """Return the metrics of the model with this card, and their folder; None where there are none.

    Args:
        directories: where they may lie; the first that has any counts.
        card: of the model.

    Raises:
        IntegrityError: they are damaged, or another model's.
    """
    for directory in directories:
        path = directory / METRICS_NAME
        if not path.is_file():
            continue
        try:
            metrics = parse_json(read_limited(path, _MAX_BYTES))
            identity = {name: metrics[name] for name in _IDENTITY}
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise IntegrityError(
                "unreadable metrics", where=path, found=error, fix="build model_evaluation again"
            ) from error
        for name, value in identity.items():
            if card.get(name) != value:
                raise IntegrityError(
                    f"the metrics are of a model with another {name}",
                    where=path,
                    expected=card.get(name),
                    found=value,
                    fix="build model_evaluation again",
                )
        return metrics, directory
    return None


def describe_own_test(found: tuple[Json, Path] | None, scheme: LabelScheme, predicted: str) -> Json:
    """Return the part `own_test` of a prediction.

    Raises:
        IntegrityError: the metrics lack a part, or predictions are damaged.
    """
    if found is None:
        return {
            "reason": "the model has not been judged on its test side: "
            "`gaitworks run model_evaluation` does"
        }
    metrics, directory = found
    try:
        unit = metrics["units"][_UNIT]
        place = unit["labels"].index(predicted)
        named = unit["per_class"][predicted]
        described = {
            "unit": _UNIT,
            "participants": unit["participants"],
            "participants_per_class": {
                label: sum(row)
                for label, row in zip(unit["labels"], unit["confusion"], strict=True)
            },
            "named_class": {
                "class": predicted,
                "named": sum(row[place] for row in unit["confusion"]),
                "were": unit["confusion"][place][place],
                "precision": named["precision"],
                "recall": named["recall"],
                **_describe_confidence(directory / _PREDICTIONS_NAME, scheme, predicted),
            },
            "questions": {
                question: {
                    name: unit["metrics"][f"{question}/{name}"]
                    for name in ("sensitivity", "specificity", "auroc")
                }
                for question in scheme.questions
            },
            "accuracy": unit["metrics"]["accuracy"],
            "brier": unit["metrics"]["brier"],
            "ece": unit["metrics"]["ece"],
        }
        check_form(_OwnTest, described)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(
            "metrics with a part that is missing or wrong",
            where=directory / METRICS_NAME,
            found=error,
            fix="build model_evaluation again",
        ) from error
    return described


def _describe_confidence(path: Path, scheme: LabelScheme, predicted: str) -> Json:
    """Return how sure the model was, on the mean, of those it gave this class; releases lack it."""
    if not path.is_file():
        return {"mean_probability": None}
    table = pl.DataFrame(read_table(path, predictions_schema(scheme)))
    people = average_by_participant(read_predictions(table))
    place = scheme.classes.index(predicted)
    sure = people.probabilities[people.predicted == place, place]
    return {"mean_probability": float(sure.mean()) if len(sure) else None}
