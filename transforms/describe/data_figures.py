"""Pictures of the data: who is on which side of a split, what extraction kept, how well it hit.

Each function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from transforms.describe.style import ACCENT, FLAG, INK, class_colour, new_figure, styled
from transforms.labels import SCOLIOSIS_LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES: Final = ("train", "selection", "test", "unused")
_KEPT_COLOUR: Final = "#9aa4ae"
_VERDICT_COLOURS: Final = {
    "accepted": ACCENT,
    "quarantined": "#c9a227",
    "rejected": "#b5651d",
    "failed": FLAG,
}
_DEMOGRAPHICS: Final = {
    "age_years": "Age (years)",
    "height_cm": "Height (cm)",
    "weight_kg": "Weight (kg)",
}


@styled
def draw_split(split: pl.DataFrame) -> "Figure":
    """Draw, per variant, the participants of each side as bars stacked by class.

    Args:
        split: the split table (see `transforms.schemas.SPLIT`).
    """
    counts = split.group_by("variant", "side", "label").agg(
        pl.col("participant_id").n_unique().alias("participants")
    )
    cells = {(row[0], row[1], row[2]): row[3] for row in counts.iter_rows()}
    variants = sorted(split["variant"].unique(), key=_ratio_order)
    sides = [side for side in SIDES if side in set(split["side"])]
    labels = order_labels(split["label"].unique().to_list())
    figure = new_figure(7.6, 0.75 + len(variants) * (0.35 + 0.27 * len(sides)))
    panels = figure.subplots(len(variants), 1, sharex=True, squeeze=False)[:, 0]
    for variant, axes in zip(variants, panels, strict=True):
        left = np.zeros(len(sides))
        for label in labels:
            widths = np.array([cells.get((variant, side, label), 0) for side in sides])
            axes.barh(range(len(sides)), widths, left=left, color=class_colour(label), label=label)
            for place, width in enumerate(widths):
                if width:
                    axes.text(
                        left[place] + width / 2,
                        place,
                        f"{width}",
                        ha="center",
                        va="center",
                        fontsize=8,
                        color="#20262e" if label == "neutral" else "#ffffff",
                    )
            left += widths
        axes.set_yticks(range(len(sides)), sides)
        axes.invert_yaxis()
        axes.set_title(variant)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    panels[-1].set_xlabel("participants")
    _whole_numbers(panels[-1].xaxis)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(labels))
    return figure


@styled
def draw_demographics(split: pl.DataFrame, participants: pl.DataFrame) -> "Figure":
    """Draw age, height and weight of the participants on each side, one dot per participant.

    Args:
        split: the split table, of one variant or of several: a participant on one side in every
            variant is one dot there.
        participants: the participants table (see `transforms.schemas.PARTICIPANTS`).
    """
    people = (
        split.filter(pl.col("side") != "unused")
        .select("participant_id", "side")
        .unique()
        .join(participants, on="participant_id")
        .sort("participant_id", "side")
    )
    sides = [side for side in SIDES if side in set(people["side"])]
    labels = order_labels(people["label"].unique().to_list())
    figure = new_figure(7.6, 0.9 + 0.42 * max(1, len(sides)))
    panels = figure.subplots(1, len(_DEMOGRAPHICS), sharey=True)
    offsets = np.linspace(-0.22, 0.22, max(2, len(labels)))
    for (column, title), axes in zip(_DEMOGRAPHICS.items(), panels, strict=True):
        known = people.filter(pl.col(column).is_not_null())
        for label, offset in zip(labels, offsets, strict=False):
            some = known.filter(pl.col("label") == label)
            axes.plot(
                some[column].to_numpy(),
                [sides.index(side) + offset for side in some["side"]],
                linestyle="none",
                marker="o",
                markersize=3.5,
                alpha=0.75,
                markeredgewidth=0,
                color=class_colour(label),
                label=label,
            )
        for place, side in enumerate(sides):
            values = known.filter(pl.col("side") == side)[column].to_numpy()
            if len(values):
                axes.plot([np.median(values)] * 2, [place - 0.34, place + 0.34], color=INK, lw=1.4)
        axes.set_title(title)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(sides)), sides)
    panels[0].set_ylim(len(sides) - 0.5, -0.5)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower right", ncols=max(1, len(labels)))
    return figure


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
    _whole_numbers(spread.yaxis)
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
    _whole_numbers(axes.yaxis)
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


def order_labels(labels: Sequence[str]) -> list[str]:
    """Return labels in their canonical order, others after them by name."""
    known = [label for label in SCOLIOSIS_LABELS if label in labels]
    return known + sorted(set(labels) - set(known))


def _ratio_order(variant: str) -> tuple[int, str]:
    tail = variant.rsplit("_", 1)[-1]
    return (int(tail) if tail.isdigit() else 0, variant)


def _whole_numbers(axis: Any) -> None:
    # `Any`: the x and y axis share no public base with this method.
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
