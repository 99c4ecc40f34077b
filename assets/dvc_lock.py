"""Agreement between what lies on disk and what `dvc.lock` pins.

Never runs a stage: `dvc repro` calls the assets, the assets never call it.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from assets.partitions import Partitioning, list_experiments
from assets.stage import Stage
from assets.workspace import Workspace
from transforms.errors import GaitworksError

if TYPE_CHECKING:
    from dvc.repo import Repo


def runs_inside_dvc() -> bool:
    """Tell whether DVC started this process; DVC then writes its lock itself."""
    return "DVC_STAGE" in os.environ


def has_dvc(root: Path) -> bool:
    """Tell whether the workspace is a DVC repository with a pipeline."""
    return (root / ".dvc").is_dir() and (root / "dvc.yaml").is_file()


def dvc_targets(workspace: Workspace, stage: Stage, partition: str | None = None) -> list[str]:
    """Return the DVC stages that stand for one of ours; a cell of a matrix is one of several."""
    if stage.partitioning is not Partitioning.EXPERIMENT:
        return [stage.name]
    return [
        f"{stage.name}@{cell.model}-{cell.variant}-{cell.seed}"
        for cell in list_experiments(workspace.settings)
        if partition in (None, cell.key)
    ]


def pin_output(workspace: Workspace, stage: Stage, partition: str | None) -> None:
    """Pin in `dvc.lock` what a stage has just published, unless DVC runs it and will."""
    if not runs_inside_dvc() and has_dvc(workspace.path):
        _commit(workspace, dvc_targets(workspace, stage, partition))


def pin_outputs(workspace: Workspace, stages: Iterable[Stage]) -> list[str]:
    """Pin what differs from `dvc.lock` among fresh outputs; return the DVC stages concerned.

    There is something to pin only where an earlier run was killed between publishing and pinning.
    """
    if runs_inside_dvc() or not has_dvc(workspace.path):
        return []
    stale = list(find_disagreements(workspace, stages))
    if stale:
        _commit(workspace, stale)
    return stale


def find_disagreements(workspace: Workspace, stages: Iterable[Stage]) -> dict[str, Any]:
    """Return what DVC says has changed since `dvc.lock` was written, by DVC stage."""
    targets = [target for stage in stages for target in dvc_targets(workspace, stage)]
    with _open_repo(workspace.path) as repo:
        status: dict[str, Any] = repo.status(targets=targets)
    return status


def _commit(workspace: Workspace, targets: Iterable[str]) -> None:
    from dvc.exceptions import DvcException

    lock = workspace.scratch / "locks" / "dvc.lock"  # steps of one run may finish together
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock), _open_repo(workspace.path) as repo:
        for target in targets:
            try:
                repo.commit(target, force=True)
            except DvcException as error:
                raise GaitworksError(
                    "the result is published, but dvc.lock could not be brought up to date",
                    where=target,
                    found=error,
                    fix="run again; nothing is recomputed",
                ) from error


@contextmanager
def _open_repo(root: Path) -> Iterator["Repo"]:
    """Open the repository from inside: DVC resolves names and paths from the current folder."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    # DVC tells of each lock it writes on standard output, which belongs to our caller.
    logging.getLogger("dvc").setLevel(logging.WARNING)
    with chdir(root):
        try:
            repo = Repo(str(root))
        except DvcException as error:
            raise GaitworksError(
                "DVC cannot open the repository", where=root, found=error
            ) from error
        with repo:
            yield repo
