"""The release: a dataset version that another person can verify, load and cite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.clips import DUAL_VIEW_CLIPS
from assets.dataset import SILHOUETTE_SHARDS
from assets.experiments import MODEL_EVALUATION, MODEL_EXPLANATION, TRAINED_MODEL
from assets.materialise import Metadata, materialise
from assets.report import RESULTS_REPORT, SNAPSHOT_SECTIONS
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import Stage, input_directories, lineage_of, stage_asset
from assets.workspace import Workspace
from transforms.progress import Progress

_DESCRIBED_SECTIONS: Final = ("clips", *SNAPSHOT_SECTIONS)
DATASET_RELEASE: Final = Stage(
    name="dataset_release",
    folder="data/release",
    inputs=(
        SILHOUETTE_SHARDS,
        DUAL_VIEW_CLIPS,
        PARTICIPANT_SPLITS,
        TRAINED_MODEL,
        MODEL_EVALUATION,
        MODEL_EXPLANATION,
        RESULTS_REPORT,
    ),
    params=("release", *_DESCRIBED_SECTIONS),
    code_version="4",
)


@stage_asset(
    DATASET_RELEASE, group="results", kinds={"parquet", "webdataset"}, owner="data-management"
)
def dataset_release(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """The release candidate: all that others need to verify, load, judge and cite the data.

    Shards, split and audit, results with model cards, data card (`README.md`), datasheet, Croissant
    metadata, licence, citation, checksums.

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
            settings={name: workspace.settings.section(name) for name in _DESCRIBED_SECTIONS},
            model_dirs=input_directories(workspace, TRAINED_MODEL, DATASET_RELEASE, None),
            lineage=lineage_of(workspace, DATASET_RELEASE, None),
            clips_dir=DUAL_VIEW_CLIPS.directory(workspace, None),
        )
        facts: dict[str, Any] = build_release(inputs, output)
        return facts

    return materialise(context, workspace, DATASET_RELEASE, build, _describe)


def _describe(directory: Path) -> Metadata:
    return {
        "data_card": MetadataValue.md(_without_front_matter(_read(directory, "README.md"))),
        "datasheet": MetadataValue.md(_read(directory, "datasheet.md")),
        "audit": MetadataValue.md(_read(directory, "splits/audit.md")),
    }


def _read(directory: Path, name: str) -> str:
    return (directory / name).read_text(encoding="utf-8")


def _without_front_matter(text: str) -> str:
    """Return a data card without the YAML block before it, which is for the hub."""
    return text.split("---\n", 2)[2].lstrip()
