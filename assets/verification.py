"""Whether all that is published is still what its manifests say."""

from collections.abc import Iterator

from assets.catalogue import STAGES
from assets.partitions import Partitioning
from assets.stage import Stage, label
from assets.workspace import Workspace


def published_outputs(workspace: Workspace) -> Iterator[tuple[Stage, str | None]]:
    """Yield every stage and partition whose output lies on disk, in the order of the lineage."""
    for stage in STAGES:
        keys: list[str | None] = [None]
        if stage.partitioning is not Partitioning.NONE:
            keys = list(workspace.partition_keys(stage.partitioning))
        for key in keys:
            if stage.directory(workspace, key).exists():
                yield stage, key


def find_damage(workspace: Workspace, stage: Stage, partition: str | None) -> list[str]:
    """Hash every file of one output; return a line for each that differs from its manifest."""
    from transforms.errors import IntegrityError
    from transforms.manifest import verify_directory

    name = label(stage, partition)
    try:
        problems = verify_directory(stage.directory(workspace, partition))
    except IntegrityError as error:
        return [f"{name}: {error}"]
    return [f"{name}/{problem}" for problem in problems]
