"""Pictures of the confounder probe: its figures beside the models', and each confounder alone.

Each function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from transforms.describe.formatting import QUESTIONS, words
from transforms.describe.style import ACCENT, INK, OTHER_COLOUR, SERIES, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBE_TITLES: Final = {"linear": "confounders, linear", "tree": "confounders, tree"}
_CHANCE_AREA: Final = 0.5

Row = tuple[str, Mapping[str, Any], str]  # name, metric -> entry, colour


def name_panels(entries: Mapping[str, Any]) -> dict[str, str]:
    """Return what each metric of a judgement is called, in the order of panels and columns."""
    return {find_area(entries): "AUROC", "accuracy": "Accuracy", "macro_f1": "Macro F1"}


def find_area(entries: Mapping[str, Any]) -> str:
    """Return the metric that the claim is about: the AUROC of the screening question."""
    return next(name for name in entries if name.endswith("/auroc"))


def name_question(entries: Mapping[str, Any]) -> str:
    """Return the screening question of a judgement in words."""
    return QUESTIONS[find_area(entries).rpartition("/")[0]]


@styled
def draw_beside_models(variants: Mapping[str, Mapping[str, Any]]) -> "Figure":
    """Draw, per variant, chance, the two probes and every model as dots with their intervals.

    Args:
        variants: the judged ones of a probe's `variants`.
    """
    # `Any`: confounders.json, here and below.
    rows = {name: _rows(found) for name, found in variants.items()}
    titles = name_panels(next(iter(variants.values()))["chance"])
    heights = [len(some) + 1.2 for some in rows.values()]
    figure = new_figure(9.0, 0.5 + 0.24 * sum(heights))
    panels = figure.subplots(
        len(rows), len(titles), sharex=True, sharey="row", squeeze=False, height_ratios=heights
    )
    for (variant, some), axes_row in zip(rows.items(), panels, strict=True):
        for (metric, title), axes in zip(titles.items(), axes_row, strict=True):
            is_first = axes is axes_row[0]
            axes.set_title(f"{variant}: {title}" if is_first else title, fontsize=9)
            _draw_rows(axes, some, metric)
    for axes in panels[:, 0]:
        axes.axvline(_CHANCE_AREA, color=OTHER_COLOUR, linewidth=0.9, linestyle=(0, (3, 2)))
    _share_scale(panels[0][0])
    return figure


@styled
def draw_alone(judgement: Mapping[str, Any]) -> "Figure":
    """Draw the area under the ROC curve of each confounder alone, both probes.

    Args:
        judgement: a judged one: a probe's `cohort` or a variant.
    """
    names = ["all", *judgement["alone"]]
    entries = judgement["all"]["linear"]
    figure = new_figure(6.0, 0.8 + 0.28 * len(names))
    axes = figure.subplots()
    probes = (("linear", SERIES[1], -0.15), ("tree", SERIES[2], 0.15))
    for probe, colour, offset in probes:
        for place, name in enumerate(names):
            found = judgement["alone"].get(name, judgement["all"])
            _draw_interval(axes, place + offset, found[probe][find_area(entries)], colour)
    _name_rows(axes, [words(name) for name in names])
    axes.axvline(_CHANCE_AREA, color=OTHER_COLOUR, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set_xlabel(f"AUROC, {name_question(entries)}")
    _share_scale(axes)
    for probe, colour, _ in probes:
        axes.plot([], [], color=colour, marker="o", markersize=5, label=probe)
    figure.legend(loc="outside upper right", ncols=len(probes))
    return figure


def _rows(found: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = [("chance", found["chance"], OTHER_COLOUR)]
    rows += [(title, found["all"][probe], SERIES[1]) for probe, title in PROBE_TITLES.items()]
    rows += [(name, one["metrics"], ACCENT) for name, one in found["comparisons"].items()]
    return rows


def _draw_rows(axes: Any, rows: Sequence[Row], metric: str) -> None:
    # `Any`: matplotlib's array of axes is untyped.
    for place, (_, entries, colour) in enumerate(rows):
        _draw_interval(axes, place, entries[metric], colour)
    _name_rows(axes, [name for name, _, _ in rows])


def _draw_interval(axes: Any, place: float, entry: Mapping[str, Any], colour: str) -> None:
    value, low, high = (entry[key] for key in ("value", "low", "high"))
    if value is None:
        axes.text(0.5, place, "undefined", ha="center", va="center", color=INK, size=8)
        return
    if low is not None:
        axes.plot([low, high], [place] * 2, color=colour, linewidth=1.8, solid_capstyle="butt")
    axes.plot([value], [place], color=colour, marker="o", markersize=5)


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _share_scale(axes: Any) -> None:
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
