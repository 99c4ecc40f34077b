"""The workspace: the folder with `params.yaml` in which sources, results and scratch lie."""

from functools import cached_property
from pathlib import Path
from typing import Final

from dagster import ConfigurableResource
from pydantic import Field

from assets.partitions import Partitioning, list_experiments, list_intake_batches
from transforms.hashing import HashCache
from transforms.layout import PARAMS_NAME as PARAMS_NAME
from transforms.settings import Settings, read_settings

SCRATCH_NAME: Final = ".gaitworks"


class Workspace(ConfigurableResource["Workspace"]):
    """Where a pipeline's sources, results and scratch are, and the settings it runs with."""

    root: str = Field(default=".", description="The folder that holds params.yaml.")

    @property
    def path(self) -> Path:
        """The root as an absolute path."""
        return Path(self.root).resolve()

    @property
    def scratch(self) -> Path:
        """Caches, locks and checkpoints: safe to delete, only time is lost."""
        return self.path / SCRATCH_NAME

    @cached_property
    def settings(self) -> Settings:
        """The validated settings, read once per process and run."""
        return read_settings(self.path / PARAMS_NAME)

    @cached_property
    def hash_cache(self) -> HashCache:
        """Remembers the sha256 of source files that have not changed."""
        return HashCache(self.scratch / "hashes.json")

    def partition_keys(self, partitioning: Partitioning) -> list[str]:
        """Return the keys that exist now: batches on disk, or cells of the grid."""
        if partitioning is Partitioning.INTAKE_BATCH:
            return list_intake_batches(self.path / "raw")
        if partitioning is Partitioning.EXPERIMENT:
            return [cell.key for cell in list_experiments(self.settings)]
        return []
