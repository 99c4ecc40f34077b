"""The picture of the dual-view results: accuracy of every way to read two views, and its rivals.

The function returns a matplotlib figure for `style.figure_to_svg` or `style.figure_to_png`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from transforms.describe.style import ACCENT, INK, OTHER_COLOUR, SERIES, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLIP_SHIFT: Final = 0.2
_PAPER_SHIFT: Final = -0.2


@dataclass(frozen=True)
class ViewRow:
    """One model, or what it has to beat; all in percent.

    Attributes:
        published: mean and standard deviation over folds, of clips.
        clips: ours, the same.
        people: value, low and high over participants, all folds together.
        is_rival: chance or confounders.
    """

    name: str
    published: tuple[float, float] | None = None
    clips: tuple[float, float] | None = None
    people: tuple[float, float | None, float | None] | None = None
    is_rival: bool = False


@styled
def draw_views(rows: Sequence[ViewRow]) -> "Figure":
    """Draw the accuracy of each row: published and ours per clip, ours per participant."""
    figure = new_figure(7.6, 0.9 + 0.42 * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        colour = OTHER_COLOUR if row.is_rival else ACCENT
        if row.published is not None:
            _draw(axes, place + _PAPER_SHIFT, _spread(row.published), INK, is_filled=False)
        if row.clips is not None:
            _draw(axes, place + _CLIP_SHIFT, _spread(row.clips), SERIES[1], is_filled=False)
        if row.people is not None:
            _draw(axes, place, row.people, colour)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, percent")
    legend: Mapping[str, Any] = {"marker": "o", "markersize": 5}  # `Any`: matplotlib's options
    axes.plot([], [], color=INK, markerfacecolor="none", label="published, clips", **legend)
    axes.plot([], [], color=SERIES[1], markerfacecolor="none", label="ours, clips", **legend)
    axes.plot([], [], color=ACCENT, label="ours, participants", **legend)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _spread(found: tuple[float, float]) -> tuple[float, float, float]:
    mean, deviation = found
    return mean, mean - deviation, min(mean + deviation, 100.0)


def _draw(
    axes: Any,
    place: float,
    found: tuple[float, float | None, float | None],
    colour: str,
    *,
    is_filled: bool = True,
) -> None:
    # `Any`: matplotlib's axes.
    value, low, high = found
    if low is not None and high is not None:
        axes.plot([low, high], [place] * 2, color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(
        [value],
        [place],
        color=colour,
        marker="o",
        markersize=5,
        markerfacecolor=colour if is_filled else "white",
    )
