"""How every picture looks: the colours, and rendering a matplotlib figure to the same bytes always.

Figures are built and saved under one style that ignores a user's matplotlibrc, through the object
interface only: nothing here touches pyplot.
"""

import functools
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Told apart by people with colour-vision deficiencies, and in grey by their lightness.
CLASS_COLOURS: Final = {
    **{"negative": "#3a6ea5", "neutral": "#e0a030", "positive": "#a8325e"},
    **{"non_asd": "#3a6ea5", "asd": "#a8325e"},
    **{"dhs": "#e8c15a", "lcs": "#5b9bb5", "hipoa": "#2b3a55"},
}
OTHER_COLOUR: Final = "#7d8791"
INK: Final = "#20262d"
RULE: Final = "#d3d9df"
PAPER: Final = "#ffffff"
FLAG: Final = "#c62828"
ACCENT: Final = "#2f6f73"

# For things that are not classes: reasons, parts of a loss.
SERIES: Final = ("#2f6f73", "#b5651d", "#6b5b95", "#7a8b3c", "#a8325e", "#4f5d75", "#c9a227")

# Colours that need another shade on a dark page: light, dark.
_SCHEME: Final = {
    "rule": (RULE, "#3a434d"),
    "flag": (FLAG, "#ff7b72"),
    "accent": (ACCENT, "#4fa3a8"),
}
_DARK_INK: Final = "#dfe4ea"

_SVG_FONTS: Final = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
_RC: Final = {
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    # Names from data may hold dollar signs: they are text, never formulas.
    "text.parse_math": False,
    # Text stays text: small, sharp and in the page's font. DejaVu, which measured it, is wider.
    "svg.fonttype": "none",
    "svg.hashsalt": "gaitworks",
}

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def class_colour(label: str) -> str:
    """Return the colour of a diagnosis label, grey for labels without one of their own."""
    return CLASS_COLOURS.get(label, OTHER_COLOUR)


def bgr(colour: str) -> tuple[int, int, int]:
    """Return `#rrggbb` as OpenCV's blue, green, red in [0, 255]."""
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run a drawing function under the one style; matplotlib is imported on the first call."""

    @functools.wraps(draw)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        from matplotlib import style

        with style.context(["default", _RC]):
            return draw(*args, **kwargs)

    return run


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure that lays itself out, without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@styled
def figure_to_svg(figure: "Figure") -> str:
    """Render a figure as stand-alone SVG that follows the reader's light or dark scheme."""
    _lay_out(figure)
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"(?<=font-family: )'DejaVu Sans'[^;\"]*", _SVG_FONTS, text)
    text = text.replace(f": {INK}", ": currentColor")
    for name, (light, _) in _SCHEME.items():
        text = text.replace(f": {light}", f": var(--{name})")
    # Ids are never referred to from outside an image; without them the file is a fifth smaller.
    text = re.sub(r' id="(?:figure|axes|patch|line2d|text|xtick|ytick|legend)_\d+"', "", text)
    light = f"svg{{color:{INK};" + ";".join(f"--{n}:{c[0]}" for n, c in _SCHEME.items()) + "}"
    dark = f"svg{{color:{_DARK_INK};" + ";".join(f"--{n}:{c[1]}" for n, c in _SCHEME.items()) + "}"
    scheme = f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
    return text.replace('<style type="text/css">', f'<style type="text/css">{scheme}', 1)


def _lay_out(figure: "Figure") -> None:
    """Place everything once; left to itself, matplotlib lays out and draws twice per file."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)  # the style has none


@styled
def figure_to_png(figure: "Figure", *, max_bytes: int | None = None) -> bytes:
    """Render a figure as PNG on white, coarser where needed to stay below `max_bytes`.

    Raises:
        ValueError: not even the coarsest rendering is that small.
    """
    _lay_out(figure)
    for dots_per_inch in (150, 110, 80, 60, 40):
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format="png", dpi=dots_per_inch, facecolor=PAPER, metadata={"Software": None}
        )
        data = buffer.getvalue()
        if max_bytes is None or len(data) < max_bytes:
            return data
    raise ValueError(f"a figure of {len(data)} bytes does not fit in {max_bytes}")
