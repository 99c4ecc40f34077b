"""Experiments: one model, one variant, one seed, trained and then judged on the test side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.dataset import SILHOUETTE_SHARDS
from assets.materialise import Metadata, materialise
from assets.partitions import Partitioning, find_experiment
from assets.previews import PICTURE_MAX_BYTES, show_png
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import Stage, stage_asset
from assets.training_process import run_job
from assets.workspace import Workspace
from transforms.progress import Progress

TRAINED_MODEL: Final = Stage(
    name="trained_model",
    folder="data/experiments/{partition}/model",
    inputs=(SILHOUETTE_SHARDS, PARTICIPANT_SPLITS),
    params=("training",),
    code_version="3",
    partitioning=Partitioning.EXPERIMENT,
)
MODEL_EVALUATION: Final = Stage(
    name="model_evaluation",
    folder="data/experiments/{partition}/evaluation",
    inputs=(SILHOUETTE_SHARDS, PARTICIPANT_SPLITS, TRAINED_MODEL),
    params=("training", "evaluation"),
    code_version="2",
    partitioning=Partitioning.EXPERIMENT,
)
MODEL_EXPLANATION: Final = Stage(
    name="model_explanation",
    folder="data/experiments/{partition}/explanation",
    inputs=(SILHOUETTE_SHARDS, PARTICIPANT_SPLITS, TRAINED_MODEL),
    params=("training", "explanation"),
    code_version="1",
    partitioning=Partitioning.EXPERIMENT,
)


@stage_asset(TRAINED_MODEL, group="experiments", kinds={"torch"}, owner="research", pool="gpu")
def trained_model(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult[None]:
    """One model trained on one variant with one seed, in a process of its own.

    The checkpoint is chosen on the selection side, whose participants are in neither training nor
    test. An interrupted training goes on from its last checkpoint.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from training.job import TrainingJob

        job = TrainingJob(
            **_job_arguments(workspace, context.partition_key, output),
            training=workspace.settings.training,
        )
        run_job(job, workspace.scratch, progress=progress, log=context.log.info)
        return {}

    return materialise(context, workspace, TRAINED_MODEL, build, _describe_model)


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
    """The model's predictions on the test side and every metric derived from them.

    The confusion matrix comes first; each metric names its positive set and carries an interval
    that knows how many participants stand behind it.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from training.job import EvaluationJob

        job = EvaluationJob(
            **_job_arguments(workspace, context.partition_key, output),
            model_directory=TRAINED_MODEL.directory(workspace, context.partition_key),
            training=workspace.settings.training,
            evaluation=workspace.settings.evaluation,
        )
        run_job(job, workspace.scratch, progress=progress, log=context.log.info)
        return {}

    return materialise(context, workspace, MODEL_EVALUATION, build, _describe_evaluation)


@stage_asset(MODEL_EXPLANATION, group="experiments", kinds={"torch"}, owner="research", pool="gpu")
def model_explanation(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """Where the model looks: means over classes and phases of the walk, and checks of the maps.

    No picture shows fewer than five people.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from training.job import ExplanationJob

        job = ExplanationJob(
            **_job_arguments(workspace, context.partition_key, output),
            model_directory=TRAINED_MODEL.directory(workspace, context.partition_key),
            training=workspace.settings.training,
            explanation=workspace.settings.explanation,
        )
        run_job(job, workspace.scratch, progress=progress, log=context.log.info)
        return {}

    return materialise(context, workspace, MODEL_EXPLANATION, build, _describe_explanation)


def _job_arguments(workspace: Workspace, key: str, output: Path) -> dict[str, Any]:
    cell = find_experiment(workspace.settings, key)
    return {
        "experiment": cell.key,
        "model": cell.model,
        "variant": cell.variant,
        "seed": cell.seed,
        "dataset": SILHOUETTE_SHARDS.directory(workspace, None),
        "splits": PARTICIPANT_SPLITS.directory(workspace, None),
        "output": output,
        "scratch": workspace.scratch / "training",
        "device": workspace.settings.runtime.device,
    }


def _describe_model(directory: Path) -> Metadata:
    from transforms.describe.plots import plot_learning_curves

    return {
        "model": MetadataValue.json(json.loads((directory / "model.json").read_bytes())),
        "learning_curves": show_png(
            plot_learning_curves(directory / "history.csv", max_bytes=PICTURE_MAX_BYTES),
            "loss and accuracy on the selection side over steps",
        ),
    }


def _describe_evaluation(directory: Path) -> Metadata:
    from transforms.describe.plots import plot_confusion

    metrics = json.loads((directory / "metrics.json").read_bytes())
    unit = metrics["units"]["participant"]
    headline = {
        f"participant/{name}": entry["value"]
        for name, entry in unit["metrics"].items()
        if entry["value"] is not None
    }
    return headline | {
        "confusion": show_png(
            plot_confusion(unit["confusion"], unit["labels"], max_bytes=PICTURE_MAX_BYTES),
            "confusion matrix over participants",
        ),
        "metrics": MetadataValue.json(metrics),
    }


def _describe_explanation(directory: Path) -> Metadata:
    summary = json.loads((directory / "explanation.json").read_bytes())
    pictures = {
        path.stem: show_png(path.read_bytes(), path.stem)
        for path in sorted(directory.glob("evidence-*.png"))
    }
    return {"explanation": MetadataValue.json(summary), **pictures}
