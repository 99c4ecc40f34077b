"""Pictures of one judged walk: probabilities from second to second, and evidence over the body.

They show one person's silhouette, as does the page that holds them: for whoever may see the video.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from transforms.describe.explanation_figures import draw_map, end_of_scale
from transforms.describe.style import INK, class_colour, new_figure, styled
from transforms.explanation.cycle import PHASE_COUNT
from transforms.explanation.regions import HALVES, REGIONS
from transforms.explanation.shares import SequenceMaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES: Final = ("solid", "dashed", "dashdot", "dotted")


@styled
def draw_probabilities(
    classes: Sequence[str],
    middles_s: NDArray[Any],
    windows: NDArray[Any],
    whole: Sequence[float],
) -> "Figure":
    """Draw each class's probability of each window, and of the whole walk at the right.

    Args:
        classes: in the order of the columns.
        middles_s: `(window,)`.
        windows: `(window, class)`.
        whole: per class.
    """
    figure = new_figure(7.2, 2.3)
    over_time, together = figure.subplots(1, 2, sharey=True, width_ratios=(5, 1))
    for place, name in enumerate(classes):
        colour, line = class_colour(name), _LINES[place % len(_LINES)]
        over_time.plot(
            middles_s, windows[:, place], color=colour, linestyle=line, marker="o", markersize=3,
            label=name,
        )  # fmt: skip
        together.bar(place, whole[place], color=colour, width=0.7)
    over_time.axhline(1 / len(classes), color=INK, linewidth=0.6, linestyle=":")
    over_time.set(ylim=(0, 1), xlabel="middle of the window, seconds", ylabel="probability")
    over_time.set_title("Each second judged alone")
    together.set_title("Whole walk")
    together.set_xticks(range(len(classes)), classes, rotation=35, ha="right")
    together.grid(visible=False, axis="x")
    figure.legend(loc="outside lower center", ncols=len(classes))
    return figure


@styled
def draw_evidence(maps: SequenceMaps, method: str) -> "Figure":
    """Draw the map over the mean silhouette of the whole walk, and of each phase if there are any.

    The phases share one scale, the whole walk has its own.
    """
    columns = 1 + (PHASE_COUNT if maps.phase_silhouettes is not None else 0)
    figure = new_figure(9.4 if columns > 1 else 2.2, 2.0)
    panels = figure.subplots(1, columns, squeeze=False)[0]
    whole = maps.whole[method]
    draw_map(panels[0], maps.silhouette, whole, end_of_scale(whole))
    panels[0].set_title("whole walk", fontsize=8, loc="center")
    if maps.phase_silhouettes is not None:
        phases = maps.phases[method]
        for phase, axes in enumerate(panels[1:]):
            draw_map(axes, maps.phase_silhouettes[phase], phases[phase], end_of_scale(phases))
            axes.set_title(f"{phase}/{PHASE_COUNT}", fontsize=8, loc="center")
    return figure


def rank_regions(shares: Sequence[dict[str, Any]]) -> list[tuple[str, float, float, float, float]]:
    """Return region, share of the evidence, its left and right half, share of the body, from head.

    Args:
        shares: rows with region, half, share and body_share.
    """
    found = {(row["region"], row["half"]): row for row in shares}
    return [
        (
            region,
            *(float(found[region, half]["share"]) for half in HALVES),
            float(found[region, HALVES[0]]["body_share"]),
        )  # type: ignore[misc]  # three halves
        for region in REGIONS
        if (region, HALVES[0]) in found
    ]
