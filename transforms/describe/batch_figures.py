"""Pictures of one intake batch beside the others: every person a dot, measure by measure."""

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from transforms.audit.drift import MEASURES, compare_batch
from transforms.describe.style import ACCENT, FLAG, OTHER_COLOUR, figure_to_png, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN: Final = 400  # dots a row; more are drawn evenly from the sorted values


@styled
def draw_batch(batch: pl.DataFrame, others: pl.DataFrame) -> "Figure":
    """Draw each measure of `transforms.audit.drift` as two rows of dots; what drifts is red.

    Args:
        batch: what `measure_people` returns of the batch.
        others: the same of all other batches.
    """
    drifted = {entry.measure for entry in compare_batch(batch, others) if entry.is_drift}
    figure = new_figure(8.0, 0.9 * len(MEASURES))
    for axes, name in zip(figure.subplots(len(MEASURES), 1), MEASURES, strict=True):
        colour = FLAG if name in drifted else ACCENT
        for place, table, hue in ((0, others, OTHER_COLOUR), (1, batch, colour)):
            values = _thin(table[name].drop_nulls().sort().to_numpy())
            axes.plot(values, np.full(len(values), place), "|", color=hue, markersize=9, alpha=0.6)
            if len(values):
                axes.plot(np.median(values), place, "o", color=hue, markersize=5)
        axes.set_yticks((0, 1), ("others", "this batch"))
        axes.set_ylim(-0.6, 1.6)
        axes.grid(visible=False, axis="y")
        axes.set_title(name.replace("_", " ") + (" differs" if name in drifted else ""))
    return figure


def plot_batch(batch: pl.DataFrame, others: pl.DataFrame, *, max_bytes: int | None = None) -> bytes:
    """Return `draw_batch` as a PNG."""
    return figure_to_png(draw_batch(batch, others), max_bytes=max_bytes)


def _thin(
    values: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    if len(values) <= _SHOWN:
        return values
    return values[np.linspace(0, len(values) - 1, _SHOWN).round().astype(np.int64)]
