"""The grid as the results page sees it: per model and variant, the metrics over all its seeds.

How seeds are combined is `transforms.metrics.seeds`; how the figures are laid out, the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from transforms.describe.gather import Experiment, Material
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import read_predictions
from transforms.metrics.seeds import (
    Measured,
    describe_difference,
    describe_measured,
    measure_seeds,
    require_same_test,
)
from transforms.settings import EvaluationSettings

ACCURACY: Final = "accuracy"
SENSITIVITY: Final = "any_abnormality/sensitivity"
SPECIFICITY: Final = "any_abnormality/specificity"
METRICS: Final = (ACCURACY, SENSITIVITY, SPECIFICITY)
UNITS: Final = ("sequence", "participant")  # the field's unit first, beside its numbers

Entry = Mapping[str, Any]  # `Any`: `value`, `low`, `high` as in metrics.json


@dataclass(frozen=True)
class Cell:
    """A model on a variant, all its seeds together.

    Attributes:
        model: its name in the registry.
        variant: what it was trained on.
        seeds: those that were judged, in order.
        tested: sequence, participant and label of each test sequence, sorted.
        measured: unit -> metric -> its values.
        confidence: of the intervals.
    """

    model: str
    variant: str
    seeds: tuple[int, ...]
    tested: pl.DataFrame
    measured: Mapping[str, Mapping[str, Measured]]
    confidence: float

    def entry(self, unit: str, metric: str) -> Entry:
        """Return the mean over the seeds with its interval."""
        return describe_measured(self.measured[unit][metric], self.confidence)

    def is_paired_with(self, other: "Cell") -> bool:
        """Tell whether both were judged on the same sequences, so that they differ in pairs."""
        return self.tested.equals(other.tested)

    def lead_over(self, other: "Cell", unit: str, metric: str) -> Entry | None:
        """Return this cell's metric minus the other's, None where their seeds are not the same."""
        if self.seeds != other.seeds:
            return None
        return describe_difference(
            other.measured[unit][metric],
            self.measured[unit][metric],
            self.confidence,
            is_paired=self.is_paired_with(other),
        )


@dataclass(frozen=True)
class Grid:
    """Every cell that was judged on the current dataset and split.

    Attributes:
        cells: by model and variant.
        models: all that were asked for or judged.
        variants: likewise.
        seeds: those asked for; empty where nobody said.
        left_out: experiments of another dataset or split.
    """

    cells: Mapping[tuple[str, str], Cell]
    models: tuple[str, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    left_out: tuple[str, ...]

    def find(self, model: str, variant: str) -> Cell | None:
        """Return a cell, or None where it was not run."""
        return self.cells.get((model, variant))


def combine_experiments(material: Material) -> Grid:
    """Return the grid of a report's experiments.

    Raises:
        InputError: a table of predictions contradicts itself, or the seeds of a cell were judged
            on other sequences.
    """
    evaluation = EvaluationSettings.model_validate(material.inputs.settings.get("evaluation", {}))
    judged = [one for one in material.experiments if _is_judged(one)]
    groups: dict[tuple[str, str], list[Experiment]] = {}
    for one in judged:
        if one.is_of(material.dataset, material.splits):
            facts = _facts(one)
            groups.setdefault((facts["model"], facts["variant"]), []).append(one)
    cells = {
        key: _combine(key, sorted(group, key=lambda one: int(_facts(one)["seed"])), evaluation)
        for key, group in sorted(groups.items())
    }
    asked: Mapping[str, Any] = material.inputs.settings.get("experiments", {})  # `Any`: settings
    variants = asked.get("variants") or _variants_of_split(material)
    return Grid(
        cells=cells,
        models=_join(asked.get("models", ()), [model for model, _ in cells]),
        variants=_join(variants, [variant for _, variant in cells]),
        seeds=tuple(asked.get("seeds", ())),
        left_out=tuple(
            one.name for one in judged if not one.is_of(material.dataset, material.splits)
        ),
    )


def _is_judged(one: Experiment) -> bool:
    return one.metrics is not None and one.predictions is not None


def _facts(one: Experiment) -> dict[str, Any]:
    assert one.metrics is not None  # only the judged come here
    return one.metrics


def _combine(
    key: tuple[str, str], group: Sequence[Experiment], evaluation: EvaluationSettings
) -> Cell:
    tables = [one.predictions.sort("sequence_id") for one in group if one.predictions is not None]
    require_same_test(tables, what="the seeds were judged on other sequences", where=", ".join(key))
    judged = [read_predictions(table) for table in tables]
    tested = tables[0].select("sequence_id", "participant_id", "label")
    people = tested["participant_id"].n_unique()
    # Cells with the same test side are resampled alike: their differences are in pairs.
    weights = draw_weights(people, evaluation.bootstrap_resamples, evaluation.seed)
    return Cell(
        *key,
        seeds=tuple(int(_facts(one)["seed"]) for one in group),
        tested=tested,
        measured={unit: measure_seeds(judged, unit, weights) for unit in UNITS},
        confidence=evaluation.confidence,
    )


def _variants_of_split(material: Material) -> list[str]:
    return sorted(material.splits.split["variant"].unique()) if material.splits else []


def _join(first: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *sorted(others)]))
