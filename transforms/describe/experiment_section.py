"""The report's section on experiments: what each model learnt and how it did on the test side."""

from collections.abc import Iterable
from typing import Any, Final

import polars as pl

from transforms.describe.experiment_figures import draw_learning_curves, draw_metric_intervals
from transforms.describe.formatting import (
    NOTHING,
    QUESTIONS,
    format_interval,
    name_metric,
    plural,
)
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
    part_or_drawer,
    rows_table,
    svg_picture,
)
from transforms.describe.style import figure_to_svg
from transforms.labels import SCOLIOSIS, LabelScheme, find_scheme

UNITS: Final = ("participant", "sequence", "clip")  # not every model judges clips
_QUESTIONS: Final = {
    "any_abnormality": "is there any abnormality (positive or neutral against negative: the "
    "screening question)",
    "positive_vs_rest": "is it positive (against neutral and negative together)",
    "asd": "is it adult spinal deformity (asd against the other diagnoses together: the screening "
    "question)",
}
_HEADLINE: Final = ("sensitivity", "specificity", "auroc")  # of each question


def experiment_section(material: Material) -> Section:
    """Return every experiment with its curves, confusion matrices and named metrics."""
    if not material.experiments:
        missing = Missing("No model has been trained yet.", "gaitworks run trained_model")
        return Section("experiments", "Experiments", (missing,))
    judged = material.judged
    blocks: list[Block] = []
    if judged:
        blocks += [
            Text(_introduce(material.scheme)),
            _forest(judged, material.scheme),
            _headline_table(judged, material.scheme),
        ]
    count = len(material.experiments)
    blocks += [_experiment_group(one, among=count) for one in material.experiments]
    if judged and material.scheme == SCOLIOSIS:
        blocks.append(_published_box(judged))
    return Section("experiments", "Experiments", tuple(blocks))


def _introduce(scheme: LabelScheme) -> str:
    asked = [_QUESTIONS[question] for question in scheme.questions]
    count = "one question" if len(asked) == 1 else "two questions"
    return (
        "Results on the test side, per participant, with intervals. Sensitivity and specificity "
        f"are given for {count}: {', and '.join(asked)}."
    )


def _forest(judged: list[dict[str, Any]], scheme: LabelScheme) -> Picture:
    # `Any`: metrics.json, here and below.
    return svg_picture(
        figure_to_svg(draw_metric_intervals(judged)),
        "Forest plot of sensitivity, specificity and AUROC with their intervals, a row per "
        "experiment; the table below has the numbers.",
        f"Metrics per participant with their intervals: {_say_bands(scheme)}.",
    )


def _say_bands(scheme: LabelScheme) -> str:
    bands = [QUESTIONS[question].replace("vs", "against") for question in scheme.questions]
    return f"{bands[0]} above, {bands[1]} below" if len(bands) > 1 else bands[0]


def _headline_table(judged: list[dict[str, Any]], scheme: LabelScheme) -> Table:
    columns = ["experiment"]
    names = ["accuracy", *_name_rates(scheme, _HEADLINE)]
    for name in names:
        group = name.rpartition("/")[0]
        title = name_metric(name)[0]
        columns.append(f"{title}, {group.replace('_', ' ')}" if group else title)
    rows = [
        [one["experiment"], *(_value(one, "participant", name) for name in names)] for one in judged
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


def _experiment_group(experiment: Experiment, *, among: int) -> Group:
    blocks: list[Block] = []
    metrics = experiment.metrics
    if experiment.history is None:
        blocks.append(Missing("It has not been trained yet.", "gaitworks run trained_model"))
    else:
        blocks.append(_curves(experiment.history))
    if metrics is None:
        blocks.append(Missing("It has not been evaluated yet.", "gaitworks run model_evaluation"))
    else:
        units = _units_of(metrics)
        blocks.append(Group("row", "", tuple(_matrix(metrics, unit) for unit in units)))
        blocks.append(_metric_table(metrics))
        by_diagnosis = metrics["units"]["participant"].get("subgroups", {}).get("diagnosis")
        blocks += [_diagnosis_table(metrics, by_diagnosis)] if by_diagnosis else []
        points = operating_group(metrics)
        blocks += [points] if points else []
    return part_or_drawer(experiment.name, tuple(blocks), among=among)


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
    units = _units_of(metrics)
    for unit in units:
        names.update(dict.fromkeys(metrics["units"][unit]["metrics"]))
    order = _order_metrics(find_scheme(metrics["units"]["participant"]["labels"]))
    known = [*order, *sorted(names.keys() - set(order))]
    rows = []
    for name in known:
        if name in names:
            title, positive_set = name_metric(name)
            values = [_value(metrics, unit, name) for unit in units]
            rows.append((title, positive_set, *values))
    return rows_table(
        f"Metrics on the test side, {metrics['experiment']}",
        ("metric", "positive set", *(f"per {unit}" for unit in units)),
        rows,
        numeric=range(2, 2 + len(units)),
        note=_say_undefined(metrics),
    )


def _say_undefined(metrics: dict[str, Any]) -> str:
    reasons = [
        f"{name} per {unit} is undefined: {found.get('reason', 'no reason given')}."
        for unit in _units_of(metrics)
        for name, found in sorted(metrics["units"][unit]["metrics"].items())
        if found["value"] is None
    ]
    return " ".join(reasons)


def _units_of(metrics: dict[str, Any]) -> list[str]:
    return [unit for unit in UNITS if unit in metrics["units"]]


def _name_rates(scheme: LabelScheme, kinds: Iterable[str]) -> list[str]:
    return [f"{question}/{kind}" for question in scheme.questions for kind in kinds]


def _order_metrics(scheme: LabelScheme) -> list[str]:
    return [
        *("accuracy", "macro_precision", "macro_recall", "macro_f1"),
        *_name_rates(scheme, (*_HEADLINE, "auprc")),
        *("brier", "ece"),
    ]


def _diagnosis_table(metrics: dict[str, Any], groups: list[dict[str, Any]]) -> Table:
    rows = [
        (
            one["group"],
            str(one["participants"]),
            one["reason"]
            if one["metrics"] is None
            else format_interval(one["metrics"]["accuracy"]),
        )
        for one in groups
    ]
    return rows_table(
        f"Participants told right, by diagnosis, {metrics['experiment']}",
        ("diagnosis", "participants", "accuracy"),
        rows,
        numeric=(1, 2),
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
