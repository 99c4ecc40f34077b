"""What must hold of each asset. Checks that guard a release block everything after them."""

import json
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
    asset_check,
)

from assets.dataset import SILHOUETTE_SHARDS
from assets.dvc_lock import find_disagreements, has_dvc
from assets.experiments import MODEL_EVALUATION, TRAINED_MODEL
from assets.extraction import EXTRACTION_SCORE, SILHOUETTE_SEQUENCES
from assets.intake import INTAKE_REGISTER
from assets.previews import read_table
from assets.release import DATASET_RELEASE
from assets.report import RESULTS_REPORT
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import Stage
from assets.workspace import Workspace
from transforms.manifest import verify_directory

_MIN_ACCEPTED_FRACTION: Final = 0.5
_EXACT: Final = 1e-9  # what division may cost


def _result(problems: list[str], **metadata: Any) -> AssetCheckResult:
    listing = "\n".join(f"- {problem}" for problem in problems[:50])
    shown: dict[str, Any] = {"problem_count": len(problems), **metadata}
    return AssetCheckResult(
        passed=not problems,
        description=problems[0] if problems else None,
        metadata={**shown, "problems": MetadataValue.md(listing or "none")},
    )


def _directories(
    context: AssetCheckExecutionContext, workspace: Workspace, stage: Stage
) -> list[Path]:
    """Return the outputs to look at: the run's partition, or all when a check runs on its own."""
    if context.op_execution_context.has_partition_key:
        return [stage.directory(workspace, context.op_execution_context.partition_key)]
    keys = workspace.partition_keys(stage.partitioning)
    directories = [stage.directory(workspace, key) for key in keys]
    return [directory for directory in directories if directory.exists()]


