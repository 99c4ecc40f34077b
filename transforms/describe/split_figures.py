"""Pictures of a split: how many participants, sequences and minutes each side or fold holds.

Each function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`. A mark
(see `split_facts`) stands on the picture itself, so that it stays with it wherever it is pasted.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from transforms.describe.cohort_table import describe_split
from transforms.describe.data_figures import whole_numbers
from transforms.describe.split_facts import (
    mark_of,
    minutes_by_side,
    order_sides,
    order_variants,
    protocol_of,
    shared_participants,
)
from transforms.describe.style import FLAG, INK, OTHER_COLOUR, class_colour, new_figure, styled
from transforms.fold_names import number_of_fold
from transforms.labels import order_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNUSED_ALPHA: Final = 0.3
_READABLE_SHARE: Final = 0.055  # of the axis; a number in a narrower bar would not fit
_NUMBERED_FOLDS: Final = 12  # with more there is no room for a number on each bar
_ALL: Final = "all"


def draw_split(split: pl.DataFrame, proof: Mapping[str, Any]) -> "Figure":
    """Draw what each side holds, or each fold of a k-fold split.

    Args:
        split: the split table (see `transforms.schemas.SPLIT`).
        proof: its proof; minutes are left out where it has none.
    """
    if protocol_of(split) == "k_fold":
        return draw_folds(split, proof)
    return draw_sides(split, proof)


@styled
def draw_sides(split: pl.DataFrame, proof: Mapping[str, Any]) -> "Figure":
    """Draw, per variant, participants and sequences of each side as bars stacked by class.

    What is of participants who are also on another side is hatched.
    """
    variants = order_variants(split["variant"])
    sides = order_sides(split["side"])
    labels = order_labels(split["label"].unique().to_list())
    shared = split.filter(pl.col("side") != "unused").join(
        shared_participants(split), on=["variant", "participant_id"], how="semi"
    )
    figure = new_figure(8.6, 0.95 + len(variants) * (0.3 + 0.24 * len(sides)))
    panels = figure.subplots(len(variants), 2, sharex="col", sharey=True, squeeze=False)
    for column, what in enumerate(("participants", "sequences")):
        counts, leaked = _count(split, what), _count(shared, what)
        longest = max(
            sum(counts.get((variant, side, label), 0) for label in labels)
            for variant in variants
            for side in sides
        )
        for variant, axes in zip(variants, panels[:, column], strict=True):
            axes.set_xlim(0, max(1, longest) * 1.1)
            _stack(axes, variant, sides, labels, counts, leaked)
            axes.set_title(variant if column == 0 else "")
        panels[-1, column].set_xlabel(what)
        whole_numbers(panels[-1, column].xaxis)
    panels[0, 0].set_yticks(range(len(sides)), sides)
    panels[0, 0].set_ylim(len(sides) - 0.45, -0.55)
    _add_legend(figure, labels, has_leaks=not shared.is_empty(), has_unused="unused" in sides)
    _add_mark(figure, split, proof)
    return figure


def _stack(
    axes: "Axes",
    variant: str,
    sides: Sequence[str],
    labels: Sequence[str],
    counts: Mapping[tuple[str, str, str], int],
    leaked: Mapping[tuple[str, str, str], int],
) -> None:
    right = axes.get_xlim()[1]
    for place, side in enumerate(sides):
        alpha = _UNUSED_ALPHA if side == "unused" else 1.0
        start = 0
        for label in labels:
            width = counts.get((variant, side, label), 0)
            axes.barh(place, width, left=start, height=0.72, color=class_colour(label), alpha=alpha)
            hatched = leaked.get((variant, side, label), 0)
            if hatched:
                axes.barh(
                    place,
                    hatched,
                    left=start,
                    height=0.72,
                    facecolor="none",
                    edgecolor="#ffffff",
                    hatch="////",
                    linewidth=0,
                )
            if width >= _READABLE_SHARE * right:
                colour = class_colour(label)
                patch = {"boxstyle": "square,pad=0.15", "facecolor": colour, "linewidth": 0}
                axes.text(
                    start + width / 2,
                    place,
                    f"{width:,}",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color=INK if side == "unused" else text_colour(colour),
                    bbox=patch if hatched else None,
                )
            start += width
        axes.annotate(
            f"{start:,}",
            (start, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def text_colour(colour: str) -> str:
    """Return the colour of text that can be read on a class's colour."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 150 else "#ffffff"


