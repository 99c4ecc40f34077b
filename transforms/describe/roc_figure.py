"""The ROC curve of one experiment, over participants, one line per question."""

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.describe.formatting import QUESTIONS
from transforms.describe.style import INK, OTHER_COLOUR, SERIES, figure_to_png, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from transforms.metrics.judged import Floats

_LINES: Final = ("solid", "dashed")


def plot_roc(predictions: pl.DataFrame, *, max_bytes: int | None = None) -> bytes:
    """Return a PNG of the ROC curves of a table of `predictions_schema`."""
    return figure_to_png(draw_roc(trace_questions(predictions)), max_bytes=max_bytes)


def trace_questions(predictions: pl.DataFrame) -> dict[str, "Floats"]:
    """Return the points of each question's curve over participants, none where it is undefined.

    Raises:
        InputError: the predictions are not what `read_predictions` takes.
    """
    import numpy as np

    from transforms.metrics.curves import trace_roc
    from transforms.metrics.judged import average_by_participant, read_predictions

    people = average_by_participant(read_predictions(predictions))
    return {
        question: trace_roc(
            people.probabilities[:, positive].sum(axis=1), np.isin(people.truth, positive)
        )
        for question, positive in people.scheme.questions.items()
    }


@styled
def draw_roc(curves: dict[str, "Floats"]) -> "Figure":
    """Draw the share of right positives over that of wrong ones, and the diagonal of guessing.

    Args:
        curves: question -> points (false positive rate, true positive rate), float64 [point, 2].
    """
    figure = new_figure(3.6, 3.3)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=OTHER_COLOUR, linewidth=0.8, linestyle="dotted")
    for (question, points), colour, line in zip(curves.items(), SERIES, _LINES, strict=False):
        name = QUESTIONS.get(question, question)
        if len(points):
            x, y = points.T
            axes.plot(x, y, color=colour, linewidth=1.6, linestyle=line, label=name)
        else:
            axes.plot([], [], color=INK, linestyle="none", label=f"{name}: undefined")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="lower right")
    return figure
