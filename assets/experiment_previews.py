"""What people see of an experiment in the Dagster UI: numbers, curves, tables and where files lie.

Everything is read from the published directory, so it is the same for a result that was reused.
"""

import json
from pathlib import Path
from typing import Any, Final

from dagster import MarkdownMetadataValue, MetadataValue

from assets.materialise import Metadata
from assets.previews import (
    PICTURE_MAX_BYTES,
    describe_table,
    read_table,
    show_json,
    show_png,
    show_table,
)
from transforms.manifest import read_manifest

ROW_COUNT: Final = "dagster/row_count"  # Dagster's own name, which the UI shows beside the asset
# The metrics of each question in the first table, in its order; the others are in the file.
_HEADLINE: Final = ("sensitivity", "specificity", "auroc")


def describe_model(directory: Path) -> Metadata:
    """Return how a training went: the numbers it ended with, its curves and its card."""
    from training.history import HISTORY_NAME, parse_history
    from transforms.describe.plots import plot_learning_curves

    card = json.loads((directory / "model.json").read_bytes())
    history = parse_history((directory / HISTORY_NAME).read_bytes())
    last = history[-1]
    numbers = {
        "loss": last.loss,
        "learning_rate": last.learning_rate,
        "selection_accuracy": card["chosen"]["selection_accuracy"],
    }
    return {
        "steps": last.step,
        "chosen_step": card["chosen"]["step"],
        "chosen_because": card["chosen"]["reason"],
        **{name: value for name, value in numbers.items() if value is not None},
        "processes": read_manifest(directory)["facts"].get("process_count", 1),
        "parameters": card["parameter_count"],
        **{
            f"{side}/{unit}": card[side][unit]
            for side in ("train", "selection")
            for unit in ("participants", "sequences", "clips")
            if unit in card[side]
        },
        ROW_COUNT: len(history),
        "weights_sha256": card["weights_sha256"],
        "learning_curves": show_png(
            plot_learning_curves(directory / HISTORY_NAME, max_bytes=PICTURE_MAX_BYTES),
            "loss and accuracy on the selection side over steps",
        ),
        "model": show_json(directory / "model.json"),
        "history_file": MetadataValue.path(directory / HISTORY_NAME),
        "weights_file": MetadataValue.path(directory / "model.safetensors"),
    }


def describe_evaluation(directory: Path) -> Metadata:
    """Return what the model is worth: the headline with intervals, confusion matrix and ROC."""
    from transforms.describe.plots import plot_confusion
    from transforms.describe.roc_figure import plot_roc

    metrics = json.loads((directory / "metrics.json").read_bytes())
    predictions = read_table(directory, "predictions.parquet")
    unit = metrics["units"]["participant"]
    values = {
        f"participant/{name}": entry["value"]
        for name, entry in unit["metrics"].items()
        if entry["value"] is not None
    }
    return {
        "headline": _show_headline(metrics["units"]),
        "confusion": show_png(
            plot_confusion(unit["confusion"], unit["labels"], max_bytes=PICTURE_MAX_BYTES),
            "confusion matrix over participants",
        ),
        "roc": show_png(
            plot_roc(predictions, max_bytes=PICTURE_MAX_BYTES), "ROC over participants"
        ),
        "participants": unit["participants"],
        **describe_table(directory, "predictions.parquet"),
        **values,
        "metrics_file": MetadataValue.path(directory / "metrics.json"),
        "predictions_file": MetadataValue.path(directory / "predictions.parquet"),
    }


def describe_explanation(directory: Path) -> Metadata:
    """Return where the model looks, and whether the maps that say so passed their checks."""
    import polars as pl

    from transforms.explanation.results import LEFT_OUT

    summary = json.loads((directory / "explanation.json").read_bytes())
    checks = read_table(directory, "sanity_checks.parquet")
    groups = pl.DataFrame(summary["groups"])
    pictures = {
        path.stem: show_png(path.read_bytes(), path.stem)
        for path in sorted(directory.glob("evidence-*.png"))
    }
    left_out = {"not_explained": summary[LEFT_OUT]} if LEFT_OUT in summary else {}
    return {
        **left_out,
        **pictures,
        "explained": show_table(groups),
        "sanity_checks": show_table(checks),
        "sanity_checks/failed": checks.filter(~pl.col("is_passed")).height,
        ROW_COUNT: read_table(directory, "shares.parquet").height,
        "explanation": show_json(directory / "explanation.json"),
        "pictures": MetadataValue.path(directory),
        "shares_file": MetadataValue.path(directory / "shares.parquet"),
    }


def _show_headline(units: dict[str, Any]) -> MarkdownMetadataValue:
    """Return the metrics a reader asks for first, in percent, each with its interval."""
    import polars as pl

    from transforms.describe.formatting import name_metric
    from transforms.describe.results_tables import format_percent
    from transforms.labels import find_scheme

    questions = find_scheme(units["participant"]["labels"]).questions
    asked = [f"{question}/{kind}" for question in questions for kind in _HEADLINE]
    rows = []
    for metric in (*asked, "accuracy", "macro_f1"):
        name, positive = name_metric(metric)
        cells = {
            f"{unit} (n = {found['count']})": format_percent(found["metrics"][metric])
            for unit, found in units.items()
        }
        rows.append({"metric": name, "counted as positive": positive, **cells})
    return show_table(pl.DataFrame(rows))
