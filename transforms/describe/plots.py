"""The pictures as small PNGs, for previews where a page of the report would be too much."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from transforms.describe.data_figures import draw_split
from transforms.describe.experiment_figures import (
    draw_confusion_matrix,
    draw_learning_curves,
    read_history,
)
from transforms.describe.style import figure_to_png


def plot_split(split: pl.DataFrame, *, max_bytes: int | None = None) -> bytes:
    """Return a PNG of the participants per variant, side and class; see `draw_split`."""
    return figure_to_png(draw_split(split), max_bytes=max_bytes)


def plot_learning_curves(history: Path, *, max_bytes: int | None = None) -> bytes:
    """Return a PNG of the curves in a `history.csv`; see `draw_learning_curves`."""
    return figure_to_png(draw_learning_curves(read_history(history)), max_bytes=max_bytes)


def plot_confusion(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], *, max_bytes: int | None = None
) -> bytes:
    """Return a PNG of a confusion matrix; see `draw_confusion_matrix`."""
    return figure_to_png(draw_confusion_matrix(confusion, labels), max_bytes=max_bytes)
