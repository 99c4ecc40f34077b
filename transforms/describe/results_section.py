"""The report's results page: the grid in the shapes of the published tables, theirs beside."""

from typing import Any, Final

from transforms.describe.formatting import plural
from transforms.describe.gather import Material
from transforms.describe.page import Block, Missing, Section, Text, svg_picture
from transforms.describe.results_cells import Grid, combine_experiments
from transforms.describe.results_figures import draw_grid
from transforms.describe.results_tables import (
    choose_variant,
    table_of_models,
    table_of_ratios,
    table_of_systems,
)
from transforms.describe.results_words import say_models, say_ratios, say_systems
from transforms.describe.style import figure_to_svg
from transforms.presets import say_preset
from transforms.training_settings import TrainingSettings

TITLE: Final = "Results: the published tables, theirs and ours"


def results_section(material: Material) -> Section:
    """Return tables 2, 3 and 4 of the paper with our numbers, and what of them is found again."""
    grid = combine_experiments(material)
    variant = choose_variant(grid)
    if variant is None:
        missing = Missing("No model has been evaluated yet.", "gaitworks run model_evaluation")
        return Section("results", TITLE, (missing,))
    probe = material.confounders
    blocks: list[Block] = [
        Text(_introduce(grid, material)),
        svg_picture(
            figure_to_svg(draw_grid(grid)),
            "Accuracy, sensitivity and specificity by class ratio, a mark with its interval per "
            "model; the tables below have the numbers.",
            "Per participant, mean over the seeds with intervals (filled marks), and the published "
            "values per sequence, their rates read clinically (hollow marks).",
        ),
        Text(say_models(grid, variant)),
        table_of_models(grid, variant, probe),
        Text(say_systems(grid, variant)),
        table_of_systems(grid, variant, probe),
        Text(say_ratios(grid)),
        table_of_ratios(grid, probe),
    ]
    return Section("results", TITLE, tuple(blocks))


def _introduce(grid: Grid, material: Material) -> str:
    judged = sum(len(cell.seeds) for cell in grid.cells.values())
    planned = len(grid.models) * len(grid.variants) * max(1, len(grid.seeds))
    said = [
        f"{judged} of {plural(planned, 'cell')} of the grid are judged; what was not run says so.",
        _say_training(material.inputs.settings.get("training")),
        "The published numbers come from real children and other test sequences: beside them, ours "
        "show whether orders and trends are alike, not whether a value is.",
    ]
    if material.is_synthetic:
        said.append("Our walkers are synthetic: nothing here is evidence about patients.")
    if grid.left_out:
        said.append(f"Left out, of another dataset or split: {', '.join(grid.left_out)}.")
    return " ".join(one for one in said if one)


def _say_training(values: Any) -> str:
    # `Any`: a section of the settings.
    if not values:
        return ""
    training = TrainingSettings.model_validate(values)
    return (
        f"Trained with {say_preset(training)}: {plural(training.steps, 'step')}, channels "
        f"{', '.join(map(str, training.channels))}. The triplet loss takes a "
        f"{training.triplet_identity} for an identity."
    )