@styled
def draw_folds(split: pl.DataFrame, proof: Mapping[str, Any]) -> "Figure":
    """Draw what is tested in each fold, class by class, beside the share that would be even."""
    folds = order_variants(split["variant"])
    tested = split.filter(pl.col("side") == "test")
    labels = order_labels(tested["label"].unique().to_list())
    kinds: dict[str, Mapping[tuple[str, str, str], float]] = {
        what: _count(split, what, total=True) for what in ("participants", "sequences")
    }
    minutes = minutes_by_side(proof)
    if minutes:
        sums = {
            (fold, "test", _ALL): sum(minutes.get((fold, "test", label), 0.0) for label in labels)
            for fold in folds
        }
        kinds["minutes"] = minutes | sums
    rows = [*labels, _ALL]
    figure = new_figure(8.6, 0.75 + 0.92 * len(rows))
    panels = figure.subplots(len(rows), len(kinds), sharex=True, squeeze=False)
    for column, (what, counts) in enumerate(kinds.items()):
        for label, axes in zip(rows, panels[:, column], strict=True):
            heights = [counts.get((fold, "test", label), 0) for fold in folds]
            _compare_folds(axes, heights, OTHER_COLOUR if label == _ALL else class_colour(label))
            if column == 0:
                axes.set_ylabel(label, fontweight="bold")
        panels[0, column].set_title(f"{what} tested")
        step = 1 + len(folds) // _NUMBERED_FOLDS
        numbers = [str(number_of_fold(fold) or fold) for fold in folds]
        panels[-1, column].set_xticks(range(0, len(folds), step), numbers[::step])
        panels[-1, column].set_xlabel("fold")
    _add_mark(figure, split, proof)
    return figure


def _compare_folds(axes: "Axes", heights: Sequence[float], colour: str) -> None:
    even = sum(heights) / len(heights)
    is_whole = all(isinstance(one, int) for one in heights)
    axes.bar(range(len(heights)), heights, color=colour, width=0.62)
    axes.axhline(even, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.set_ylim(0, max(1e-9, *heights) * 1.12)
    for fold, height in enumerate(heights if len(heights) <= _NUMBERED_FOLDS else ()):
        axes.annotate(
            f"{height:,}" if is_whole else f"{height:,.1f}",
            (fold, 0),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7.5 if len(heights) <= 6 else 6.0,
            color=text_colour(colour) if height else INK,
        )
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.spines["left"].set_visible(False)


def _count(
    split: pl.DataFrame, what: str, *, total: bool = False
) -> dict[tuple[str, str, str], int]:
    """Return (variant, side, label) -> `participants` or `sequences`."""
    counts = describe_split(split).select("variant", "side", "label", what)
    return {
        (variant, side, label): count
        for variant, side, label, count in counts.iter_rows()
        if total or label != _ALL
    }


def _add_legend(
    figure: "Figure", labels: Sequence[str], *, has_leaks: bool, has_unused: bool
) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=class_colour(label), label=label) for label in labels]
    if has_unused:
        handles.append(Patch(color=OTHER_COLOUR, alpha=_UNUSED_ALPHA, label="pale: unused"))
    if has_leaks:
        hatched = Patch(facecolor=OTHER_COLOUR, edgecolor="#ffffff", hatch="////", linewidth=0)
        hatched.set_label("hatched: of participants also on another side")
        handles.append(hatched)
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))


def _add_mark(figure: "Figure", split: pl.DataFrame, proof: Mapping[str, Any]) -> None:
    mark = mark_of(split, proof)
    if mark is not None:
        figure.suptitle(mark.short, color=FLAG, fontweight="bold", fontsize=11)
