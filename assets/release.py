"""The release: a dataset version that another person can verify, load and cite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.dataset import SILHOUETTE_SHARDS
from assets.experiments import MODEL_EVALUATION, MODEL_EXPLANATION, TRAINED_MODEL
from assets.materialise import Metadata, materialise
from assets.report import RESULTS_REPORT, SNAPSHOT_SECTIONS
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import Stage, input_directories, lineage_of, stage_asset
from assets.workspace import Workspace
from transforms.progress import Progress

DATASET_RELEASE: Final = Stage(
    name="dataset_release",
    folder="data/release",
    inputs=(
        SILHOUETTE_SHARDS,
        PARTICIPANT_SPLITS,
        TRAINED_MODEL,
        MODEL_EVALUATION,
        MODEL_EXPLANATION,
        RESULTS_REPORT,
    ),
    params=("release", *SNAPSHOT_SECTIONS),
    code_version="2",
)


@stage_asset(
    DATASET_RELEASE, group="results", kinds={"parquet", "webdataset"}, owner="data-management"
)
def dataset_release(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """The release candidate: shards, splits, results, schema, data card, licence, checksums.

    Refused when a check that guards a release fails; one of them, on the report before it, compares
    everything with `dvc.lock`. `gaitworks release build` copies it to `releases/<version>`, which
    is never overwritten.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.release.build import ReleaseInputs, build_release

        inputs = ReleaseInputs(
            dataset_dir=SILHOUETTE_SHARDS.directory(workspace, None),
            splits_dir=PARTICIPANT_SPLITS.directory(workspace, None),
            evaluation_dirs=input_directories(workspace, MODEL_EVALUATION, DATASET_RELEASE, None),
            release=workspace.settings.release,
            settings={name: workspace.settings.section(name) for name in SNAPSHOT_SECTIONS},
            lineage=lineage_of(workspace, DATASET_RELEASE, None),
        )
        facts: dict[str, Any] = build_release(inputs, output)
        return facts

    return materialise(context, workspace, DATASET_RELEASE, build, _describe)


def _describe(directory: Path) -> Metadata:
    return {
        "data_card": MetadataValue.md((directory / "data_card.md").read_text(encoding="utf-8")),
    }
