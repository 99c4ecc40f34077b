"""Pictures of experiments: learning curves, confusion matrices, metrics with their intervals.

Each function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from transforms.describe.formatting import QUESTIONS
from transforms.describe.style import ACCENT, INK, OTHER_COLOUR, SERIES, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Metric name within metrics.json -> what a reader calls it.
FOREST_METRICS: Final = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "auroc": "AUROC",
}
HISTORY_COLUMNS: Final = (
    "step",
    "loss",
    "cross_entropy",
    "triplet",
    "learning_rate",
    "selection_accuracy",
)
_MOST_POINTS: Final = 400
_TITLE_LENGTH: Final = 28  # letters over a third of the forest plot
_LOSSES: Final[dict[str, tuple[str, str, str]]] = {  # column -> name, colour, line style
    "loss": ("total", INK, "solid"),
    "cross_entropy": ("cross-entropy", SERIES[0], "dashed"),
    "triplet": ("triplet", SERIES[1], "dashdot"),
}


def read_history(path: Path) -> pl.DataFrame:
    """Read an experiment's `history.csv`; every column is Float64, null where the cell is empty."""
    return pl.read_csv(path, schema=dict.fromkeys(HISTORY_COLUMNS, pl.Float64))


@styled
def draw_learning_curves(history: pl.DataFrame, *, title: str = "") -> "Figure":
    """Draw the losses and, beside them, the accuracy on the selection side over the steps.

    Args:
        history: what `read_history` returns; nulls are skipped. A loss that was never used (all
            zero or null) is not drawn.
        title: a line above both panels.
    """
    figure = new_figure(7.2, 2.6)
    loss_axes, accuracy_axes = figure.subplots(1, 2, width_ratios=(3, 2))
    used = [column for column in _LOSSES if (history[column] != 0).any()]
    if len(used) == 2:  # the total and its only part are the same line
        used.remove("loss")
    for column in used:
        points = _points(history, column)
        loss_axes.plot(
            points["step"].to_numpy(),
            points[column].to_numpy(),
            color=_LOSSES[column][1],
            linewidth=1.5,
            linestyle=_LOSSES[column][2],
            label=_LOSSES[column][0],
        )
    loss_axes.set(title="Loss", xlabel="training step")
    loss_axes.set_ylim(bottom=0)
    if loss_axes.lines:
        loss_axes.legend()
    points = _points(history, "selection_accuracy")
    accuracy_axes.plot(
        points["step"].to_numpy(),
        points["selection_accuracy"].to_numpy(),
        color=ACCENT,
        marker="o",
        markersize=3.5,
        linewidth=1.2,
    )
    accuracy_axes.set(title="Accuracy, selection side", xlabel="training step")
    accuracy_axes.set_ylim(0, 1.03)
    for axes in (loss_axes, accuracy_axes):
        axes.set_xlim(left=0)
    if points.is_empty():
        _say_nothing_to_see(accuracy_axes, "never evaluated")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


@styled
def draw_confusion_matrix(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], *, title: str = ""
) -> "Figure":
    """Draw a confusion matrix: rows are the truth, columns the prediction, shades row shares."""
    figure = new_figure(3.4, 3.1)
    axes = figure.subplots()
    shares = [[value / max(1, sum(row)) for value in row] for row in confusion]
    from matplotlib.colors import LinearSegmentedColormap

    axes.imshow(
        shares, cmap=LinearSegmentedColormap.from_list("share", ["#f4f6f8", ACCENT]), vmin=0, vmax=1
    )
    axes.grid(visible=False)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="truth", title=title)
    for row, values in enumerate(confusion):
        for column, value in enumerate(values):
            axes.text(
                column,
                row,
                f"{value}",
                ha="center",
                va="center",
                fontsize=12,
                color="#ffffff" if shares[row][column] > 0.55 else "#20262e",
            )
    return figure


@styled
def draw_metric_intervals(
    experiments: Sequence[Mapping[str, Any]], *, unit: str = "participant"
) -> "Figure":
    """Draw a forest plot: a row per experiment, a column per metric, a band per positive set.

    Args:
        experiments: values of `metrics.json`, in the order of the rows from the top, at least one.
        unit: `participant` or `sequence`.
    """
    # `Any`: metrics.json is a nested mapping of JSON values.
    told = {
        name.rpartition("/")[0] for one in experiments for name in one["units"][unit]["metrics"]
    }
    questions = [question for question in QUESTIONS if question in told]
    figure = new_figure(9.0, 1.3 + len(questions) * (0.35 + 0.26 * len(experiments)))
    panels = figure.subplots(
        len(questions), len(FOREST_METRICS), sharex=True, sharey=True, squeeze=False
    )
    names = [f"{one['model']}, {one['variant']}, seed {one['seed']}" for one in experiments]
    models = sorted({str(one["model"]) for one in experiments})
    for question, row in zip(questions, panels, strict=True):
        for (metric, metric_title), axes in zip(FOREST_METRICS.items(), row, strict=True):
            title = f"{metric_title}, {QUESTIONS[question]}"
            axes.set_title(fill(title, _TITLE_LENGTH), fontsize=9)
            for place, one in enumerate(experiments):
                found = one["units"][unit]["metrics"].get(f"{question}/{metric}", {})
                colour = SERIES[models.index(str(one["model"])) % len(SERIES)]
                _draw_interval(axes, place, found, colour)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
    panels[0][0].set_yticks(range(len(names)), names)
    panels[0][0].set_ylim(len(names) - 0.5, -0.5)
    panels[0][0].set_xlim(-0.03, 1.03)
    panels[0][0].set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    return figure


def _draw_interval(axes: Any, place: int, found: Mapping[str, Any], colour: str) -> None:
    # `Any`: matplotlib's array of axes is untyped.
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    if value is None:
        axes.text(0.5, place, "undefined", ha="center", va="center", color=OTHER_COLOUR, size=8)
        return
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    axes.plot([value], [place], color=colour, marker="o", markersize=5.5)


def _points(history: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the steps with a value, of long histories the mean of equal stretches of steps."""
    points = history.select("step", column).drop_nulls()
    stretch = -(-points.height // _MOST_POINTS)
    if stretch <= 1:
        return points
    place = pl.int_range(pl.len()) // stretch
    return points.group_by(place.alias("stretch"), maintain_order=True).mean().drop("stretch")


def _say_nothing_to_see(axes: Any, text: str) -> None:
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=OTHER_COLOUR
    )
