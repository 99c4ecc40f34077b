"""What a stage is: its name, inputs, parameters, where its output lies and when that is fresh.

A stage is one asset in Dagster and one stage of the same name in DVC. Its output is a directory
whose manifest records the lineage it was built from; the manifest's sha256 is the data version.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetsDefinition,
    AssetSelection,
    AutomationCondition,
    MaterializeResult,
    MetadataValue,
    asset,
)

from assets.partitions import Partitioning
from assets.run_choices import StageChoices
from assets.workspace import Workspace
from transforms.errors import InputError, IntegrityError
from transforms.files import sha256_bytes
from transforms.hashing import fingerprint_tree
from transforms.manifest import directory_version, read_manifest, verify_directory

PARTITION: Final = "{partition}"
UNFINISHED: Final = "unfinished"
"""The fact in a manifest that lists what a run could not finish and the next one should."""
REMARK: Final = "remark"
"""The fact in a manifest that holds a sentence for whoever asks how the stage stands."""
BUILT_TAG: Final = "gaitworks/built"
"""The tag that tells in the UI whether an asset waits for a person."""


@dataclass(frozen=True)
class Source:
    """A folder people put there; the pipeline reads it and never writes it."""

    name: str
    folder: str
    partitioning: Partitioning = Partitioning.NONE
    is_optional: bool = False  # a folder that is not there counts as an empty one

    def directory(self, workspace: Workspace, partition: str | None) -> Path:
        """Return the folder, or the partition's own folder inside it."""
        folder = workspace.path / self.folder
        return folder / partition if partition else folder

    def version(self, workspace: Workspace, partition: str | None) -> str:
        """Return a hash over the names and contents of the files in the folder."""
        directory = self.directory(workspace, partition)
        if not directory.is_dir() and self.is_optional:
            return sha256_bytes(b"")
        if not directory.is_dir():
            raise InputError(
                "no such folder",
                where=directory,
                expected=f"the {self.name.replace('_', ' ')}",
                fix="put your cohort there, or make a synthetic one with `gaitworks synth`",
            )
        return fingerprint_tree(directory, workspace.hash_cache)


@dataclass(frozen=True)
class Stage:
    """One step of the lineage: its name, output, inputs and what its result depends on.

    Attributes:
        name: the asset's and the DVC stage's name.
        folder: the output below the workspace; may hold `{partition}`.
        inputs: the sources and stages it reads.
        params: the sections of `params.yaml` that change its result.
        code_version: raised whenever the output for equal inputs changes.
        partitioning: how the output is cut.
        is_optional: to those that read it, one that has not been built counts as an empty one:
            a dataset that was imported or rendered has no videos to cut anything from.
    """

    name: str
    folder: str
    inputs: tuple["Source | Stage", ...]
    params: tuple[str, ...]
    code_version: str
    partitioning: Partitioning = Partitioning.NONE
    is_optional: bool = False

    def directory(self, workspace: Workspace, partition: str | None) -> Path:
        """Return the output directory of one partition (or of the whole stage)."""
        return workspace.path / self.folder.replace(PARTITION, partition or "")

    def version(self, workspace: Workspace, partition: str | None) -> str:
        """Return the data version of what is published now.

        Raises:
            InputError: nothing is.
        """
        try:
            return directory_version(self.directory(workspace, partition))
        except IntegrityError as error:
            raise InputError(
                f"{label(self, partition)} has not been built",
                where=error.where,
                fix=f"run `gaitworks run {self.name}`",
            ) from error


