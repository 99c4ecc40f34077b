"""A strip per walk: some of its silhouettes, the phases in colour, the weights of all frames.

A strip shows one walker's silhouettes, as the shards hold them, and therefore no id.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from transforms.describe.style import (
    INK,
    SERIES,
    class_colour,
    figure_to_png,
    new_figure,
    styled,
)
from transforms.explanation.over_time import WeighedWalk
from transforms.labels import order_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES: Final = 74_000
_PER_CLASS: Final = 2
_SHOWN: Final = 16
"""Silhouettes of a strip."""
_LONGEST: Final = 60
"""Frames of a strip, from the beginning of the walk: more would be too narrow to see."""
_COLOURS: Final = (*SERIES, "#20262d")


def plot_attention(walks: Sequence[WeighedWalk]) -> bytes | None:
    """Return a PNG of a few walks of each predicted class, or None where there are none."""
    chosen = [
        walk
        for label in order_labels(walk.predicted for walk in walks)
        for walk in [one for one in walks if one.predicted == label][:_PER_CLASS]
    ]
    return figure_to_png(draw_attention(chosen), max_bytes=MAX_BYTES) if chosen else None


@styled
def draw_attention(walks: Sequence[WeighedWalk]) -> "Figure":
    """Draw a strip per walk; bars are how many times an even share a frame takes."""
    figure = new_figure(9.4, 0.5 + 1.75 * len(walks))
    panels = figure.subplots(
        2 * len(walks), 1, squeeze=False, gridspec_kw={"height_ratios": [1.0, 0.75] * len(walks)}
    )[:, 0]
    for walk, above, below in zip(walks, panels[::2], panels[1::2], strict=True):
        count = min(len(walk.weights), _LONGEST)
        _draw_silhouettes(above, walk, count)
        shares = walk.weights[:count] * len(walk.weights)
        colours = [_COLOURS[phase % len(_COLOURS)] for phase in walk.phases[:count]]
        below.bar(np.arange(count), shares, width=1.0, color=colours, linewidth=0)
        below.axhline(1.0, color=INK, linewidth=0.6, linestyle=":")
        below.set_xlim(-0.5, count - 0.5)
        below.set_ylabel("weight\nx even", fontsize=7)
        below.tick_params(labelsize=7)
        below.grid(visible=False)
    panels[-1].set_xlabel("frame; colours: the model's phases, in the order of the gait cycle")
    return figure


def _draw_silhouettes(axes: Any, walk: WeighedWalk, count: int) -> None:
    # `Any`: matplotlib's axes are untyped in an array of them.
    shown_count = min(_SHOWN, count)
    shown = ((np.arange(shown_count) + 0.5) * count / shown_count).astype(int)  # over their bars
    strip = np.concatenate([walk.silhouettes[frame] for frame in shown], axis=1)
    axes.imshow(1.0 - 0.7 * np.rint(strip * 2) / 2, cmap="gray", vmin=0, vmax=1, aspect="auto")
    axes.set_axis_off()
    known = f", is {walk.label}" if walk.label else ""
    title = f"{walk.view}: predicted {walk.predicted}{known}"
    axes.set_title(title, fontsize=8, color=class_colour(walk.predicted))
