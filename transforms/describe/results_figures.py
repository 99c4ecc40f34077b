"""The picture of the grid: accuracy and both rates by class ratio, a line per model.

The function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from transforms.describe.results_cells import ACCURACY, METRICS, SENSITIVITY, SPECIFICITY, Grid
from transforms.describe.results_tables import RATIOS, SYSTEMS, name_model, name_ratio
from transforms.describe.style import INK, SERIES, new_figure, styled
from transforms.published import MODEL_ROWS, RATIO_ROWS, PublishedRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES: Final = {
    ACCURACY: "Accuracy",
    SENSITIVITY: "Sensitivity, any abnormality",
    SPECIFICITY: "Specificity, any abnormality",
}
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_SHIFT: Final = 0.11  # between models at one ratio


@styled
def draw_grid(grid: Grid, *, unit: str = "participant") -> "Figure":
    """Draw our figures as filled marks with intervals and the published ones as hollow marks.

    Published rates are drawn in their clinical reading.

    Args:
        grid: what was run; models that were not run at all are left out.
        unit: `participant` or `sequence`.
    """
    figure = new_figure(9.0, 3.6)
    panels = figure.subplots(1, len(METRICS), sharey=True)
    models = [model for model in dict.fromkeys([*SYSTEMS, *grid.models]) if _is_run(grid, model)]
    for metric, axes in zip(METRICS, panels, strict=True):
        axes.set_title(TITLES[metric])
        for place, model in enumerate(models):
            shift = _SHIFT * (place - (len(models) - 1) / 2)
            look = {"color": SERIES[place % len(SERIES)], "marker": _MARKERS[place % len(_MARKERS)]}
            _draw_ours(axes, grid, model, metric, unit, shift, look)
            _draw_published(axes, model, metric, shift, look)
        axes.set_xticks(range(len(RATIOS)), [name_ratio(ratio) for ratio in RATIOS])
        axes.set_xlim(-0.5, len(RATIOS) - 0.5)
        axes.set_xlabel("positive : neutral : negative in training")
    panels[0].set_ylim(-3, 103)
    panels[0].set_ylabel("percent")
    hollow = {"marker": "o", "markerfacecolor": "none", "linestyle": ""}
    panels[0].plot([], [], color=INK, label="published", **hollow)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _is_run(grid: Grid, model: str) -> bool:
    return any(grid.find(model, ratio) is not None for ratio in RATIOS)


def _draw_ours(
    axes: Any, grid: Grid, model: str, metric: str, unit: str, shift: float, look: dict[str, str]
) -> None:
    # `Any`: matplotlib's array of axes is untyped.
    places, values = [], []
    for place, ratio in enumerate(RATIOS):
        cell = grid.find(model, ratio)
        found = None if cell is None else cell.entry(unit, metric)
        if found is None or found["value"] is None:
            continue
        places.append(place + shift)
        values.append(100 * found["value"])
        if found["low"] is not None:
            bounds = [100 * found[key] for key in ("low", "high")]
            axes.plot([place + shift] * 2, bounds, color=look["color"], linewidth=1.5)
    axes.plot(places, values, **look, markersize=4.5, linewidth=0.6, label=name_model(model))


def _draw_published(axes: Any, model: str, metric: str, shift: float, look: dict[str, str]) -> None:
    for place, value in _published(model, metric):
        axes.plot(
            [place + shift],
            [value],
            **look,
            markerfacecolor="none",
            markersize=6.5,
            linestyle="",
        )


def _published(model: str, metric: str) -> Iterator[tuple[int, float]]:
    """Yield the place of the ratio and the published percentage, once for each ratio."""
    found: dict[str, float] = {}
    for row in (*MODEL_ROWS, *RATIO_ROWS):
        value = _value(row, metric)
        if row.model == model and row.ratio is not None and value is not None:
            found[row.ratio] = value
    return ((RATIOS.index(ratio), value) for ratio, value in found.items())


def _value(row: PublishedRow, metric: str) -> float | None:
    return {
        ACCURACY: row.accuracy_percent,
        SENSITIVITY: row.clinical_sensitivity_percent,
        SPECIFICITY: row.clinical_specificity_percent,
    }[metric]
