"""The two ways the pipeline is partitioned, and the only place where partition keys are built.

Intake batches are folders under `raw/`; experiments are the cells of the grid in `params.yaml`.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from dagster import DynamicPartitionsDefinition

from transforms.errors import InputError
from transforms.settings import Settings

intake_batches: Final = DynamicPartitionsDefinition(name="intake_batch")
experiments: Final = DynamicPartitionsDefinition(name="experiment")


class Partitioning(Enum):
    """How a stage's output is cut."""

    NONE = "none"
    INTAKE_BATCH = "intake_batch"
    EXPERIMENT = "experiment"

    @property
    def definition(self) -> DynamicPartitionsDefinition | None:
        """The Dagster partitions of this kind."""
        return {"intake_batch": intake_batches, "experiment": experiments}.get(self.value)


@dataclass(frozen=True)
class Experiment:
    """One cell of the grid."""

    model: str
    variant: str
    seed: int

    @property
    def key(self) -> str:
        """The partition key, which is also the name of the experiment's folder."""
        return f"{self.model}-{self.variant}-seed_{self.seed}"


def list_experiments(settings: Settings) -> list[Experiment]:
    """Return every cell of the grid, in a fixed order."""
    return [
        Experiment(model, variant, seed)
        for model in settings.experiments.models
        for variant in settings.experiments.variants or settings.splits.variants
        for seed in settings.experiments.seeds
    ]


def find_experiment(settings: Settings, key: str) -> Experiment:
    """Return the cell with this partition key.

    Raises:
        InputError: the grid has no such cell.
    """
    cells = {cell.key: cell for cell in list_experiments(settings)}
    if key not in cells:
        raise InputError(
            "no such experiment",
            where="params.yaml",
            expected=", ".join(cells),
            found=key,
            fix="add its model, variant or seed to `experiments`",
        )
    return cells[key]


def list_intake_batches(raw: Path) -> list[str]:
    """Return the complete batches under `raw/`: folders that hold both tables.

    Writers put the tables last, so a batch that is still being copied is not listed.
    """
    return [
        name
        for name in list_batch_folders(raw)
        if (raw / name / "participants.csv").is_file() and (raw / name / "recordings.csv").is_file()
    ]


def list_batch_folders(raw: Path) -> list[str]:
    """Return the folders under `raw/` that are batches or are becoming one."""
    if not raw.is_dir():
        return []
    folders = (entry for entry in raw.iterdir() if entry.is_dir())
    return sorted(folder.name for folder in folders if not folder.name.startswith("."))
