"""Pictures of where a model looks: mean maps over the gait cycle, and shares of body regions.

Only means over several people are drawn: a silhouette of one person is that person's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.describe.formatting import plural, words
from transforms.describe.style import (
    INK,
    OTHER_COLOUR,
    PAPER,
    class_colour,
    figure_to_png,
    new_figure,
    styled,
)
from transforms.explanation.cycle import PHASE_COUNT
from transforms.explanation.regions import REGIONS, Reals
from transforms.explanation.shares import Group, average_people

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_PARTICIPANTS: Final = 5
"""A mean over fewer people is not drawn."""
MAX_BYTES: Final = 74_000
_BRIGHTEST: Final = 0.98
"""The share of cells below the end of the colour scale; else a single cell would set it."""
_HEAT_STEPS: Final = 10
_GREY_STEPS: Final = 4
"""Few shades, so that the picture stays small enough to be sharp."""
METHOD_TITLES: Final = {
    "attention": "Attention: how active the last stage is",
    "grad_cam": "Grad-CAM at the last stage",
    "evidence": "Evidence: pixels that raise the prediction above the other classes",
}


def plot_explanation(groups: Sequence[Group], method: str) -> bytes | None:
    """Return a PNG of `draw_explanation`, or None where no group has enough people."""
    drawable = [group for group in groups if group.participant_count >= MIN_PARTICIPANTS]
    if not drawable:
        return None
    return figure_to_png(draw_explanation(drawable, method), max_bytes=MAX_BYTES)


@styled
def draw_explanation(groups: Sequence[Group], method: str) -> "Figure":
    """Draw a row per predicted class: the mean map of the whole walk, then of each phase.

    Maps lie over the mean silhouette. All of a row but the first share one scale; the first has
    its own. Phases are left blank where too few people walk with a clear rhythm, and are not
    named where that is so in every row.
    """
    cycles = [_mean_phases(group, method) for group in groups]
    has_phases = any(cycle is not None for cycle in cycles)
    figure = new_figure(9.4, 0.5 + 1.62 * len(groups))
    panels = figure.subplots(len(groups), 1 + PHASE_COUNT, squeeze=False)
    for group, cycle, axes_row in zip(groups, cycles, panels, strict=True):
        whole = _mean_whole(group, method)
        draw_map(axes_row[0], *whole, end_of_scale(whole[1]))
        for phase, axes in enumerate(axes_row[1:]):
            if cycle is None:
                axes.set_axis_off()
            else:
                body, maps = cycle
                draw_map(axes, body[phase], maps[phase], end_of_scale(maps))
        axes_row[0].set_ylabel(
            f"predicted\n{group.predicted}\n{group.participant_count} people",
            color=class_colour(group.predicted),
            fontsize=8,
        )
    panels[0][0].set_title("whole walk", fontsize=8, loc="center")
    place = {"x": 0.01, "ha": "left"}
    if has_phases:
        place = {"x": 0.5, "ha": "center"}
        for phase, axes in enumerate(panels[0][1:]):
            axes.set_title(f"{phase}/{PHASE_COUNT}", fontsize=8, loc="center")
    figure.suptitle(f"{METHOD_TITLES[method]}, {groups[0].view} view", fontsize=10, **place)
    return figure


@styled
def draw_region_shares(shares: pl.DataFrame) -> "Figure":
    """Draw the share of each region of the body, a panel per predicted class and view.

    Args:
        shares: one method's rows of the whole walk and both halves together.
    """
    panels = shares.select("view", "predicted").unique(maintain_order=True).rows()
    figure = new_figure(9.0, 2.5)
    axes_row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    names = list(REGIONS)
    for (view, predicted), axes in zip(panels, axes_row, strict=True):
        here = shares.filter((pl.col("view") == view) & (pl.col("predicted") == predicted))
        found = {row["region"]: row for row in here.to_dicts()}
        for place, name in enumerate(names):
            row = found[name]
            axes.barh(place, row["share"], height=0.62, color=class_colour(predicted))
            if row["spread"] is not None:
                ends = [max(0.0, row["share"] - row["spread"]), row["share"] + row["spread"]]
                axes.plot(ends, [place, place], color=INK, linewidth=1.0)
            axes.plot(
                [row["body_share"]] * 2, [place - 0.4, place + 0.4], color=OTHER_COLOUR, linewidth=2
            )
        people = plural(row["participants"], "participant")
        axes.set_title(f"{predicted}, {view}, {people}", fontsize=9)
        axes.set_yticks(range(len(names)), [words(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("share of the map")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    return figure


def _mean_whole(group: Group, method: str) -> tuple[Reals, Reals]:
    bodies = {one.sequence_id: one.silhouette for one in group.members}
    maps = {one.sequence_id: one.whole[method] for one in group.members}
    return average_people(group, bodies)[0], average_people(group, maps)[0]


def _mean_phases(group: Group, method: str) -> tuple[Reals, Reals] | None:
    bodies = {
        one.sequence_id: one.phase_silhouettes
        for one in group.members
        if one.phase_silhouettes is not None
    }
    people = {one.participant_id for one in group.members if one.sequence_id in bodies}
    if len(people) < MIN_PARTICIPANTS:
        return None
    maps = {one.sequence_id: one.phases[method] for one in group.members if one.phases}
    return average_people(group, bodies)[0], average_people(group, maps)[0]


def end_of_scale(maps: Reals) -> float:
    """Return the value that gets the strongest colour."""
    return float(np.quantile(maps, _BRIGHTEST))


def draw_map(axes: Any, body: Reals, cells: Reals, top: float) -> None:
    """Draw a map `(16, 11)` in colour over a mean silhouette `(64, 44)` in grey."""
    # `Any`: matplotlib's array of axes is untyped.
    heat = cells / top if top > 0 else cells
    axes.imshow(_paint(body, heat), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _paint(body: Reals, heat: Reals) -> NDArray[np.float32]:
    """Return `(64, 44, 3)`: the silhouette in grey, the map over it in colour, both in [0, 1]."""
    import cv2
    from matplotlib.colors import LinearSegmentedColormap

    height, width = body.shape
    large = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colours = LinearSegmentedColormap.from_list("heat", [PAPER, "#f2c14e", "#c62828"])
    strength = _step(np.clip(large, 0.0, 1.0), _HEAT_STEPS)
    ground = 1.0 - 0.42 * _step(body, _GREY_STEPS)[..., None]
    tint = np.asarray(colours(strength)[..., :3], dtype=np.float32)
    opacity = 0.85 * strength[..., None]
    return np.asarray(ground * (1 - opacity) + tint * opacity, dtype=np.float32)


def _step(values: Reals, count: int) -> Reals:
    return np.asarray(np.rint(values * count) / count, dtype=np.float32)
