"""Pictures of the data: what extraction kept, how well it hit.

Each function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from transforms.describe.style import ACCENT, FLAG, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEPT_COLOUR: Final = "#9aa4ae"
_VERDICT_COLOURS: Final = {
    "accepted": ACCENT,
    "quarantined": "#c9a227",
    "rejected": "#b5651d",
    "failed": FLAG,
}


@styled
def draw_extraction_outcome(frames: pl.DataFrame, recordings: pl.DataFrame) -> "Figure":
    """Draw what became of the frames and, beside it, how much of each recording was kept.

    Args:
        frames: the frame ledger (see `transforms.schemas.FRAMES`), of one batch or of several.
        recordings: what extraction says of each recording (`EXTRACTED_RECORDINGS`).
    """
    outcome = count_frames(frames)
    figure = new_figure(8.6, max(2.3, 1.0 + 0.26 * outcome.height))
    bars, spread = figure.subplots(1, 2, width_ratios=(3, 2))
    names = [str(name).replace("_", " ") for name in outcome["outcome"]]
    counts = outcome["frames"].to_numpy()
    colours = [_KEPT_COLOUR if name == "kept" else FLAG for name in outcome["outcome"]]
    bars.barh(range(len(names)), counts, color=colours, height=0.62)
    for place, count in enumerate(counts):
        share = count / max(1, counts.sum())
        bars.annotate(
            f"{count:,} ({share:.1%})",
            (count, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    bars.set_yticks(range(len(names)), names)
    bars.invert_yaxis()
    bars.set_xlim(0, max(1.0, counts.max(initial=0) * 1.28))
    bars.set(title="Frames", xlabel="frames")
    bars.grid(visible=False, axis="y")
    bars.tick_params(axis="y", length=0)
    verdicts = [one for one in _VERDICT_COLOURS if one in set(recordings["verdict"])]
    shares = [
        (some["kept_frame_count"] / some["frame_count"].clip(lower_bound=1)).to_numpy()
        for some in (recordings.filter(pl.col("verdict") == one) for one in verdicts)
    ]
    if verdicts:
        spread.hist(
            shares,
            bins=np.linspace(0, 1, 21).tolist(),
            stacked=True,
            color=[_VERDICT_COLOURS[one] for one in verdicts],
            label=verdicts,
        )
        spread.legend(loc="upper left")
    spread.set(title="Recordings", xlabel="share of frames kept", ylabel="recordings")
    spread.set_xlim(0, 1)
    whole_numbers(spread.yaxis)
    return figure


@styled
def draw_iou_histogram(values: Sequence[float], *, threshold: float = 0.85) -> "Figure":
    """Draw how many recordings reach which mean IoU against the synthetic truth."""
    figure = new_figure(5.2, 2.4)
    axes = figure.subplots()
    lowest = min([*values, threshold])
    start = max(0.0, np.floor(lowest * 20) / 20 - 0.05)
    axes.hist(values, bins=np.arange(start, 1.0001, 0.01).tolist(), color=ACCENT)
    axes.axvline(threshold, color=FLAG, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.annotate(
        f"target {threshold:g}",
        (threshold, 1.0),
        xytext=(4, 0),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        va="top",
        color=FLAG,
        fontsize=8,
    )
    axes.set(xlabel="mean IoU of a recording's masks", ylabel="recordings")
    axes.set_xlim(start, 1.0)
    whole_numbers(axes.yaxis)
    return figure


def count_frames(frames: pl.DataFrame) -> pl.DataFrame:
    """Return `outcome, frames`: kept first, then the reasons of dropping from most to least."""
    return (
        frames.select(
            pl.when(pl.col("status") == "kept")
            .then(pl.lit("kept"))
            .otherwise(pl.col("reason").fill_null("no reason given"))
            .alias("outcome")
        )
        .group_by("outcome")
        .agg(pl.len().alias("frames"))
        .sort(pl.col("outcome") != "kept", -pl.col("frames").cast(pl.Int64), "outcome")
    )


def whole_numbers(axis: Any) -> None:
    """Put ticks at whole numbers only."""
    # `Any`: the x and y axis share no public base with this method.
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
