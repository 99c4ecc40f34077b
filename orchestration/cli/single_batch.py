"""A dataset of one batch that is made on the spot, outside the stages of a workspace."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from assets.progress import terminal_progress
from assets.workspace import Workspace
from transforms.processes import count_workers
from transforms.progress import Progress

_Summary = TypeVar("_Summary")


def write_single_batch(
    workspace: Workspace, to: Path, write_tables: Callable[[Path, int, Progress], _Summary]
) -> _Summary:
    """Publish a dataset of one batch as the new folder `to` and return what its maker says of it.

    Args:
        workspace: whose settings say how silhouettes lie and how many workers there are.
        to: must not exist.
        write_tables: makes `intake/` and `extraction/` in the folder it is given, with so many
            workers.
    """
    import tempfile

    from transforms.files import publish_directory
    from transforms.manifest import write_manifest
    from transforms.shards.writer import write_shards

    settings = workspace.settings
    worker_count = count_workers(settings.runtime.worker_count)
    to.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=to.parent, prefix=".tmp-") as scratch,
        publish_directory(to) as staging,
        terminal_progress() as progress,
    ):
        tables = Path(scratch)
        summary = write_tables(tables, worker_count, progress)
        facts = write_shards(
            [tables / "intake"],
            [tables / "extraction"],
            settings.shards,
            staging,
            progress=progress,
            worker_count=worker_count,
        )
        write_manifest(staging, kind="silhouette_shards", facts=facts)
    return summary
