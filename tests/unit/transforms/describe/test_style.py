import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from transforms.describe.style import (
    INK,
    OTHER_COLOUR,
    bgr,
    class_colour,
    figure_to_png,
    figure_to_svg,
    new_figure,
    styled,
)


@styled
def draw(title: str = "title"):
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [3, 1, 2])
    axes.set_title(title)
    return figure


def test_same_figure_gives_same_bytes() -> None:
    assert figure_to_svg(draw()) == figure_to_svg(draw())
    assert figure_to_png(draw()) == figure_to_png(draw())


def test_svg_is_well_formed_and_refers_to_nothing_outside() -> None:
    svg = figure_to_svg(draw("<b> & $x_{$ \"'"))
    title = [node.text for node in ElementTree.fromstring(svg).iter() if node.text]
    assert "<b> & $x_{$ \"'" in title
    links = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', svg)
    assert links
    assert all((one or other).startswith("#") for one, other in links)


def test_svg_follows_the_colour_scheme() -> None:
    svg = figure_to_svg(draw())
    assert "currentColor" in svg
    assert "prefers-color-scheme:dark" in svg
    assert f"stroke: {INK}" not in svg


def test_png_shrinks_to_the_limit() -> None:
    whole = figure_to_png(draw())
    assert len(figure_to_png(draw(), max_bytes=len(whole) // 2)) < len(whole) // 2
    with pytest.raises(ValueError, match="does not fit in 10"):
        figure_to_png(draw(), max_bytes=10)


def test_colours_are_turned_round_for_opencv() -> None:
    assert bgr("#102030") == (0x30, 0x20, 0x10)
    assert class_colour("no such class") == OTHER_COLOUR


@pytest.mark.slow
def test_nothing_touches_pyplot() -> None:
    code = (
        "import sys\n"
        "from transforms.describe.plots import plot_confusion\n"
        "plot_confusion([[1, 0], [0, 1]], ['a', 'b'])\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
