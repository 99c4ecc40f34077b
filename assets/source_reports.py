"""Reports that a source is there or has changed, so that the UI and the automation know of it.

A source is what people put into a folder; nothing materialises it. What is reported is a
fingerprint of names, sizes and times: no video is read for it. The lineage holds content hashes.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    MetadataValue,
)

from assets.partitions import Partitioning
from assets.sources import SOURCES
from assets.stage import Source
from assets.workspace import Workspace

_VERSION_TAG: Final = "dagster/data_version"


def source_reports(
    instance: DagsterInstance, workspace: Workspace, batches: Iterable[str]
) -> Iterator[AssetMaterialization]:
    """Yield a report of every source that the instance does not know as it is now.

    Args:
        instance: what was reported before.
        workspace: where the sources lie.
        batches: the intake batches that have arrived; of others nothing is reported.
    """
    from transforms.intake.arrival import fingerprint_folder

    arrived = sorted(batches)
    for source in SOURCES:
        keys: list[str | None] = [None]
        if source.partitioning is Partitioning.INTAKE_BATCH:
            keys = list(arrived)
        known = _known_versions(instance, source, keys)
        for key in keys:
            folder = source.directory(workspace, key)
            fingerprint, sizes = fingerprint_folder(folder)
            if known.get(key) != fingerprint:
                yield AssetMaterialization(
                    source.name,
                    partition=key,
                    metadata={
                        "folder": MetadataValue.path(folder),
                        "files": len(sizes),
                        "bytes": sum(sizes),
                    },
                    tags={_VERSION_TAG: fingerprint},
                )


def report_sources(instance: DagsterInstance, workspace: Workspace, batches: Iterable[str]) -> None:
    """Report at once what `source_reports` yields."""
    for report in source_reports(instance, workspace, batches):
        instance.report_runless_asset_event(report)


def _known_versions(
    instance: DagsterInstance, source: Source, keys: list[str | None]
) -> dict[str | None, str | None]:
    asset = AssetKey(source.name)
    if keys == [None]:
        event = instance.get_latest_materialization_event(asset)
        found = event.asset_materialization if event else None
        return {None: (found.tags or {}).get(_VERSION_TAG) if found else None}
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset,
        DagsterEventType.ASSET_MATERIALIZATION,
        tag_keys=[_VERSION_TAG],
        asset_partitions=[key for key in keys if key is not None],
    )
    return {key: found.get(_VERSION_TAG) for key, found in tags.items()}
