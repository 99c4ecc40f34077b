"""How every stage stands: fresh, stale, missing, or waiting for one before it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from assets.partitions import Partitioning
from assets.stage import REMARK, Stage, input_partitions, is_fresh, label
from assets.workspace import Workspace
from transforms.errors import InputError, IntegrityError
from transforms.manifest import read_manifest

FRESH: Final = "fresh"
WAITING: Final = "waiting"
"""Built from what its inputs hold now, of which one is to be built again."""

_NAMED_AT_MOST: Final = 8


def list_states(workspace: Workspace, stages: Sequence[Stage]) -> dict[str, str]:
    """Return the state of each partition of stages: the lineage, or its beginning, in order."""
    states: dict[str, str] = {}
    for stage in stages:
        for key in _existing_partitions(workspace, stage):
            state = _judge(workspace, stage, key)
            if state == FRESH and not _inputs_are_fresh(workspace, stage, key, states):
                state = WAITING
            states[label(stage, key)] = state
    return states


def say_states(
    states: Mapping[str, str],
    remarks: Mapping[str, str] | None = None,
    *,
    names_all: bool = False,
) -> list[str]:
    """Return a line per partition; many of a stage that are alike share one, unless told.

    Args:
        states: as `list_states` returns them.
        remarks: as `list_remarks` does; said of what is there, not of what is to come.
        names_all: no line is shared.
    """
    members: dict[tuple[str, str, str], list[str]] = {}
    for name, state in states.items():
        remark = (remarks or {}).get(name, "") if state in (FRESH, WAITING) else ""
        members.setdefault((name.partition("/")[0], state, remark), []).append(name)
    totals = Counter(name.partition("/")[0] for name in states)
    lines = []
    for (stage, state, remark), names in members.items():
        said = f" ({remark})" if remark else ""
        if names_all or len(names) <= _NAMED_AT_MOST:
            lines += [f"{state:8} {name}{said}" for name in names]
        else:
            lines.append(f"{state:8} {stage}: {_say_share(len(names), totals[stage])}{said}")
    return lines


def _say_share(count: int, total: int) -> str:
    return f"all {total}" if count == total else f"{count} of {total}"


def list_remarks(workspace: Workspace, stages: Sequence[Stage]) -> dict[str, str]:
    """Return what published partitions say of themselves, of those that say something."""
    remarks: dict[str, str] = {}
    for stage in stages:
        for key in _existing_partitions(workspace, stage):
            try:
                facts = read_manifest(stage.directory(workspace, key))["facts"]
            except IntegrityError:  # not built, or damaged, which its state says
                continue
            if remark := facts.get(REMARK):
                remarks[label(stage, key)] = str(remark)
    return remarks


def _existing_partitions(workspace: Workspace, stage: Stage) -> list[str | None]:
    if stage.partitioning is Partitioning.NONE:
        return [None]
    return [*workspace.partition_keys(stage.partitioning)]


def _judge(workspace: Workspace, stage: Stage, partition: str | None) -> str:
    if not stage.directory(workspace, partition).exists():
        return "missing"
    try:
        return FRESH if is_fresh(workspace, stage, partition) else "stale"
    except InputError:
        return "stale"


def _inputs_are_fresh(
    workspace: Workspace, stage: Stage, partition: str | None, states: dict[str, str]
) -> bool:
    return all(
        states[label(source, key)] == FRESH
        for source in stage.inputs
        if isinstance(source, Stage)
        for key in input_partitions(workspace, source, stage, partition)
    )
