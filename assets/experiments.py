"""Experiments: one model, one variant, one seed, trained and then judged on the test side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult

from assets.clips import DUAL_VIEW_CLIPS
from assets.dataset import SILHOUETTE_SHARDS
from assets.experiment_previews import describe_evaluation, describe_explanation, describe_model
from assets.materialise import materialise
from assets.partitions import Partitioning, find_experiment
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import PARTITION, REMARK, Stage, stage_asset
from assets.training_process import run_job_in_run
from assets.workspace import Workspace
from transforms.layout import EVALUATION_FOLDER, EXPERIMENTS_FOLDER, MODEL_FOLDER
from transforms.progress import Progress

TRAINED_MODEL: Final = Stage(
    name="trained_model",
    folder=f"{EXPERIMENTS_FOLDER}/{PARTITION}/{MODEL_FOLDER}",
    inputs=(SILHOUETTE_SHARDS, PARTICIPANT_SPLITS, DUAL_VIEW_CLIPS),
    params=("training", "dual_view"),
    code_version="4",
    partitioning=Partitioning.EXPERIMENT,
)
MODEL_EVALUATION: Final = Stage(
    name="model_evaluation",
    folder=f"{EXPERIMENTS_FOLDER}/{PARTITION}/{EVALUATION_FOLDER}",
    inputs=(SILHOUETTE_SHARDS, PARTICIPANT_SPLITS, DUAL_VIEW_CLIPS, TRAINED_MODEL),
    params=("training", "dual_view", "evaluation"),
    code_version="3",
    partitioning=Partitioning.EXPERIMENT,
)
MODEL_EXPLANATION: Final = Stage(
    name="model_explanation",
    folder=f"{EXPERIMENTS_FOLDER}/{PARTITION}/explanation",
    inputs=(SILHOUETTE_SHARDS, PARTICIPANT_SPLITS, DUAL_VIEW_CLIPS, TRAINED_MODEL),
    params=("training", "dual_view", "explanation"),
    code_version="3",
    partitioning=Partitioning.EXPERIMENT,
)


@stage_asset(TRAINED_MODEL, group="experiments", kinds={"torch"}, owner="research", pool="gpu")
def trained_model(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult[None]:
    """One model of the grid, trained with one seed on the training people of one class ratio.

    Training is a program of its own, here or wherever `runtime.training_launcher` takes it; how far
    it is stands in the run's log. Which of its states is kept is decided on the selection side,
    whose participants are in neither training nor test. A training that was interrupted goes on
    from its last checkpoint.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from training.job import TrainingJob

        pretrained = workspace.settings.dual_view.pretrained
        job = TrainingJob(
            **_job_arguments(workspace, context.partition_key, output),
            pretrained=workspace.path / pretrained if pretrained else None,
        )
        facts = run_job_in_run(
            context,
            job,
            workspace.scratch,
            progress=progress,
            launcher=workspace.settings.runtime.training_launcher,
        )
        # Several round otherwise than one: the manifest says so where it is the case.
        process_count = facts.get("process_count", 1)
        return {"process_count": process_count} if process_count > 1 else {}

    return materialise(context, workspace, TRAINED_MODEL, build, describe_model)


@stage_asset(
    MODEL_EVALUATION,
    group="experiments",
    kinds={"torch", "scikitlearn"},
    owner="research",
    pool="gpu",
)
def model_evaluation(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """How well the model judges people it has never seen: its answers, and every metric of them.

    The unit is the participant, then the single sequence. The confusion matrix comes first; each
    metric says which classes it counts as positive, and its interval says how far a number from so
    few people can be trusted.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from training.job import EvaluationJob

        job = EvaluationJob(
            **_job_arguments(workspace, context.partition_key, output),
            model_directory=TRAINED_MODEL.directory(workspace, context.partition_key),
            evaluation=workspace.settings.evaluation,
        )
        run_job_in_run(
            context,
            job,
            workspace.scratch,
            progress=progress,
            launcher=workspace.settings.runtime.evaluation_launcher,
        )
        return {}

    return materialise(context, workspace, MODEL_EVALUATION, build, describe_evaluation)


@stage_asset(MODEL_EXPLANATION, group="experiments", kinds={"torch"}, owner="research", pool="gpu")
def model_explanation(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """Where on the silhouette, and when in the walk, the model finds what decides its answer.

    Pictures are means over at least five people. The sanity checks tell whether a map depends on
    what the model has learned at all; one that fails them should not be read. A model that reads
    pictures of people is not explained, since its maps would show them.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from training.job import ExplanationJob
        from transforms.explanation.results import LEFT_OUT, SUMMARY_NAME

        job = ExplanationJob(
            **_job_arguments(workspace, context.partition_key, output),
            model_directory=TRAINED_MODEL.directory(workspace, context.partition_key),
            explanation=workspace.settings.explanation,
        )
        run_job_in_run(
            context,
            job,
            workspace.scratch,
            progress=progress,
            launcher=workspace.settings.runtime.evaluation_launcher,
        )
        left_out = json.loads((output / SUMMARY_NAME).read_bytes()).get(LEFT_OUT)
        return {REMARK: f"not explained: {left_out}"} if left_out else {}

    return materialise(context, workspace, MODEL_EXPLANATION, build, describe_explanation)


def _job_arguments(workspace: Workspace, key: str, output: Path) -> dict[str, Any]:
    cell = find_experiment(workspace.settings, key)
    return {
        "experiment": cell.key,
        "model": cell.model,
        "variant": cell.variant,
        "seed": cell.seed,
        "dataset": SILHOUETTE_SHARDS.directory(workspace, None),
        "splits": PARTICIPANT_SPLITS.directory(workspace, None),
        "clips": DUAL_VIEW_CLIPS.directory(workspace, None),
        "output": output,
        "scratch": workspace.scratch / "training",
        "device": workspace.settings.runtime.device,
        "training": workspace.settings.training,
        "dual_view": workspace.settings.dual_view,
    }
