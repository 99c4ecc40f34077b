"""What all asset checks share: which outputs to look at, and a verdict on each of them.

A verdict names the version it is about, so that it can be told from one on an earlier output.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    DagsterInstance,
    JsonMetadataValue,
    MetadataValue,
)

from assets.partitions import Partitioning
from assets.stage import Stage, label
from assets.workspace import Workspace

_LISTED: Final = 50
_VERDICTS: Final = "verdicts"
_REMEMBERED: Final = 2_000  # evaluations of one check that are looked through


def judge(
    context: AssetCheckExecutionContext,
    workspace: Workspace,
    stage: Stage,
    find_problems: Callable[[Path], list[str]],
    *,
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
    metadata: Mapping[str, Any] | None = None,
) -> AssetCheckResult:
    """Look for problems in the run's partition, or in all outputs when a check runs on its own.

    Args:
        context: the running check's.
        workspace: where the outputs lie.
        stage: whose outputs are judged.
        find_problems: returns what is wrong with the output in a directory.
        severity: of a failure.
        metadata: further things to show, read after all outputs have been looked at.
    """
    verdicts, problems = {}, []
    for key in _chosen_partitions(context, workspace, stage):
        found = find_problems(stage.directory(workspace, key))
        problems += found
        version = stage.version(workspace, key)
        verdicts[label(stage, key)] = {"version": version, "passed": not found}
    return AssetCheckResult(
        passed=not problems,
        severity=severity,
        description=problems[0] if problems else None,
        metadata={
            "problem_count": len(problems),
            "problems": list_lines(problems),
            **(metadata or {}),
            _VERDICTS: MetadataValue.json(verdicts),
        },
    )


def failed_versions(instance: DagsterInstance, check: AssetCheckKey) -> dict[tuple[str, str], str]:
    """Return what a check last said of each output and version that failed it, by these two."""
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=_REMEMBERED)
    seen: dict[tuple[str, str], str | None] = {}
    for record in history:  # the latest first
        evaluation = record.evaluation
        if not isinstance(evaluation, AssetCheckEvaluation):
            continue  # planned, and never made
        shown = evaluation.metadata.get(_VERDICTS)
        if not isinstance(shown, JsonMetadataValue):
            continue
        for name, verdict in dict(shown.data or {}).items():
            said = None if verdict["passed"] else evaluation.description or "failed"
            seen.setdefault((name, verdict["version"]), said)
    return {key: said for key, said in seen.items() if said is not None}


def list_lines(lines: list[str]) -> MetadataValue[Any]:
    """Return the first lines as a list for the UI. `Any`: Dagster's own parameter."""
    more = f"\n- … {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return MetadataValue.md("\n".join(f"- {line}" for line in lines[:_LISTED]) + more or "none")


def _chosen_partitions(
    context: AssetCheckExecutionContext, workspace: Workspace, stage: Stage
) -> list[str | None]:
    if stage.partitioning is Partitioning.NONE:
        return [None]
    if context.op_execution_context.has_partition_key:
        return [context.op_execution_context.partition_key]
    keys = workspace.partition_keys(stage.partitioning)
    return [key for key in keys if stage.directory(workspace, key).exists()]
