from pathlib import Path

import pytest

from transforms.metrics.denominators import counts_printed_as, least_accuracy
from transforms.metrics.literature import count_fits, render_literature
from transforms.published import (
    DUAL_VIEW_ROWS,
    DUAL_VIEW_SOURCE,
    MODEL_ROWS,
    PUBLISHED_RATIO,
    RATIO_ROWS,
    TEST_COUNTS,
)

PAGE = Path(__file__).parents[4] / "docs" / "literature.md"
COUNTS = TEST_COUNTS[PUBLISHED_RATIO]
TOTAL = sum(COUNTS.values())


def tables():
    """Return the page's tables as lists of rows of cells, titles left out."""
    found, lines = [], PAGE.read_text().splitlines()
    for line, before in zip(lines, ["", *lines], strict=False):
        cells = [cell.strip().strip("*") for cell in line.strip("|").split("|")]
        if line.startswith("|") and not before.startswith("|"):
            found.append([])
        elif line.startswith("|") and not set(line) <= set("|- "):
            found[-1].append(cells)
    return found


def prints_as(percent, people):
    """Say which numbers print so, by printing them all."""
    return [n for n in range(people + 1) if abs(100 * n / people - percent) < 0.05 + 1e-9]


def show(counts):
    if not counts:
        return "no"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def test_the_page_is_what_the_module_renders() -> None:
    assert PAGE.read_text() == render_literature()


@pytest.mark.parametrize("people", [1, 7, 126, 204, 545, 749, 3_000])
@pytest.mark.parametrize("percent", [0.0, 0.3, 33.2, 50.0, 76.5, 99.0, 100.0])
def test_counts_are_those_that_print_so(people, percent) -> None:
    assert list(counts_printed_as(percent, people)) == prints_as(percent, people)


def test_only_the_denominators_of_negative_fit_every_published_figure() -> None:
    assert count_fits(MODEL_ROWS, "negative") == (7, 7)
    assert count_fits(MODEL_ROWS, "neutral") == (3, 3)
    assert count_fits(MODEL_ROWS, "positive") == (5, 1)


def test_every_reading_is_recomputed() -> None:
    negative = COUNTS["negative"]
    for row, cells in zip(MODEL_ROWS, tables()[0], strict=True):
        printed = row.printed_sensitivity_percent, row.printed_specificity_percent
        found, cleared = prints_as(printed[1], TOTAL - negative), prints_as(printed[0], negative)
        assert cells == [
            row.system,
            *(f"{value:.1f}" for value in (row.accuracy_percent, *printed, *reversed(printed))),
            f"{show(found)} of {TOTAL - negative}",
            f"{show(cleared)} of {negative}",
        ]


def test_every_denominator_is_recomputed() -> None:
    *rows, totals = tables()[1]
    sizes = [
        size
        for label in ("negative", "neutral", "positive")
        for size in (COUNTS[label], TOTAL - COUNTS[label])
    ]
    for row, cells in zip(MODEL_ROWS, rows, strict=True):
        printed = (row.printed_sensitivity_percent, row.printed_specificity_percent) * 3
        wanted = [show(prints_as(value, size)) for value, size in zip(printed, sizes, strict=True)]
        assert cells == [row.system, *wanted]
    fits = [sum(cells[place] != "no" for cells in rows) for place in range(1, 7)]
    assert totals == ["fit", *(f"{count} of 7" for count in fits)]


def test_what_the_headings_require_is_recomputed() -> None:
    for row, cells in zip(MODEL_ROWS, tables()[2], strict=True):
        hits = prints_as(row.printed_sensitivity_percent, COUNTS["positive"])
        least = 100 * hits[0] / TOTAL if hits else None
        assert cells[2] == ("\u2013" if least is None else f"{least:.1f}")
        is_possible = least is not None and least <= row.accuracy_percent
        assert cells[4].startswith("yes" if is_possible else "no")
    assert least_accuracy(100.0, 419, 749) == pytest.approx(55.94, abs=0.005)


def test_every_ratio_is_recomputed() -> None:
    for (ratio, counts), cells in zip(TEST_COUNTS.items(), tables()[3], strict=True):
        assert cells[0] == ratio.removeprefix("ratio_").replace("_", ":")
        assert cells[1] == f"{counts['negative']} / {counts['neutral']} / {counts['positive']}"
        commonest = 100 * max(counts.values()) / sum(counts.values())
        assert cells[2] == f"{commonest:.1f}"
        accuracies = [row.accuracy_percent for row in RATIO_ROWS if row.ratio == ratio]
        assert cells[3:] == [f"{one:.1f}" for one in accuracies]


def test_the_two_views_stand_there_with_what_is_known_of_their_source() -> None:
    cells = tables()[5]
    assert [row[1].strip("`") for row in cells] == [row.model for row in DUAL_VIEW_ROWS]
    assert cells[3][2:] == ["70.28 ± 11.78", "71.86 ± 10.67"]
    assert DUAL_VIEW_SOURCE in PAGE.read_text()