@asset_check(asset=INTAKE_REGISTER.name, blocking=True)
def intake_tables_meet_their_contract(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """The register's tables have exactly the columns, types and values they promise."""
    from transforms.errors import InputError
    from transforms.schemas import PARTICIPANTS, PROBLEMS, RECORDINGS, conform

    problems = []
    for directory in _directories(context, workspace, INTAKE_REGISTER):
        for name, schema in (
            ("participants.parquet", PARTICIPANTS),
            ("recordings.parquet", RECORDINGS),
            ("problems.parquet", PROBLEMS),
        ):
            try:
                conform(read_table(directory, name), schema, where=f"{directory.name}/{name}")
            except InputError as error:
                problems.append(str(error))
    return _result(problems)


@asset_check(asset=INTAKE_REGISTER.name)
def most_recordings_are_usable(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """At least half of the batch's recordings are accepted; less hints at a wrong export."""
    total = accepted = 0
    for directory in _directories(context, workspace, INTAKE_REGISTER):
        recordings = read_table(directory, "recordings.parquet")
        total += recordings.height
        accepted += recordings.filter(recordings["verdict"] == "accepted").height
    return AssetCheckResult(
        passed=accepted >= _MIN_ACCEPTED_FRACTION * total,
        severity=AssetCheckSeverity.WARN,
        metadata={"accepted": accepted, "recordings": total},
    )


@asset_check(asset=SILHOUETTE_SEQUENCES.name, blocking=True)
def every_frame_is_accounted_for(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """Each decoded frame is kept or dropped with a reason, and each kept one is in a sequence."""
    from transforms.extract.ledger import find_ledger_gaps

    problems = []
    for directory in _directories(context, workspace, SILHOUETTE_SEQUENCES):
        problems += find_ledger_gaps(
            read_table(directory, "frames.parquet"), read_table(directory, "recordings.parquet")
        )
    return _result(problems)


@asset_check(asset=SILHOUETTE_SHARDS.name, blocking=True)
def shards_hold_what_the_manifest_says(workspace: Workspace) -> AssetCheckResult:
    """Every shard has its hash, every sequence decodes, Parquet and tar agree with the index."""
    from transforms.shards.verify import verify_dataset

    return _result([str(p) for p in verify_dataset(SILHOUETTE_SHARDS.directory(workspace, None))])


@asset_check(asset=PARTICIPANT_SPLITS.name, blocking=True)
def participants_are_disjoint(workspace: Workspace) -> AssetCheckResult:
    """No person, visit, video or copy of a walk is on two sides, and every count is as promised."""
    from transforms.audit.checks import audit_split
    from transforms.schemas import NEAR_DUPLICATES_NAME

    splits = PARTICIPANT_SPLITS.directory(workspace, None)
    shards = SILHOUETTE_SHARDS.directory(workspace, None)
    findings = audit_split(
        read_table(splits, "split.parquet"),
        read_table(shards, "index.parquet"),
        near_duplicates=read_table(splits, NEAR_DUPLICATES_NAME),
        participants=read_table(shards, "participants.parquet"),
    )
    warnings = [str(finding) for finding in findings if finding.severity == "warning"]
    return _result(
        [str(finding) for finding in findings if finding.severity == "error"],
        warnings=MetadataValue.md("\n".join(f"- {line}" for line in warnings[:50]) or "none"),
    )


@asset_check(asset=MODEL_EVALUATION.name, blocking=True)
def metrics_follow_from_the_confusion_matrix(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """Counts add up, and accuracy and sensitivity agree with the matrix they are derived from."""
    problems = []
    for directory in _directories(context, workspace, MODEL_EVALUATION):
        metrics = json.loads((directory / "metrics.json").read_bytes())
        for unit, summary in metrics["units"].items():
            where = f"{metrics['experiment']}, {unit}"
            problems += [f"{where}: {problem}" for problem in _contradictions(summary)]
    return _result(problems)


def _contradictions(summary: dict[str, Any]) -> list[str]:
    """Return where a unit's metrics contradict its confusion matrix (rows truth)."""
    matrix, names = summary["confusion"], summary["labels"]
    total = sum(map(sum, matrix))
    healthy = names.index("negative")
    ill = [row for row, name in zip(matrix, names, strict=True) if name != "negative"]
    derived = {
        "accuracy": (sum(matrix[i][i] for i in range(len(names))), total),
        "any_abnormality/sensitivity": (
            sum(sum(row) - row[healthy] for row in ill),
            sum(map(sum, ill)),
        ),
    }
    problems = [] if total == summary["count"] else [f"{total} in the matrix, {summary['count']}"]
    for name, (numerator, denominator) in derived.items():
        value = summary["metrics"][name]["value"]
        if denominator and (value is None or abs(value - numerator / denominator) > _EXACT):
            problems.append(f"{name} is {value}, the matrix says {numerator}/{denominator}")
    return problems


@asset_check(asset=RESULTS_REPORT.name, blocking=True)
def dvc_lock_agrees(workspace: Workspace) -> AssetCheckResult:
    """What the report was made from is what `dvc.lock` pins."""
    if not has_dvc(workspace.path):
        return AssetCheckResult(
            passed=False,
            severity=AssetCheckSeverity.WARN,
            description="this workspace is no DVC repository; `dvc init` makes it one",
        )
    stages = [stage for stage in RESULTS_REPORT.inputs if isinstance(stage, Stage)]
    status = find_disagreements(workspace, stages)
    return _result(
        [f"{target}: {json.dumps(changes, default=str)}" for target, changes in status.items()]
    )


@asset_check(asset=DATASET_RELEASE.name, blocking=True)
def release_verifies(workspace: Workspace) -> AssetCheckResult:
    """The release proves itself with nothing but its own files."""
    from transforms.release.verify import verify_release

    return _result([str(p) for p in verify_release(DATASET_RELEASE.directory(workspace, None))])


@asset_check(asset=EXTRACTION_SCORE.name)
def the_right_person_is_followed(workspace: Workspace) -> AssetCheckResult:
    """On a synthetic cohort every target is the participant, or the recording is quarantined."""
    path = EXTRACTION_SCORE.directory(workspace, None) / "score.json"
    score = json.loads(path.read_bytes())
    wrong = [
        f"{entry['recording_id']}: another person was followed"
        for entry in score["recordings"]
        if entry["right_person"] is False
    ]
    return _result(wrong, available=score["available"])


@asset_check(asset=TRAINED_MODEL.name, blocking=True)
def model_directory_is_whole(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """The model's files are those its manifest names, byte for byte."""
    return _result(
        [
            f"{directory.parent.name}/{problem}"
            for directory in _directories(context, workspace, TRAINED_MODEL)
            for problem in verify_directory(directory)
        ]
    )


ALL_CHECKS: Final[tuple[AssetChecksDefinition, ...]] = (
    intake_tables_meet_their_contract,
    most_recordings_are_usable,
    every_frame_is_accounted_for,
    the_right_person_is_followed,
    shards_hold_what_the_manifest_says,
    participants_are_disjoint,
    model_directory_is_whole,
    metrics_follow_from_the_confusion_matrix,
    dvc_lock_agrees,
    release_verifies,
)
