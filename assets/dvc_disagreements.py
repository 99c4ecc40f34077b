"""What `dvc.lock` and the disk disagree about, in words, with the command that ends it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from assets.dvc_lock import dvc_parts
from assets.stage import Stage, label
from assets.workspace import Workspace
from transforms.hashing import is_intact

_REPAIRED: Final = "silhouette_shards"  # the stage that `gaitworks shards repair` is about


def describe_disagreements(
    workspace: Workspace, stages: Iterable[Stage], status: Mapping[str, Any]
) -> list[str]:
    """Return a line for each output of these stages that `dvc.lock` does not pin as it lies there.

    Damaged outputs come first: what was made from them differs for no other reason.

    Args:
        workspace: where the outputs lie.
        stages: whose outputs are described.
        status: what `find_disagreements` returned.
    """
    damaged, differing = [], []
    for stage in stages:
        for target, partitions in dvc_parts(workspace, stage, None).items():
            if target not in status:
                continue
            lines = [
                _say_damage(workspace, stage, partition)
                for partition in partitions
                if not is_intact(stage.directory(workspace, partition), workspace.hash_cache)
            ]
            damaged += lines
            if not lines:
                key = partitions[0] if len(partitions) == 1 else None
                command = _command(stage, key)
                differing.append(
                    f"{label(stage, key)} is not as dvc.lock pins it "
                    f"({_say_changes(status[target])}): `{command}`"
                )
    return damaged + differing


def _say_damage(workspace: Workspace, stage: Stage, partition: str | None) -> str:
    folder = stage.directory(workspace, partition).relative_to(workspace.path)
    rebuild = f"`{_command(stage, partition, '--force')}`"
    cure = f"`gaitworks shards repair` or {rebuild}" if stage.name == _REPAIRED else rebuild
    return (
        f"{folder} is neither what its manifest says nor what dvc.lock pins: "
        f"`gaitworks verify` names the files, then {cure}"
    )


def _command(stage: Stage, partition: str | None, *options: str) -> str:
    chosen = ("--partition", partition) if partition else ()
    return " ".join(("gaitworks run", *options, *chosen, stage.name))


def _say_changes(changes: Iterable[Any]) -> str:
    # `Any`: DVC gives texts, and mappings from a kind of change to mappings from paths.
    kinds = [
        f"{kind}: {', '.join(paths)}"
        for change in changes
        if isinstance(change, dict)
        for kind, paths in change.items()
    ]
    return "; ".join(kinds + [str(change) for change in changes if not isinstance(change, dict)])
