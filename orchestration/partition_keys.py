"""Keeps the instance's partition keys equal to the batches on disk and the cells of the grid."""

from dagster import (
    AddDynamicPartitionsRequest,
    DagsterInstance,
    DeleteDynamicPartitionsRequest,
)

from assets.partitions import Partitioning
from assets.source_reports import report_sources
from assets.workspace import Workspace


def partition_requests(
    instance: DagsterInstance,
    workspace: Workspace,
    partitioning: Partitioning,
    wanted: list[str] | None = None,
) -> list[AddDynamicPartitionsRequest | DeleteDynamicPartitionsRequest]:
    """Return what has to be added to and removed from one set of partitions.

    Args:
        instance: what it holds now.
        workspace: what it should hold, if not `wanted`.
        partitioning: which set.
        wanted: the keys that should be left.
    """
    definition = partitioning.definition
    if definition is None or definition.name is None:
        return []
    wanted = workspace.partition_keys(partitioning) if wanted is None else wanted
    present = instance.get_dynamic_partitions(definition.name)
    added = [key for key in wanted if key not in present]
    removed = [key for key in present if key not in wanted]
    requests: list[AddDynamicPartitionsRequest | DeleteDynamicPartitionsRequest] = []
    if added:
        requests.append(AddDynamicPartitionsRequest(definition.name, added))
    if removed:
        requests.append(DeleteDynamicPartitionsRequest(definition.name, removed))
    return requests


def register_partitions(instance: DagsterInstance, workspace: Workspace) -> None:
    """Apply `partition_requests` of every kind at once, and report the sources as they are."""
    for partitioning in Partitioning:
        for request in partition_requests(instance, workspace, partitioning):
            if isinstance(request, AddDynamicPartitionsRequest):
                instance.add_dynamic_partitions(
                    request.partitions_def_name, list(request.partition_keys)
                )
            else:
                for key in request.partition_keys:
                    instance.delete_dynamic_partition(request.partitions_def_name, key)
    batches = workspace.partition_keys(Partitioning.INTAKE_BATCH)
    report_sources(instance, workspace, batches)