def stage_asset(
    stage: Stage,
    *,
    group: str,
    kinds: set[str],
    owner: str,
    pool: str | None = None,
    is_automatic: bool = False,
) -> Callable[[Callable[..., MaterializeResult[None]]], AssetsDefinition]:
    """Make the decorated function the Dagster asset of a stage; its docstring describes it.

    Args:
        stage: the name, inputs, partitions and code version.
        group: where it stands in the UI's lineage.
        kinds: the technologies shown on it.
        owner: the team that answers for it.
        pool: a concurrency pool its runs take a slot of.
        is_automatic: built without a person's click as soon as what it reads has changed.
    """
    return asset(
        name=stage.name,
        deps=[source.name for source in stage.inputs],
        partitions_def=stage.partitioning.definition,
        code_version=stage.code_version,
        config_schema=StageChoices.to_fields_dict(),
        metadata={"output": stage.folder, "params": MetadataValue.json(list(stage.params))},
        group_name=group,
        kinds=kinds,
        owners=[f"team:{owner}"],
        tags={BUILT_TAG: "automatically" if is_automatic else "by_a_person"},
        pool=pool,
        automation_condition=_when_inputs_changed(stage) if is_automatic else None,
    )


def _when_inputs_changed(stage: Stage) -> AutomationCondition[Any]:
    """Return: every input is there, none is being built, what guards an input has passed.

    A source that another input is made from is not waited for: its change comes through that.
    """
    made = [source for source in stage.inputs if isinstance(source, Stage)]
    indirect = [
        source.name
        for source in stage.inputs
        if any(source in one.inputs for one in made) and isinstance(source, Source)
    ]
    eager = AutomationCondition.eager()
    if indirect:
        eager = eager.ignore(AssetSelection.assets(*indirect))
    condition = eager & AutomationCondition.all_deps_blocking_checks_passed()
    return condition.with_label("its inputs have changed and passed their checks")


def label(stage: Source | Stage, partition: str | None) -> str:
    """Return the name people and manifests use for one partition of a stage or source."""
    return f"{stage.name}/{partition}" if partition else stage.name


def input_partitions(
    workspace: Workspace, source: Source | Stage, downstream: Stage, partition: str | None
) -> list[str | None]:
    """Return which partitions of `source` feed one partition of `downstream`."""
    if source.partitioning is Partitioning.NONE:
        return [None]
    if source.partitioning is downstream.partitioning:
        return [partition]
    keys = workspace.partition_keys(source.partitioning)
    if not keys:
        raise InputError(
            f"no partition of {source.name} exists",
            where=workspace.path / "raw",
            expected="at least one folder with participants.csv and recordings.csv",
            fix="put your cohort there, or make a synthetic one with `gaitworks synth`",
        )
    return list(keys)


def input_directories(
    workspace: Workspace, source: Stage, downstream: Stage, partition: str | None
) -> list[Path]:
    """Return the directories of `source` that one partition of `downstream` reads."""
    return [
        source.directory(workspace, key)
        for key in input_partitions(workspace, source, downstream, partition)
    ]


def input_version(source: Source | Stage, workspace: Workspace, partition: str | None) -> str:
    """Return the data version of a source or stage as those see it that read it.

    Raises:
        InputError: it is not there, and has to be.
    """
    is_optional = isinstance(source, Stage) and source.is_optional
    if is_optional and not source.directory(workspace, partition).exists():
        return sha256_bytes(b"")
    return source.version(workspace, partition)


def lineage_of(workspace: Workspace, stage: Stage, partition: str | None) -> dict[str, Any]:
    """Return everything the result depends on: code version, parameters, input versions."""
    inputs = {
        label(source, key): input_version(source, workspace, key)
        for source in stage.inputs
        for key in input_partitions(workspace, source, stage, partition)
    }
    return {
        "stage": stage.name,
        "partition": partition,
        "code_version": stage.code_version,
        "params": {name: workspace.settings.section(name) for name in stage.params},
        "inputs": inputs,
    }


def is_fresh(workspace: Workspace, stage: Stage, partition: str | None) -> bool:
    """Tell whether the published output is what a run would build now.

    Names and sizes of its files are compared with the manifest; `gaitworks verify` hashes them.
    """
    directory = stage.directory(workspace, partition)
    try:
        manifest = read_manifest(directory)
        intact = not verify_directory(directory, deep=False)
    except IntegrityError:
        return False
    facts = manifest["facts"]
    # What failed for a reason of the moment is tried again; caches keep the rest from being redone.
    is_finished = not facts.get(UNFINISHED)
    return (
        intact and is_finished and facts.get("lineage") == lineage_of(workspace, stage, partition)
    )
