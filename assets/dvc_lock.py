"""Agreement between what lies on disk and what `dvc.lock` pins.

Never runs a stage: `dvc repro` calls the assets, the assets never call it. Only what was built from
what lies there now is pinned, so that a clean `dvc status` never hides a stale result.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from filelock import FileLock

from assets.partitions import Partitioning, list_experiments
from assets.stage import Stage, input_directories, lineage_of
from assets.workspace import Workspace
from transforms.errors import GaitworksError, InputError, IntegrityError, SettingsError
from transforms.hashing import is_intact
from transforms.manifest import read_manifest

if TYPE_CHECKING:
    from dvc.repo import Repo

_Result = TypeVar("_Result")
_DVC_IS_BUSY_S: Final = 60.0  # a `dvc push` of the user's may hold the repository that long
_RETRY_EVERY_S: Final = 2.0


def runs_inside_dvc() -> bool:
    """Tell whether DVC started this process; DVC then writes its lock itself."""
    return "DVC_STAGE" in os.environ


def has_dvc(root: Path) -> bool:
    """Tell whether the workspace has a pipeline in a DVC repository, its own or one around it."""
    absolute = root.resolve()
    is_in_repo = any((folder / ".dvc").is_dir() for folder in (absolute, *absolute.parents))
    return is_in_repo and (root / "dvc.yaml").is_file()


def dvc_targets(workspace: Workspace, stage: Stage, partition: str | None = None) -> list[str]:
    """Return the DVC stages that stand for one of ours; a cell of a matrix is one of several."""
    return list(dvc_parts(workspace, stage, partition))


def pin_output(workspace: Workspace, stage: Stage, partition: str | None) -> None:
    """Pin in `dvc.lock` what a stage has just published, unless DVC runs it and will.

    DVC knows all intake batches of a stage as one output: it is pinned once no batch is stale.
    """
    if runs_inside_dvc() or not has_dvc(workspace.path):
        return
    parts = dvc_parts(workspace, stage, partition)
    _commit(workspace, _select_current(workspace, stage, parts, list(parts)))


def pin_outputs(workspace: Workspace, stages: Iterable[Stage]) -> list[str]:
    """Pin what differs from `dvc.lock` among current outputs; return the DVC stages concerned.

    There is something to pin only where an earlier run was killed between publishing and pinning,
    or where the last of several batches has become current.
    """
    if runs_inside_dvc() or not has_dvc(workspace.path):
        return []
    stages = list(stages)
    differing = find_disagreements(workspace, stages)
    pinned = []
    for stage in stages:
        parts = dvc_parts(workspace, stage, None)
        pinned += _select_current(workspace, stage, parts, [t for t in parts if t in differing])
    _commit(workspace, pinned)
    return pinned


def find_disagreements(workspace: Workspace, stages: Iterable[Stage]) -> dict[str, Any]:
    """Return what DVC says has changed since `dvc.lock` was written, by DVC stage.

    Raises:
        GaitworksError: DVC cannot read its files, or `dvc.yaml` lacks one of the stages.
    """
    stages = list(stages)
    targets = {target for stage in stages for target in dvc_targets(workspace, stage)}
    # DVC reads its files anew for every target: a group of experiments is asked for at once.
    groups = [stage.name for stage in stages]
    with _open_repo(workspace.path) as repo, _explained(workspace.path):
        status: dict[str, Any] = _once_dvc_is_free(lambda: repo.status(targets=groups))
        known = {one.addressing for group in groups for one in repo.stage.collect(group)}
        for target in sorted(targets - known):
            repo.stage.collect(target)  # it says what is missing
    return {target: found for target, found in status.items() if target in targets}


def dvc_parts(
    workspace: Workspace, stage: Stage, partition: str | None
) -> dict[str, list[str | None]]:
    """Map each DVC stage that stands for one of ours to the partitions its output is made of."""
    if stage.partitioning is not Partitioning.EXPERIMENT:
        keys = workspace.partition_keys(stage.partitioning)
        return {stage.name: [*keys] if keys else [None]}
    return {
        f"{stage.name}@{cell.model}-{cell.variant}-{cell.seed}": [cell.key]
        for cell in list_experiments(workspace.settings)
        if partition in (None, cell.key)
    }


def _select_current(
    workspace: Workspace, stage: Stage, parts: dict[str, list[str | None]], targets: list[str]
) -> list[str]:
    # Batches are built in their order, so the last one shows soonest that some are still missing.
    return [
        target
        for target in targets
        if all(_is_current(workspace, stage, partition) for partition in parts[target][::-1])
    ]


def _is_current(workspace: Workspace, stage: Stage, partition: str | None) -> bool:
    """Tell whether what is published was built from what lies there now, finished or not.

    DVC pins the bytes of what was read, too: all of it must be what its manifest says.
    """
    directory = stage.directory(workspace, partition)
    try:
        lineage = read_manifest(directory)["facts"].get("lineage")
        if lineage != lineage_of(workspace, stage, partition):
            return False
    except (InputError, IntegrityError):
        return False
    read = [
        folder
        for source in stage.inputs
        if isinstance(source, Stage)
        for folder in input_directories(workspace, source, stage, partition)
    ]
    return all(is_intact(folder, workspace.hash_cache) for folder in (directory, *read))


def _commit(workspace: Workspace, targets: list[str]) -> None:
    if not targets:
        return
    lock = workspace.scratch / "locks" / "dvc.lock"  # steps of one run may finish together
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock), _open_repo(workspace.path) as repo, _explained(workspace.path):
        for target in targets:
            _once_dvc_is_free(partial(repo.commit, target, force=True))


def _once_dvc_is_free(action: Callable[[], _Result]) -> _Result:
    """Let DVC do something; while another DVC command holds the repository, wait for it."""
    from dvc.lock import LockError

    deadline = time.monotonic() + _DVC_IS_BUSY_S
    while True:
        try:
            return action()
        except LockError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_EVERY_S)


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Say what to do about an error of DVC's; what was published stays published."""
    from dvc.exceptions import DvcException, NoOutputOrStageError
    from dvc.stage.exceptions import StageNotFound

    try:
        yield
    except (NoOutputOrStageError, StageNotFound) as error:
        raise SettingsError(
            "dvc.yaml lacks a stage of the pipeline",
            where=root / "dvc.yaml",
            found=error,
            fix="restore the stage, or remove dvc.yaml if DVC is not to follow this workspace",
        ) from error
    except DvcException as error:
        raise GaitworksError(
            "results are published, but DVC cannot tell or pin that",
            where=root / "dvc.lock",
            found=error,
            fix="make `dvc status` work here (after a git merge, dvc.lock may hold conflict "
            "markers; it may be deleted), then run again; nothing is recomputed",
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
            if "symlink" in repo.cache.local.cache_types[:1]:
                raise SettingsError(
                    "DVC is told to put symbolic links in the place of results",
                    where=repo.config.files["repo"],
                    expected="cache.type reflink, hardlink or copy",
                    found="symlink",
                    fix="`dvc config cache.type reflink,hardlink,copy`, then `dvc checkout "
                    "--relink`: links do not count as intact files",
                )
            yield repo
