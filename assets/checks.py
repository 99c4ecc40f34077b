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

from assets.batch_checks import BATCH_CHECKS
from assets.check_results import judge, list_lines
from assets.clips import DUAL_VIEW_CLIPS
from assets.dataset import SILHOUETTE_SHARDS
from assets.dvc_disagreements import describe_disagreements
from assets.dvc_lock import find_disagreements, has_dvc, pin_outputs
from assets.experiments import MODEL_EVALUATION, TRAINED_MODEL
from assets.previews import read_table
from assets.release import DATASET_RELEASE
from assets.report import RESULTS_REPORT
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import Stage
from assets.workspace import Workspace
from transforms.manifest import verify_directory


@asset_check(asset=SILHOUETTE_SHARDS.name, blocking=True)
def shards_hold_what_the_manifest_says(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """Every shard has its hash, every sequence decodes, Parquet and tar agree with the index."""
    from transforms.shards.verify import verify_dataset

    def find_damage(directory: Path) -> list[str]:
        return [str(problem) for problem in verify_dataset(directory)]

    return judge(context, workspace, SILHOUETTE_SHARDS, find_damage)


@asset_check(asset=DUAL_VIEW_CLIPS.name, blocking=True)
def clips_hold_what_they_say(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """Clips name frames that their sequences have; pictures of people lie in `restricted/` only."""
    from transforms.dual_view.verify import find_broken_clips

    dataset = SILHOUETTE_SHARDS.directory(workspace, None)

    def find_damage(directory: Path) -> list[str]:
        return find_broken_clips(directory, dataset)

    return judge(context, workspace, DUAL_VIEW_CLIPS, find_damage)


@asset_check(asset=PARTICIPANT_SPLITS.name, blocking=True)
def participants_are_disjoint(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """No person, visit, video or copy of a walk is on two sides, and every count is as promised.

    Copies that differ in their pixels may stay unseen where they show a few seconds of a calm walk.
    """
    from transforms.audit.checks import audit_split
    from transforms.schemas import NEAR_DUPLICATES_NAME

    shown: dict[str, Any] = {}  # `Any`: Dagster takes values of many kinds

    def find_leaks(directory: Path) -> list[str]:
        shards = SILHOUETTE_SHARDS.directory(workspace, None)
        findings = audit_split(
            read_table(directory, "split.parquet"),
            read_table(shards, "index.parquet"),
            near_duplicates=read_table(directory, NEAR_DUPLICATES_NAME),
            participants=read_table(shards, "participants.parquet"),
        )
        warnings = [str(finding) for finding in findings if finding.severity == "warning"]
        shown["warnings"] = list_lines(warnings)
        return [str(finding) for finding in findings if finding.severity == "error"]

    return judge(context, workspace, PARTICIPANT_SPLITS, find_leaks, metadata=shown)


@asset_check(asset=PARTICIPANT_SPLITS.name, blocking=True)
def class_counts_are_as_promised(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """Each variant's training set holds exactly the promised number of sequences of each class."""
    from transforms.audit.class_counts import count_classes, find_broken_counts

    shown: dict[str, Any] = {}  # `Any`: Dagster takes values of many kinds

    def find_wrong_counts(directory: Path) -> list[str]:
        split = read_table(directory, "split.parquet")
        proof = json.loads((directory / "proof.json").read_bytes())
        shown["sequences"] = MetadataValue.json(count_classes(split))
        return [str(finding) for finding in find_broken_counts(split, proof)]

    return judge(context, workspace, PARTICIPANT_SPLITS, find_wrong_counts, metadata=shown)


@asset_check(asset=TRAINED_MODEL.name, blocking=True)
def model_directory_is_whole(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """The model's files are those its manifest names, byte for byte."""

    def find_damage(directory: Path) -> list[str]:
        return [f"{directory.parent.name}/{problem}" for problem in verify_directory(directory)]

    return judge(context, workspace, TRAINED_MODEL, find_damage)


@asset_check(asset=MODEL_EVALUATION.name, blocking=True)
def metrics_follow_from_the_predictions(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """The metrics are those of the predictions, and the predictions are those of the test side.

    Matrix, rates and AUROC are counted anew; each value lies in its range and in its interval.
    """
    import polars as pl

    from transforms.dual_view.sides import side_of_clips
    from transforms.metrics.sanity import find_contradictions

    split = read_table(PARTICIPANT_SPLITS.directory(workspace, None), "split.parquet")
    tested = split.filter(pl.col("side") == "test")

    def find_nonsense(directory: Path) -> list[str]:
        metrics = json.loads((directory / "metrics.json").read_bytes())
        predictions = read_table(directory, "predictions.parquet")
        if (directory / "clip_predictions.parquet").is_file():
            clips = read_table(DUAL_VIEW_CLIPS.directory(workspace, None), "clips.parquet")
            sides = side_of_clips(clips, split, metrics["variant"])
            walks = clips.filter(sides == "test")["sync_group"].unique()
            of_clips = read_table(directory, "clip_predictions.parquet")
            return find_contradictions(metrics, predictions, walks.to_list(), clips=of_clips)
        sequences = tested.filter(pl.col("variant") == metrics["variant"])["sequence_id"]
        return find_contradictions(metrics, predictions, sequences.to_list())

    return judge(context, workspace, MODEL_EVALUATION, find_nonsense)


@asset_check(asset=RESULTS_REPORT.name, blocking=True)
def dvc_lock_agrees(context: AssetCheckExecutionContext, workspace: Workspace) -> AssetCheckResult:
    """What the report was made from is what `dvc.lock` pins.

    Results that a run could not pin, because an input was damaged then, are pinned first.
    """
    if not has_dvc(workspace.path):
        return AssetCheckResult(
            passed=False,
            severity=AssetCheckSeverity.WARN,
            description="this workspace is no DVC repository; `dvc init` makes it one",
        )

    def find_differences(_: Path) -> list[str]:
        stages = [stage for stage in RESULTS_REPORT.inputs if isinstance(stage, Stage)]
        status = find_disagreements(workspace, stages)
        if status:  # nothing would build these results again, and so pin them
            for target in pin_outputs(workspace, stages):
                status.pop(target, None)
        return describe_disagreements(workspace, stages, status)

    return judge(context, workspace, RESULTS_REPORT, find_differences)


@asset_check(asset=DATASET_RELEASE.name, blocking=True)
def release_verifies(context: AssetCheckExecutionContext, workspace: Workspace) -> AssetCheckResult:
    """The release proves itself with nothing but its own files."""
    from transforms.release.verify import verify_release

    def find_damage(directory: Path) -> list[str]:
        return [str(problem) for problem in verify_release(directory)]

    return judge(context, workspace, DATASET_RELEASE, find_damage)


@asset_check(asset=DATASET_RELEASE.name, blocking=True)
def release_shows_nobody(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """No file of the release is, or holds, a picture or video, or comes from `restricted/`."""
    from transforms.release.pictures import find_pictures

    return judge(context, workspace, DATASET_RELEASE, find_pictures)


ALL_CHECKS: Final[tuple[AssetChecksDefinition, ...]] = (
    *BATCH_CHECKS,
    shards_hold_what_the_manifest_says,
    clips_hold_what_they_say,
    participants_are_disjoint,
    class_counts_are_as_promised,
    model_directory_is_whole,
    metrics_follow_from_the_predictions,
    dvc_lock_agrees,
    release_verifies,
    release_shows_nobody,
)
