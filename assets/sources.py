"""What people put there: videos, decisions on recordings, weights, and truth where it is known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dagster import AssetSpec

from assets.partitions import Partitioning, intake_batches
from assets.stage import BUILT_TAG, Source
from assets.workspace import Workspace
from transforms.files import canonical_json, sha256_bytes, sha256_file
from transforms.weights.registry import REGISTRY_NAME, STORE_NAME, Registry, read_registry
from transforms.weights.verified import Weights


@dataclass(frozen=True)
class WeightsSource(Source):
    """The registry of weights; only the entries that the settings name count for the lineage."""

    def directory(self, workspace: Workspace, partition: str | None) -> Path:
        """Return the registry's file."""
        return workspace.path / self.folder

    def version(self, workspace: Workspace, partition: str | None) -> str:
        """Return a hash over the entries in use: files, hashes and contracts."""
        registry = self.registry(workspace)
        names = (
            workspace.settings.extraction.detector_weights,
            workspace.settings.extraction.segmenter_weights,
        )
        used = {}
        for name in filter(None, names):
            entry = registry.entry(name)
            files = {file.name: file.sha256 for file in entry.files}
            contract = entry.contract.model_dump(mode="json")
            used[name] = {"kind": entry.kind, "contract": contract, "files": files}
        return sha256_bytes(canonical_json(used))

    def registry(self, workspace: Workspace) -> Registry:
        """Return what is registered; a file that is not there registers nothing."""
        return read_registry(self.directory(workspace, None))

    def weights(self, workspace: Workspace, name: str | None) -> Weights | None:
        """Return an entry with the place of its files; None for no name."""
        if name is None:
            return None
        return self.registry(workspace).weights(name, workspace.path / STORE_NAME)


@dataclass(frozen=True)
class PartitionSource(Source):
    """Splits that others made; only the file that the settings name counts for the lineage."""

    def version(self, workspace: Workspace, partition: str | None) -> str:
        """Return the hash of the file in use, or that of nothing."""
        splits = workspace.settings.splits
        if splits.protocol != "imported" or splits.partition is None:
            return sha256_bytes(b"")
        path = self.directory(workspace, None) / splits.partition
        return sha256_file(path) if path.is_file() else sha256_bytes(b"")


RAW_COHORT: Final = Source("raw_cohort", "raw", Partitioning.INTAKE_BATCH)
OVERRIDES: Final = Source("overrides", "overrides", Partitioning.INTAKE_BATCH, is_optional=True)
MODEL_WEIGHTS: Final = WeightsSource("model_weights", REGISTRY_NAME)
PARTITIONS: Final = PartitionSource("partitions", "partitions", is_optional=True)
SYNTHETIC_TRUTH: Final = Source("synthetic_truth", "truth")
SOURCES: Final = (RAW_COHORT, OVERRIDES, MODEL_WEIGHTS, PARTITIONS, SYNTHETIC_TRUTH)

# The form in which a source is read; raised when another form is understood or asked for.
_FORM: Final = "1"
_GIVEN: Final = {BUILT_TAG: "by_nobody"}

raw_cohort: Final = AssetSpec(
    RAW_COHORT.name,
    description=(
        "The intake batches under `raw/`: for each batch a folder with `participants.csv`, "
        "`recordings.csv` and `videos/`. Raw video never leaves this folder."
    ),
    group_name="sources",
    code_version=_FORM,
    tags=_GIVEN,
    kinds={"mp4", "csv"},
    owners=["team:data-management"],
    partitions_def=intake_batches,
    metadata={"folder": RAW_COHORT.folder},
)
synthetic_truth: Final = AssetSpec(
    SYNTHETIC_TRUTH.name,
    description=(
        "Masks, boxes and gait phase of the synthetic walkers, written beside the cohort by "
        "`gaitworks synth`. Only `extraction_score` reads it. Empty for a real cohort."
    ),
    group_name="sources",
    code_version=_FORM,
    tags=_GIVEN,
    kinds={"numpy"},
    owners=["team:data-engineering"],
    metadata={"folder": SYNTHETIC_TRUTH.folder},
)
overrides: Final = AssetSpec(
    OVERRIDES.name,
    description=(
        "People's decisions on recordings, `overrides/BATCH/overrides.csv`: an append-only ledger "
        "of who accepted or rejected what, and why. It wins over the quality gates."
    ),
    group_name="sources",
    code_version=_FORM,
    tags=_GIVEN,
    kinds={"csv"},
    owners=["team:data-management"],
    partitions_def=intake_batches,
    metadata={"folder": OVERRIDES.folder},
)
partitions: Final = AssetSpec(
    PARTITIONS.name,
    description=(
        "Splits that others made, `partitions/NAME.json`: lists of ids to train and test on. Only "
        "the protocol `imported` reads one."
    ),
    group_name="sources",
    code_version=_FORM,
    tags=_GIVEN,
    kinds={"json"},
    owners=["team:research"],
    metadata={"folder": PARTITIONS.folder},
)
model_weights: Final = AssetSpec(
    MODEL_WEIGHTS.name,
    description=(
        "The registry of model weights, `weights.toml`: for each the files with URL, size and "
        "sha256, the licence and the input contract. `gaitworks weights fetch` brings the files; "
        "nothing downloads behind anybody's back."
    ),
    group_name="sources",
    code_version=_FORM,
    tags=_GIVEN,
    kinds={"toml"},
    owners=["team:data-engineering"],
    metadata={"file": MODEL_WEIGHTS.folder},
)
