"""The report's section on experiments: what each model learnt and how it did on the test side."""

from typing import Any, Final

import polars as pl

from transforms.describe.experiment_figures import draw_learning_curves, draw_metric_intervals
from transforms.describe.formatting import NOTHING, format_interval, name_metric, plural
from transforms.describe.gather import Experiment, Material
from transforms.describe.operating_table import operating_group
from transforms.describe.page import (
    Block,
    Group,
    Matrix,
    Missing,
    Picture,
    Section,
    Table,
    Text,
    rows_table,
    svg_picture,
)
from transforms.describe.style import figure_to_svg

UNITS: Final = ("participant", "sequence")
_HEADLINE: Final = (
    "accuracy",
    "any_abnormality/sensitivity",
    "any_abnormality/specificity",
    "any_abnormality/auroc",
    "positive_vs_rest/sensitivity",
    "positive_vs_rest/specificity",
    "positive_vs_rest/auroc",
)


def experiment_section(material: Material) -> Section:
    """Return every experiment with its curves, confusion matrices and named metrics."""
    if not material.experiments:
        missing = Missing("No model has been trained yet.", "gaitworks run trained_model")
        return Section("experiments", "Experiments", (missing,))
    judged = material.judged
    blocks: list[Block] = []
    if judged:
        blocks += [
            Text(
                "Results on the test side, per participant, with intervals. Sensitivity and "
                "specificity are given for two questions: is there any abnormality (positive or "
                "neutral against negative: the screening question), and is it positive (against "
                "neutral and negative together)."
            ),
            _forest(judged),
            _headline_table(judged),
        ]
    blocks += [_experiment_group(one) for one in material.experiments]
    if judged:
        blocks.append(_published_box(judged))
    return Section("experiments", "Experiments", tuple(blocks))


def _forest(judged: list[dict[str, Any]]) -> Picture:
    # `Any`: metrics.json, here and below.
    return svg_picture(
        figure_to_svg(draw_metric_intervals(judged)),
        "Forest plot of sensitivity, specificity and AUROC with their intervals, a row per "
        "experiment; the table below has the numbers.",
        "Metrics per participant with their intervals: any abnormality above, positive against "
        "rest below.",
    )


def _headline_table(judged: list[dict[str, Any]]) -> Table:
    columns = ["experiment"]
    for name in _HEADLINE:
        group = name.rpartition("/")[0]
        title = name_metric(name)[0]
        columns.append(f"{title}, {group.replace('_', ' ')}" if group else title)
    rows = [
        [one["experiment"], *(_value(one, "participant", name) for name in _HEADLINE)]
        for one in judged
    ]
    return rows_table(
        "Test results per participant, all experiments",
        columns,
        rows,
        numeric=range(1, len(columns)),
        note="value [interval]; see “How to read this” for the intervals and the positive sets.",
    )


def _value(metrics: dict[str, Any], unit: str, name: str) -> str:
    found = metrics["units"][unit]["metrics"].get(name)
    return NOTHING if found is None else format_interval(found)


def _experiment_group(experiment: Experiment) -> Group:
    blocks: list[Block] = []
    metrics = experiment.metrics
    if experiment.history is None:
        blocks.append(Missing("It has not been trained yet.", "gaitworks run trained_model"))
    else:
        blocks.append(_curves(experiment.history))
    if metrics is None:
        blocks.append(Missing("It has not been evaluated yet.", "gaitworks run model_evaluation"))
    else:
        blocks.append(Group("row", "", tuple(_matrix(metrics, unit) for unit in UNITS)))
        blocks.append(_metric_table(metrics))
        points = operating_group(metrics)
        blocks += [points] if points else []
    return Group("part", experiment.name, tuple(blocks))


def _curves(history: pl.DataFrame) -> Picture:
    losses = history["loss"].drop_nulls()
    accuracies = history["selection_accuracy"].drop_nulls()
    said = "No step was recorded."
    if len(losses):
        said = (
            f"The total loss goes from {losses[0]:.2f} to {losses[-1]:.2f} in "
            f"{plural(len(losses), 'step')}"
        )
        said += (
            f"; the accuracy on the selection side ends at {accuracies[-1]:.2f}."
            if len(accuracies)
            else "."
        )
    return svg_picture(
        figure_to_svg(draw_learning_curves(history)), f"Learning curves. {said}", said
    )


def _matrix(metrics: dict[str, Any], unit: str) -> Matrix:
    found = metrics["units"][unit]
    count = plural(found["count"], unit)
    return Matrix(
        caption=f"Confusion matrix per {unit} ({count})",
        labels=tuple(found["labels"]),
        counts=tuple(tuple(row) for row in found["confusion"]),
    )


def _metric_table(metrics: dict[str, Any]) -> Table:
    names: dict[str, None] = {}  # a set that remembers the order
    for unit in UNITS:
        names.update(dict.fromkeys(metrics["units"][unit]["metrics"]))
    known = [*_ORDER, *sorted(names.keys() - set(_ORDER))]
    rows = []
    for name in known:
        if name in names:
            title, positive_set = name_metric(name)
            values = [_value(metrics, unit, name) for unit in UNITS]
            rows.append((title, positive_set, *values))
    return rows_table(
        f"Metrics on the test side, {metrics['experiment']}",
        ("metric", "positive set", "per participant", "per sequence"),
        rows,
        numeric=(2, 3),
        note=_say_undefined(metrics),
    )


def _say_undefined(metrics: dict[str, Any]) -> str:
    reasons = [
        f"{name} per {unit} is undefined: {found.get('reason', 'no reason given')}."
        for unit in UNITS
        for name, found in sorted(metrics["units"][unit]["metrics"].items())
        if found["value"] is None
    ]
    return " ".join(reasons)


_ORDER: Final = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "any_abnormality/sensitivity",
    "any_abnormality/specificity",
    "any_abnormality/auroc",
    "any_abnormality/auprc",
    "positive_vs_rest/sensitivity",
    "positive_vs_rest/specificity",
    "positive_vs_rest/auroc",
    "positive_vs_rest/auprc",
    "brier",
    "ece",
)


def _published_box(judged: list[dict[str, Any]]) -> Group:
    found = [(one["experiment"], one["as_published_2024"]) for one in judged]
    rows = [
        (name, *(_plain(values.get(key)) for key in ("sensitivity", "specificity")))
        for name, values in found
    ]
    notes = sorted({values["note"] for _, values in found if values.get("note")})
    blocks: tuple[Block, ...] = (
        Text(
            "The 2024 evaluator printed the true-positive rate of the class negative under the "
            "name sensitivity. These two columns repeat that convention so that they can be laid "
            "beside the published tables. In a clinician's words the first is the specificity for "
            "any abnormality and the second its sensitivity: do not quote them under these names."
        ),
        rows_table(
            "as_published_2024",
            ("experiment", "“sensitivity” as printed", "“specificity” as printed"),
            rows,
            numeric=(1, 2),
        ),
        *(Text(note) for note in notes),
    )
    return Group("box", "For comparison with the literature only", blocks)


def _plain(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
