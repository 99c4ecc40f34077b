"""The dataset: all batches' sequences as immutable shards; its manifest is the dataset version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult

from assets.extraction import SILHOUETTE_SEQUENCES
from assets.intake import INTAKE_REGISTER
from assets.materialise import Metadata, materialise
from assets.previews import (
    PICTURE_MAX_BYTES,
    count_by,
    describe_table,
    read_table,
    show_png,
    show_table,
)
from assets.stage import Stage, input_directories, stage_asset
from assets.workspace import Workspace
from transforms.layout import SHARDS_FOLDER
from transforms.processes import count_workers
from transforms.progress import Progress
from transforms.settings import ShardSettings

SILHOUETTE_SHARDS: Final = Stage(
    name="silhouette_shards",
    folder=SHARDS_FOLDER,
    inputs=(INTAKE_REGISTER, SILHOUETTE_SEQUENCES),
    params=("shards",),
    code_version="2",
)


@stage_asset(
    SILHOUETTE_SHARDS,
    group="dataset",
    kinds={"parquet", "webdataset"},
    owner="data-engineering",
    is_automatic=True,
)
def silhouette_shards(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """Every accepted sequence of every batch in Parquet and WebDataset shards, with its index.

    Shard names carry the hash of their content. The sha256 of `manifest.json` is the dataset
    version that splits, models and releases refer to. What did not become a sequence is listed in
    `rejects.parquet` with its reason.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        return pack_batches(workspace, workspace.settings.shards, output, progress)

    return materialise(context, workspace, SILHOUETTE_SHARDS, build, _describe)


def pack_batches(
    workspace: Workspace, settings: ShardSettings, output: Path, progress: Progress
) -> dict[str, Any]:
    """Write the dataset of all batches, as they are now, into the empty directory `output`.

    Parts that the published version holds already are taken from there.
    """
    from transforms.shards.writer import write_shards

    facts: dict[str, Any] = write_shards(
        input_directories(workspace, INTAKE_REGISTER, SILHOUETTE_SHARDS, None),
        input_directories(workspace, SILHOUETTE_SEQUENCES, SILHOUETTE_SHARDS, None),
        settings,
        output,
        progress=progress,
        worker_count=count_workers(workspace.settings.runtime.worker_count),
        previous=SILHOUETTE_SHARDS.directory(workspace, None),
    )
    return facts


def _describe(directory: Path) -> Metadata:
    import polars as pl

    from transforms.describe.contact_sheet import draw_cohort_sheet

    index = read_table(directory, "index.parquet")
    metadata: Metadata = {
        **describe_table(directory, "index.parquet"),
        "sequences": index.height,
        "participants": index["participant_id"].n_unique(),
        "frames": int(index["frame_count"].sum()),
        "classes": show_table(count_by(index, "label", "view")),
        "rejects": show_table(
            count_by(read_table(directory, "rejects.parquet"), "stage", "reason_code")
        ),
    }
    if index.height:
        first = directory / index["shard"][0]
        sheet = draw_cohort_sheet(pl.read_parquet(first), max_bytes=PICTURE_MAX_BYTES)
        metadata["contact_sheet"] = show_png(sheet, "silhouettes of the first shard")
    return metadata
