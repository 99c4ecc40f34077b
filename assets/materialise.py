"""How every stage is built: under a lock, into a staging directory, published whole, pinned."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, DataVersion, MaterializeResult, MetadataValue
from filelock import FileLock

from assets.dvc_lock import pin_output, pin_outputs
from assets.guards import refuse_failed_inputs
from assets.partitions import Partitioning
from assets.previews import show_files
from assets.progress import progress_for
from assets.run_choices import StageChoices
from assets.stage import PARTITION, Stage, is_fresh, label, lineage_of
from assets.workspace import Workspace
from transforms.files import publish_directory
from transforms.manifest import directory_version, read_manifest, write_manifest
from transforms.progress import Progress

Metadata = dict[str, Any]  # `Any`: Dagster turns plain values of many kinds into metadata
Build = Callable[[Path, Progress], Mapping[str, Any]]
Describe = Callable[[Path], Metadata]


def materialise(
    context: AssetExecutionContext,
    workspace: Workspace,
    stage: Stage,
    build: Build,
    describe: Describe,
) -> MaterializeResult[None]:
    """Build and publish one partition of a stage unless it is fresh; report it either way.

    Args:
        context: the running asset's.
        workspace: where everything lies.
        stage: what to build.
        build: writes the result into an empty directory and returns facts for the manifest.
        describe: reads the published directory and returns what people want to see of it.
    """
    partition = context.partition_key if context.has_partition_key else None
    directory = stage.directory(workspace, partition)
    refuse_failed_inputs(context.instance, workspace, stage, partition)
    with lock_of(workspace, stage, partition):
        choices = StageChoices(**context.op_execution_context.op_config)
        reused = not choices.force and is_fresh(workspace, stage, partition)
        if not reused:
            _remove_orphans(workspace, stage)
            lineage = lineage_of(workspace, stage, partition)
            with publish_directory(directory) as staging, progress_for(context) as progress:
                facts = build(staging, progress)
                write_manifest(staging, kind=stage.name, facts={**facts, "lineage": lineage})
            pin_output(workspace, stage, partition)
        else:
            pin_outputs(workspace, [stage])  # of a run that was killed before it did
        version = directory_version(directory)
    manifest = read_manifest(directory)
    inputs = manifest["facts"]["lineage"]["inputs"]
    common: Metadata = {
        "reused": reused,
        "path": MetadataValue.path(directory),
        "version": version,
        "code_version": stage.code_version,
        "inputs": MetadataValue.json({name: version[:12] for name, version in inputs.items()}),
        "files": len(manifest["files"]),
        "bytes": sum(entry["bytes"] for entry in manifest["files"]),
        "file_list": show_files(manifest),
    }
    return MaterializeResult(
        metadata=common | describe(directory), data_version=DataVersion(version)
    )


def lock_of(workspace: Workspace, stage: Stage, partition: str | None) -> FileLock:
    """Return the lock that whoever changes one partition's published output must hold."""
    path = workspace.scratch / "locks" / f"{label(stage, partition).replace('/', '@')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def _remove_orphans(workspace: Workspace, stage: Stage) -> None:
    """Delete outputs of partitions that no longer exist, as DVC would before a stage runs."""
    if stage.partitioning is Partitioning.NONE:
        return
    parent = workspace.path / stage.folder.split(PARTITION)[0]
    keys = workspace.partition_keys(stage.partitioning)
    for folder in sorted(parent.glob("*")):
        if folder.is_dir() and folder.name not in keys and not folder.name.startswith("."):
            shutil.rmtree(folder)
