"""What `dvc plots` shows: curves and matrices of all experiments, in the form DVC reads.

One file holds all cells of the grid, a row's `experiment` says which. `dvc.yaml` names the files,
the templates in `.dvc/plots` lay the cells out side by side and colour the revisions. Written
without dvclive, which would give the same rows: see docs/dvc.md.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from transforms.files import canonical_json

if TYPE_CHECKING:
    from transforms.metrics.judged import Floats, Judged

Row = dict[str, str | float]

PLOTS_NAME: Final = "plots"
AXES: Final[Mapping[str, tuple[str, str]]] = {
    "training_loss": ("step", "loss"),
    "selection_accuracy": ("step", "accuracy"),
    "confusion": ("predicted", "truth"),
    "roc": ("false_positive_rate", "true_positive_rate"),
    "precision_recall": ("recall", "precision"),
    "calibration": ("mean_probability", "share_of_positives"),
}
"""The plots by name, each with the columns of its axes, x first."""

_MOST_STEPS: Final = 200  # drawn per experiment; a grid of 200 cells stays a page one can open


def write_dvc_plots(output: Path, experiment_dirs: Sequence[Path]) -> None:
    """Write `plots/NAME.json` of each of `AXES` into an existing directory.

    The same experiments give the same bytes. A plot that would have no point is not written.

    Args:
        output: an existing directory.
        experiment_dirs: each holds `model/` and `evaluation/` of one cell; its name is the key.
    """
    folder = output / PLOTS_NAME
    folder.mkdir()
    for name, rows in collect_rows(experiment_dirs).items():
        if rows:
            (folder / f"{name}.json").write_bytes(canonical_json(rows))


def collect_rows(experiment_dirs: Sequence[Path]) -> dict[str, list[Row]]:
    """Return the rows of each plot, by its name; a participant is one judged case."""
    from transforms.metrics.curves import trace_precision_recall, trace_reliability, trace_roc

    curves: dict[str, Callable[..., Floats]] = {
        "roc": trace_roc,
        "precision_recall": trace_precision_recall,
        "calibration": trace_reliability,
    }
    rows: dict[str, list[Row]] = {name: [] for name in AXES}
    for directory in sorted(experiment_dirs):
        key: Row = {"experiment": directory.name}
        for name, found in _read_history(directory).items():
            rows[name] += [key | row for row in found]
        judged = _read_judged(directory)
        rows["confusion"] += [key | row for row in _count_confusion(judged)]
        for name, trace in curves.items():
            rows[name] += [key | row for row in _trace(judged, trace, AXES[name])]
    return rows


def _read_history(directory: Path) -> dict[str, list[Row]]:
    """Return the loss and the accuracy on the selection side over the steps, thinned evenly."""
    from transforms.describe.experiment_figures import read_history

    history = read_history(directory / "model" / "history.csv")
    judged = history.drop_nulls("selection_accuracy")
    return {
        "training_loss": _thin(zip(history["step"], history["loss"], strict=True), "loss"),
        "selection_accuracy": _thin(
            zip(judged["step"], judged["selection_accuracy"], strict=True), "accuracy"
        ),
    }


def _thin(points: Iterable[tuple[float, float]], name: str) -> list[Row]:
    """Return at most so many points, the last among them."""
    kept = list(points)[::-1]
    stride = -(-len(kept) // _MOST_STEPS) or 1
    return [{"step": int(step), name: value} for step, value in kept[::stride][::-1]]


def _read_judged(directory: Path) -> "Judged":
    import polars as pl

    from transforms.metrics.judged import average_by_participant, read_predictions

    predictions = pl.read_parquet(directory / "evaluation" / "predictions.parquet")
    return average_by_participant(read_predictions(predictions))


def _count_confusion(judged: "Judged") -> Iterator[Row]:
    from transforms.metrics.metrics import confusion_matrix

    classes = judged.scheme.classes
    for truth, counts in zip(classes, confusion_matrix(judged), strict=True):
        for predicted, count in zip(classes, counts, strict=True):
            yield {"truth": truth, "predicted": predicted, "participants": int(count)}


def _trace(
    judged: "Judged", trace: "Callable[..., Floats]", axes: tuple[str, str]
) -> Iterator[Row]:
    """Yield the points of a curve for each question, numbered so that they join in order."""
    import numpy as np

    from transforms.metrics.metrics import round_off

    for question, positive in judged.scheme.questions.items():
        score = judged.probabilities[:, positive].sum(axis=1)
        points = trace(np.minimum(score, 1.0), np.isin(judged.truth, positive))
        for place, (x, y) in enumerate(points):
            yield {
                "question": question,
                "point": place,
                axes[0]: round_off(float(x)),
                axes[1]: round_off(float(y)),
            }
