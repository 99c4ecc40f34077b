"""The grid in the shapes of the published tables 2, 3 and 4, ours beside theirs, in percent.

Published sensitivities and specificities stand in both readings: as printed, where the names belong
to the class negative, and clinically. Ours are of any abnormality.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from transforms.describe.confounder_figures import PROBE_TITLES
from transforms.describe.formatting import NOTHING
from transforms.describe.page import Table, rows_table
from transforms.describe.results_cells import (
    ACCURACY,
    METRICS,
    SENSITIVITY,
    SPECIFICITY,
    UNITS,
    Cell,
    Entry,
    Grid,
)
from transforms.published import (
    MODEL_ROWS,
    PUBLISHED_RATIO,
    RATIO_ROWS,
    RECONSTRUCTED,
    SCREENING_NOTE,
    SCREENING_ROWS,
    TEST_COUNTS,
)

Probe = Mapping[str, Any]  # `Any`: the JSON values of `probe_confounders`

NOT_RUN: Final = "not run"
RATIOS: Final = tuple(TEST_COUNTS)
SYSTEMS: Final = {row.model: row.system for row in MODEL_ROWS if row.model}


def choose_variant(grid: Grid) -> str | None:
    """Return the ratio of the published comparison, or else the variant with the most models."""
    counts = {
        variant: sum(variant == other for _, other in grid.cells) for variant in grid.variants
    }
    if counts.get(PUBLISHED_RATIO):
        return PUBLISHED_RATIO
    return max(counts, key=lambda one: counts[one]) if any(counts.values()) else None


def name_model(model: str) -> str:
    """Return what the literature calls a model of ours, and whether ours is a reconstruction."""
    if model in RECONSTRUCTED:
        return f"{SYSTEMS[model]}, reconstructed"
    return SYSTEMS.get(model, model)


def name_ratio(variant: str) -> str:
    """Return a ratio as `1:1:8`, and any other variant as it is."""
    if not variant.startswith("ratio_"):
        return variant
    return variant.removeprefix("ratio_").replace("_", ":")


def format_percent(entry: Entry) -> str:
    """Return a metric in percent with its interval, as `82.0 [76.1, 87.4]`."""
    if entry["value"] is None:
        return "undefined"
    if entry["low"] is None:
        return f"{100 * entry['value']:.1f}"
    return "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * entry[key] for key in ("value", "low", "high")))


def table_of_models(grid: Grid, variant: str, probe: Probe | None) -> Table:
    """Return table 2: every model at one ratio, published and ours, in both readings."""
    rows: list[Sequence[str]] = []
    for model in _order_models(grid):
        cell = grid.find(model, variant)
        rows += [
            (
                row.system,
                f"published, {name_ratio(PUBLISHED_RATIO)}",
                _percent(row.accuracy_percent),
                _percent(row.clinical_sensitivity_percent),
                _percent(row.clinical_specificity_percent),
                _percent(row.printed_sensitivity_percent),
                _percent(row.printed_specificity_percent),
                NOTHING,
            )
            for row in MODEL_ROWS
            if row.model == model
        ]
        rows += [_our_row(grid, model, cell, unit) for unit in UNITS]
    rows += [
        (title, "ours, per participant", accuracy, *[NOTHING] * 5)
        for title, accuracy in _probe_cells(probe, variant)
    ]
    return rows_table(
        f"Models at {name_ratio(variant)} (the paper's table 2), percent",
        (
            "model",
            "whose",
            "accuracy",
            "sensitivity, any abnormality",
            "specificity, any abnormality",
            "“sensitivity” as printed in 2024",
            "“specificity” as printed in 2024",
            "seeds",
        ),
        rows,
        numeric=range(2, 8),
        note="Mean over the seeds [interval over test participants]. The columns as "
        "printed repeat the 2024 evaluator's names, which belong to the class negative; they are "
        "per sequence, as it counted.",
    )


def table_of_systems(grid: Grid, variant: str, probe: Probe | None) -> Table:
    """Return table 3: methods of screening, published systems and ours, per participant."""
    rows: list[Sequence[str]] = [
        (
            row.system,
            "published, clinical",
            NOTHING,
            _percent(row.printed_sensitivity_percent),
            _percent(row.printed_specificity_percent),
        )
        for row in SCREENING_ROWS
    ]
    for row in MODEL_ROWS[-2:]:
        accuracy = _percent(row.accuracy_percent)
        printed = (row.printed_sensitivity_percent, row.printed_specificity_percent)
        clinical = (row.clinical_sensitivity_percent, row.clinical_specificity_percent)
        rows.append((row.system, "published, as printed", accuracy, *map(_percent, printed)))
        rows.append((row.system, "published, read clinically", accuracy, *map(_percent, clinical)))
    for model in _order_models(grid):
        cell = grid.find(model, variant)
        figures = (
            [NOT_RUN] * 3
            if cell is None
            else [format_percent(cell.entry("participant", name)) for name in METRICS]
        )
        rows.append((name_model(model), f"ours, {name_ratio(variant)}", *figures))
    rows += [
        (title, f"ours, {name_ratio(variant)}", accuracy, NOTHING, NOTHING)
        for title, accuracy in _probe_cells(probe, variant)
    ]
    return rows_table(
        "Other ways to screen (the paper's table 3), percent",
        ("method", "whose, how read", "accuracy", "sensitivity", "specificity"),
        rows,
        numeric=range(2, 5),
        note="Each row was measured on other people, with another share of patients: this is no "
        f"comparison on equal terms. {SCREENING_NOTE}",
    )


def table_of_ratios(grid: Grid, probe: Probe | None) -> Table:
    """Return table 4: accuracy by class ratio of the models that the paper shows."""
    rows: list[Sequence[str]] = []
    for model in dict.fromkeys(row.model for row in RATIO_ROWS if row.model):
        published = {row.ratio: row.accuracy_percent for row in RATIO_ROWS if row.model == model}
        title = name_model(model)
        rows.append((title, "published", *(_percent(published.get(ratio)) for ratio in RATIOS)))
        for unit in UNITS:
            cells = [grid.find(model, ratio) for ratio in RATIOS]
            figures = [
                NOT_RUN if cell is None else format_percent(cell.entry(unit, ACCURACY))
                for cell in cells
            ]
            rows.append((title, f"ours, per {unit}", *figures))
    probes = [dict(_probe_cells(probe, ratio)) for ratio in RATIOS]
    rows += [
        (title, "ours, per participant", *(one.get(title, NOTHING) for one in probes))
        for title in PROBE_TITLES.values()
        if any(title in one for one in probes)
    ]
    return rows_table(
        "Accuracy by class ratio in training (the paper's table 4), percent",
        ("model", "whose", *(name_ratio(ratio) for ratio in RATIOS)),
        rows,
        numeric=range(2, 2 + len(RATIOS)),
        note="The published test set is another one at each ratio, with "
        + ", ".join(str(counts["neutral"]) for counts in TEST_COUNTS.values())
        + " neutral sequences.",
    )


def _order_models(grid: Grid) -> list[str]:
    """Return the published models, run or not, and then any others of the grid."""
    return list(dict.fromkeys([*SYSTEMS, *grid.models]))


def _our_row(grid: Grid, model: str, cell: Cell | None, unit: str) -> Sequence[str]:
    whose = f"ours, per {unit}"
    if cell is None:
        return (name_model(model), whose, *[NOT_RUN] * 3, NOTHING, NOTHING, NOTHING)
    figures = {name: format_percent(cell.entry(unit, name)) for name in METRICS}
    swapped = (figures[SPECIFICITY], figures[SENSITIVITY])
    is_printed = unit == "sequence"
    return (
        name_model(model),
        whose,
        *(figures[name] for name in METRICS),
        *(swapped if is_printed else (NOTHING, NOTHING)),
        _count_seeds(grid, cell),
    )


def _count_seeds(grid: Grid, cell: Cell) -> str:
    missing = set(grid.seeds) - set(cell.seeds)
    count = str(len(cell.seeds))
    return f"{count} of {len(cell.seeds) + len(missing)}" if missing else count


def _probe_cells(probe: Probe | None, variant: str) -> list[tuple[str, str]]:
    found = (probe or {}).get("variants", {}).get(variant, {})
    if found.get("status") != "judged":
        return []
    return [
        (title, format_percent(found["all"][kind][ACCURACY]))
        for kind, title in PROBE_TITLES.items()
    ]


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"
