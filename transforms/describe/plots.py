"""The pictures as small PNGs, for previews where a page of the report would be too much."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from transforms.describe.demographic_figures import draw_differences
from transforms.describe.experiment_figures import (
    draw_confusion_matrix,
    draw_learning_curves,
    read_history,
)
from transforms.describe.proof_tables import compare_sides
from transforms.describe.split_figures import draw_split
from transforms.describe.style import figure_to_png


def plot_split(
    split: pl.DataFrame, proof: Mapping[str, Any], *, max_bytes: int | None = None
) -> bytes:
    """Return a PNG of what each side or fold of a split holds; see `draw_split`."""
    # `Any`: a proof.json.
    return figure_to_png(draw_split(split, proof), max_bytes=max_bytes)


def plot_differences(proof: Mapping[str, Any], *, max_bytes: int | None = None) -> bytes:
    """Return a PNG of how far a split's sides differ from train; see `draw_differences`."""
    # `Any`: a proof.json.
    differences = compare_sides(proof["balance"])
    return figure_to_png(draw_differences(differences), max_bytes=max_bytes)


def plot_learning_curves(history: Path, *, max_bytes: int | None = None) -> bytes:
    """Return a PNG of the curves in a `history.csv`; see `draw_learning_curves`."""
    return figure_to_png(draw_learning_curves(read_history(history)), max_bytes=max_bytes)


def plot_confusion(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], *, max_bytes: int | None = None
) -> bytes:
    """Return a PNG of a confusion matrix; see `draw_confusion_matrix`."""
    return figure_to_png(draw_confusion_matrix(confusion, labels), max_bytes=max_bytes)
