"""What of the published results is found again, in sentences computed from the figures.

Nothing is called found or reversed unless the interval of a difference in pairs leaves out zero.
"""

from itertools import combinations
from typing import Final, Literal

from transforms.describe.formatting import plural
from transforms.describe.results_cells import ACCURACY, SENSITIVITY, Cell, Entry, Grid
from transforms.describe.results_tables import (
    RATIOS,
    format_percent,
    name_model,
    name_ratio,
)
from transforms.published import MODEL_ROWS, PUBLISHED_RATIO, RATIO_ROWS, SCREENING_ROWS

Sign = Literal["above", "below", "open"]
_UNIT: Final = "sequence"  # the published one
_HERO: Final = "sconet_mt"  # the model that the paper proposes


def sign_of(difference: Entry | None) -> Sign:
    """Return on which side of zero a difference lies with its whole interval."""
    if difference is None or difference["low"] is None:
        return "open"
    if difference["low"] > 0:
        return "above"
    return "below" if difference["high"] < 0 else "open"


def say_models(grid: Grid, variant: str) -> str:
    """Say how much of the published order of the models' accuracies is found, pair by pair."""
    published = {row.model: row.accuracy_percent for row in MODEL_ROWS if row.model}
    cells = [cell for model in published if model and (cell := grid.find(model, variant))]
    if len(cells) < 2:
        return (
            f"Fewer than two of the published models were run at {name_ratio(variant)}: nothing "
            "can be said about the published order."
        )
    counts = {"above": 0, "below": 0, "open": 0}
    for one, other in combinations(cells, 2):
        first, second = published[one.model] or 0.0, published[other.model] or 0.0
        better, worse = (one, other) if first > second else (other, one)
        counts[_compare(better, worse)] += 1
    ranked = sorted(cells, key=lambda cell: -(cell.entry(_UNIT, ACCURACY)["value"] or 0.0))
    best = max(cells, key=lambda cell: published[cell.model] or 0.0)
    place = 1 + ranked.index(best)
    unlike = (
        ""
        if variant == PUBLISHED_RATIO
        else f" Ours are trained at {name_ratio(variant)}, the published at "
        f"{name_ratio(PUBLISHED_RATIO)}."
    )
    return (
        f"Of {plural(sum(counts.values()), 'pair')} of models that were run, the published "
        f"order of accuracy is found beyond doubt in {counts['above']}, its reverse in "
        f"{counts['below']}; {counts['open']} cannot be told apart (intervals of the differences "
        "in pairs, per sequence, not corrected for the number of pairs). "
        f"{name_model(best.model)}, the best published of them, comes {_ordinal(place)} of "
        f"{len(cells)} here.{unlike}"
    )


def say_systems(grid: Grid, variant: str) -> str:
    """Say how the sensitivity of the paper's model stands beside the screening methods'."""
    row = next(row for row in MODEL_ROWS if row.model == _HERO)
    methods = [
        (one.system, one.clinical_sensitivity_percent)
        for one in SCREENING_ROWS
        if one.clinical_sensitivity_percent is not None
    ]
    readings = {
        "as printed": row.printed_sensitivity_percent,
        "read clinically": row.clinical_sensitivity_percent,
    }
    parts = []
    for reading, value in readings.items():
        if value is not None:
            above = [name for name, other in methods if value > other]
            below = [name for name, other in methods if value <= other]
            parts.append(
                f"{reading} it is {value:.1f}, {_join_sides(above, below)}",
            )
    said = f"The published sensitivity of {row.system}: {'; '.join(parts)}."
    cell = grid.find(_HERO, variant)
    if cell is None:
        return f"{said} Ours was not run at {name_ratio(variant)}."
    entry = cell.entry("participant", SENSITIVITY)
    if entry["low"] is None:
        return f"{said} Ours is {format_percent(entry)}, without an interval to compare."
    low, high = (100 * entry[key] for key in ("low", "high"))
    above = [name for name, other in methods if low > other]
    below = [name for name, other in methods if high < other]
    open_ones = [name for name, _ in methods if name not in (*above, *below)]
    ours = _join_sides(above, below)
    if open_ones:
        ours += ("; " if ours else "") + f"not to be told from {_list(open_ones)}"
    return f"{said} Ours, per participant, is {format_percent(entry)}: {ours}."


def say_ratios(grid: Grid) -> str:
    """Say whether accuracy falls with the imbalance, and whether the multi-task model leads."""
    said = [_say_fall(grid, model) for model in ("sconet", _HERO)]
    return " ".join([*said, _say_lead(grid)])


def _say_fall(grid: Grid, model: str) -> str:
    published = {row.ratio: row.accuracy_percent for row in RATIO_ROWS if row.model == model}
    cells = [cell for ratio in RATIOS if (cell := grid.find(model, ratio))]
    name = name_model(model)
    if len(cells) < 2:
        return f"{name} was run at {plural(len(cells), 'ratio')}: no trend to compare."
    first, last = cells[0], cells[-1]
    theirs = (published[last.variant] or 0.0) - (published[first.variant] or 0.0)
    span = f"from {name_ratio(first.variant)} to {name_ratio(last.variant)}"
    change = last.lead_over(first, _UNIT, ACCURACY)
    if change is None or change["value"] is None:
        return f"{name}, {span}: published {theirs:+.1f} points; ours were run with other seeds."
    if not first.is_paired_with(last):
        return (
            f"{name}, {span}: published {theirs:+.1f} points, ours {100 * change['value']:+.1f} "
            "on other test sequences, so that nothing follows from the difference."
        )
    word = {"above": "rises", "below": "falls", "open": "cannot be told from level"}
    return (
        f"{name}, {span}: published {theirs:+.1f} points, ours {_format_points(change)} on the "
        f"same test sequences; it {word[sign_of(change)]}."
    )


def _say_lead(grid: Grid) -> str:
    counts = {"above": 0, "below": 0, "open": 0}
    for ratio in RATIOS:
        one, other = grid.find(_HERO, ratio), grid.find("sconet", ratio)
        if one is not None and other is not None:
            counts[_compare(one, other)] += 1
    run = sum(counts.values())
    if not run:
        return f"{name_model(_HERO)} and ScoNet were run together at no ratio."
    theirs = {(row.model, row.ratio): row.accuracy_percent or 0.0 for row in RATIO_ROWS}
    leads = sum(theirs[_HERO, ratio] > theirs["sconet", ratio] for ratio in RATIOS)
    return (
        f"{name_model(_HERO)} is published ahead of ScoNet at {leads} of {len(RATIOS)} ratios; "
        f"here, of {run} run, it is ahead beyond doubt at {counts['above']}, behind at "
        f"{counts['below']}, and {counts['open']} cannot be told."
    )


def _compare(one: Cell, other: Cell) -> Sign:
    """Return whether a cell is more accurate beyond doubt; never where the tests differ."""
    if not one.is_paired_with(other):
        return "open"
    return sign_of(one.lead_over(other, _UNIT, ACCURACY))


def _format_points(entry: Entry) -> str:
    value, low, high = (entry[key] for key in ("value", "low", "high"))
    bounds = "" if low is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{bounds}"


def _join_sides(above: list[str], below: list[str]) -> str:
    sides = [("above", above), ("below", below)]
    return ", ".join(f"{word} {_list(names)}" for word, names in sides if names)


def _list(names: list[str]) -> str:
    return " and ".join(names)


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
