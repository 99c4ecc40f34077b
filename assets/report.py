"""The report: everything a person wants to see of one run, in one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.clips import DUAL_VIEW_CLIPS
from assets.dataset import SILHOUETTE_SHARDS
from assets.dvc_plots import write_dvc_plots
from assets.experiments import MODEL_EVALUATION, MODEL_EXPLANATION, TRAINED_MODEL
from assets.extraction import EXTRACTION_SCORE, SILHOUETTE_SEQUENCES
from assets.intake import INTAKE_REGISTER
from assets.materialise import Metadata, materialise
from assets.previews import show_json
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import Stage, input_directories, stage_asset
from assets.workspace import Workspace
from transforms.progress import Progress

SNAPSHOT_SECTIONS: Final = (
    "intake",
    "extraction",
    "shards",
    "splits",
    "training",
    "dual_view",
    "experiments",
    "evaluation",
    "explanation",
)
RESULTS_REPORT: Final = Stage(
    name="results_report",
    folder="data/report",
    inputs=(
        INTAKE_REGISTER,
        SILHOUETTE_SEQUENCES,
        EXTRACTION_SCORE,
        SILHOUETTE_SHARDS,
        DUAL_VIEW_CLIPS,
        PARTICIPANT_SPLITS,
        TRAINED_MODEL,
        MODEL_EVALUATION,
        MODEL_EXPLANATION,
    ),
    params=SNAPSHOT_SECTIONS,
    code_version="6",
)


@stage_asset(RESULTS_REPORT, group="results", kinds={"html"}, owner="research")
def results_report(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult[None]:
    """The cohort, what was kept and dropped, the splits and every result, as one HTML page.

    It needs no network and holds no raw frame; `summary.json` has the headline metrics for DVC.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.describe.report import ReportInputs, write_report

        def directories(stage: Stage) -> list[Path]:
            return input_directories(workspace, stage, RESULTS_REPORT, None)

        inputs = ReportInputs(
            title=workspace.settings.release.title,
            intake_dirs=directories(INTAKE_REGISTER),
            extraction_dirs=directories(SILHOUETTE_SEQUENCES),
            dataset_dir=SILHOUETTE_SHARDS.directory(workspace, None),
            splits_dir=PARTICIPANT_SPLITS.directory(workspace, None),
            score_path=EXTRACTION_SCORE.directory(workspace, None) / "score.json",
            clips_dir=DUAL_VIEW_CLIPS.directory(workspace, None),
            experiment_dirs=[path.parent for path in directories(MODEL_EVALUATION)],
            settings={name: workspace.settings.section(name) for name in SNAPSHOT_SECTIONS},
        )
        write_report(inputs, output)
        write_dvc_plots(output, inputs.experiment_dirs)
        return {}

    return materialise(context, workspace, RESULTS_REPORT, build, _describe)


def _describe(directory: Path) -> Metadata:
    return {
        "report": MetadataValue.path(directory / "report.html"),
        "summary": show_json(directory / "summary.json"),
    }
