"""Pictures of whether the sides of a split hold people alike: distributions, and differences.

Each function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from transforms.describe.proof_tables import ALIKE_SD, name_column, order_columns
from transforms.describe.split_facts import order_sides, order_variants, protocol_of
from transforms.describe.split_figures import text_colour
from transforms.describe.style import (
    INK,
    OTHER_COLOUR,
    RULE,
    class_colour,
    new_figure,
    styled,
)
from transforms.labels import order_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEASURES: Final = {
    "age_years": "Age (years)",
    "height_cm": "Height (cm)",
    "weight_kg": "Weight (kg)",
    "duration_s": "Walking (s)",
}
_SPREAD_LEAST: Final = 5  # people; a spread of fewer would be made up
_DOT_LIMIT: Final = 40  # people of a class on a side that are drawn one by one
_LARGEST_SHOWN: Final = 1.0  # standard deviations; what lies beyond is drawn at the edge
_PANEL_LIMIT: Final = 6  # more variants than that share one panel
_MARKERS: Final = {"test": "o", "selection": "D"}


def gather_demographics(
    split: pl.DataFrame, participants: pl.DataFrame, index: pl.DataFrame
) -> pl.DataFrame:
    """Return one row per participant and the group it is compared in.

    A group is a side, or the fold that a participant is tested in. Who is on a side in any of the
    variants is in its group; unused rows are left out.

    Args:
        split: the split table, of one variant or of several.
        participants: the participants table (see `transforms.schemas.PARTICIPANTS`).
        index: the sequence index (see `transforms.schemas.SEQUENCE_INDEX`).

    Returns:
        Columns participant_id, label, group, sex, age_years, height_cm, weight_kg, duration_s (of
        all sequences of the participant in that group).
    """
    if protocol_of(split) == "k_fold":
        rows = split.filter(pl.col("side") == "test").with_columns(group=pl.col("variant"))
    else:
        rows = split.filter(pl.col("side") != "unused").with_columns(group=pl.col("side"))
    seconds = index.select("sequence_id", duration_s=pl.col("frame_count") / pl.col("fps"))
    return (
        rows.unique(["group", "sequence_id"])
        .join(seconds, on="sequence_id", how="left")
        .sort("sequence_id")
        .group_by("participant_id", "label", "group")
        .agg(pl.col("duration_s").sum())
        .join(
            participants.select("participant_id", "sex", "age_years", "height_cm", "weight_kg"),
            on="participant_id",
            how="left",
        )
        .sort("label", "group", "participant_id")
    )


@styled
def draw_demographics(people: pl.DataFrame) -> "Figure":
    """Draw age, height, weight, walking time and sex per class and group, one below the other.

    A thick line holds the middle half of the people, a thin one nine in ten, the tick is the
    median; few people are also drawn one by one. The grey band is the middle half of the class.

    Args:
        people: what `gather_demographics` returns.
    """
    groups = order_sides(people["group"]) or order_variants(people["group"])
    labels = order_labels(people["label"].unique().to_list())
    figure = new_figure(9.4, 0.75 + len(labels) * max(0.85, 0.24 + 0.23 * len(groups)))
    panels = figure.subplots(
        max(1, len(labels)),
        len(_MEASURES) + 1,
        sharex="col",
        sharey=True,
        squeeze=False,
        width_ratios=[*(3 for _ in _MEASURES), 2],
    )
    for label, row in zip(labels, panels, strict=False):
        members = people.filter(pl.col("label") == label)
        for (column, title), axes in zip(_MEASURES.items(), row, strict=False):
            _draw_spread(axes, members, column, groups, class_colour(label))
            if label == labels[0]:
                axes.set_title(title)
        _draw_sexes(row[-1], members, groups, class_colour(label))
        row[0].set_ylabel(label, fontweight="bold")
    if labels:
        panels[0, -1].set_title("Female")
    for (column, _), axes in zip(_MEASURES.items(), panels[-1], strict=False):
        if people[column].null_count() == people.height:
            axes.set_xticks([])
    panels[0, 0].set_yticks(range(len(groups)), [one.replace("_", " ") for one in groups])
    panels[0, 0].set_ylim(len(groups) - 0.4, -0.6)
    for axes in panels.ravel():
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    return figure


def _draw_spread(
    axes: "Axes", members: pl.DataFrame, column: str, groups: Sequence[str], colour: str
) -> None:
    known = members.filter(pl.col(column).is_not_null())
    if known.is_empty():
        axes.text(0.5, 0.5, "unknown", transform=axes.transAxes, ha="center", va="center")
        return
    low, high = np.quantile(known[column].to_numpy(), (0.25, 0.75))
    axes.axvspan(low, high, color=RULE, alpha=0.45, linewidth=0)
    for place, group in enumerate(groups):
        values = known.filter(pl.col("group") == group)[column].to_numpy()
        if not len(values):
            continue
        far_low, low, middle, high, far_high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
        if len(values) <= _DOT_LIMIT:
            axes.plot(
                values,
                np.full(len(values), place + 0.22),
                linestyle="none",
                marker="o",
                markersize=2.6,
                markeredgewidth=0,
                alpha=0.7,
                color=colour,
            )
        if len(values) >= _SPREAD_LEAST:
            level = [place - 0.08] * 2
            axes.plot([far_low, far_high], level, color=colour, linewidth=1.0)
            axes.plot([low, high], level, color=colour, linewidth=4.2, solid_capstyle="butt")
        axes.plot([middle] * 2, [place - 0.28, place + 0.12], color=INK, linewidth=1.4)


def _draw_sexes(axes: "Axes", members: pl.DataFrame, groups: Sequence[str], colour: str) -> None:
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 50, 100], ["0 %", "50 %", "100 %"])
    for place, group in enumerate(groups):
        sexes = members.filter(pl.col("group") == group)["sex"]
        female, known = int((sexes == "F").sum()), int(sexes.is_in(["F", "M"]).sum())
        if not known:
            continue
        axes.barh(place, 100 * female / known, height=0.5, color=colour, alpha=0.85)
        axes.barh(
            place, 100, height=0.5, facecolor="none", edgecolor=RULE, linewidth=0.8, zorder=0.5
        )
        is_right = female > known / 2
        axes.text(
            4 if is_right else 96,
            place,
            f"{female}/{known}",
            ha="left" if is_right else "right",
            va="center",
            fontsize=7,
            color=text_colour(colour) if is_right else INK,
        )


@styled
def draw_differences(differences: pl.DataFrame) -> "Figure":
    """Draw how far selection and test lie from train, in standard deviations of the class.

    Args:
        differences: what `proof_tables.compare_sides` returns.
    """
    variants = order_variants(differences["variant"])
    columns = order_columns(differences["column"])
    labels = order_labels(differences["label"].unique().to_list())
    shown = {one: [one] for one in variants}
    if len(variants) > _PANEL_LIMIT:
        shown = {f"all {len(variants)} variants": variants}
    figure = new_figure(9.4, 1.15 + len(columns) * (0.12 + 0.12 * max(2, len(labels))))
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    widest = max(abs(one) for one in differences["difference"])
    edge = min(_LARGEST_SHOWN, max(0.3, widest * 1.1))
    offsets = np.linspace(-0.27, 0.27, len(labels)) if len(labels) > 1 else np.zeros(1)
    for (title, members), axes in zip(shown.items(), panels, strict=True):
        axes.axvspan(-ALIKE_SD, ALIKE_SD, color=RULE, alpha=0.6, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        for row in differences.filter(pl.col("variant").is_in(members)).iter_rows(named=True):
            place = columns.index(row["column"]) + offsets[labels.index(row["label"])]
            _draw_difference(axes, row["difference"], place, row["side"], row["label"], edge)
        axes.set_title(title)
        axes.set_xlim(-edge * 1.08, edge * 1.08)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="x")
    panels[0].set_yticks(range(len(columns)), [name_column(one) for one in columns])
    panels[0].set_ylim(len(columns) - 0.5, -0.5)
    figure.supxlabel("mean less that of train, in standard deviations of the class", fontsize=9)
    _add_legend(figure, labels, order_sides(differences["side"]))
    return figure


def _draw_difference(
    axes: "Axes", difference: float, place: float, side: str, label: str, edge: float
) -> None:
    marker = _MARKERS[side]
    if abs(difference) > edge:
        marker = ">" if difference > 0 else "<"
    axes.plot(
        float(np.clip(difference, -edge, edge)),
        place,
        linestyle="none",
        marker=marker,
        markersize=4.6,
        markeredgewidth=1.0,
        markeredgecolor=class_colour(label),
        markerfacecolor=class_colour(label) if side == "test" else "#ffffff",
        clip_on=False,
    )


def _add_legend(figure: "Figure", labels: Sequence[str], sides: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(color=class_colour(label), label=label) for label in labels
    ]
    handles += [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=_MARKERS[side],
            markersize=5,
            color=OTHER_COLOUR,
            markerfacecolor=OTHER_COLOUR if side == "test" else "#ffffff",
            label=side,
        )
        for side in sides
    ]
    handles.append(Patch(color=RULE, label=f"within {ALIKE_SD}: alike"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
