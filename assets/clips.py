"""Dual-view clips: which frames of two cameras show one moment, and restricted pictures of them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagster import AssetExecutionContext, MaterializeResult

from assets.dataset import SILHOUETTE_SHARDS
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
from assets.sources import RAW_COHORT
from assets.stage import UNFINISHED, Stage, input_directories, stage_asset
from assets.workspace import Workspace
from transforms.processes import count_workers
from transforms.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transforms.dual_view.aligned import AlignedPair
    from transforms.dual_view.clips import Pictures

DUAL_VIEW_CLIPS: Final = Stage(
    name="dual_view_clips",
    folder="data/clips",
    inputs=(RAW_COHORT, INTAKE_REGISTER, SILHOUETTE_SHARDS),
    params=("clips",),
    code_version="1",
    is_optional=True,
)


@stage_asset(
    DUAL_VIEW_CLIPS,
    group="dataset",
    kinds={"parquet"},
    owner="data-engineering",
    is_automatic=True,
)
def dual_view_clips(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """Short clips of walks that two cameras filmed at once, from the front and from the side.

    The cameras' clocks are aligned as declared or by the motion; a pair whose offset is not sure is
    quarantined in `pairs.parquet`, and all that is left out is in `rejects.parquet`. A clip names
    frames of two silhouette sequences. With `clips.rgb` there are pictures of the people besides:
    they lie under `restricted/` and never become part of a release.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        facts = cut_clips(workspace, output, progress)
        facts[UNFINISHED] = facts.pop("groups_to_try_again")
        return facts

    def describe(directory: Path) -> Metadata:
        return _describe(directory, SILHOUETTE_SHARDS.directory(workspace, None))

    return materialise(context, workspace, DUAL_VIEW_CLIPS, build, describe)


def cut_clips(workspace: Workspace, output: Path, progress: Progress) -> dict[str, Any]:
    """Write the clips of all batches, as they are now, into the empty directory `output`."""
    from transforms.dual_view.clips import write_clips

    settings = workspace.settings.clips
    facts: dict[str, Any] = write_clips(
        input_directories(workspace, INTAKE_REGISTER, DUAL_VIEW_CLIPS, None),
        SILHOUETTE_SHARDS.directory(workspace, None),
        settings,
        output,
        progress=progress,
        cut_pictures=_picture_cutter(workspace, output, progress) if settings.rgb else None,
    )
    return facts


def _picture_cutter(
    workspace: Workspace, output: Path, progress: Progress
) -> "Callable[[Sequence[AlignedPair]], Pictures]":
    from transforms.dual_view.pictures import write_pictures

    keys = workspace.partition_keys(RAW_COHORT.partitioning)
    return partial(
        write_pictures,
        video_dirs={key: RAW_COHORT.directory(workspace, key) / "videos" for key in keys},
        settings=workspace.settings.clips,
        decode=workspace.settings.extraction.decode,
        output=output,
        progress=progress,
        worker_count=count_workers(workspace.settings.runtime.worker_count),
    )


def _describe(directory: Path, dataset_dir: Path) -> Metadata:
    from transforms.dual_view.files import RESTRICTED_FOLDER

    clips, pairs, rejects = (
        read_table(directory, f"{name}.parquet") for name in ("clips", "pairs", "rejects")
    )
    metadata: Metadata = {
        **describe_table(directory, "clips.parquet"),
        "clips": clips.height,
        "participants": clips["participant_id"].n_unique(),
        "classes": show_table(count_by(clips, "label")),
        "pairs": show_table(count_by(pairs, "verdict", "offset_source")),
        "rejects": show_table(count_by(rejects, "stage", "reason_code")),
        "first_rejects": show_table(rejects),
        "restricted": (directory / RESTRICTED_FOLDER).is_dir(),
    }
    if clips.height:
        from transforms.describe.clip_sheet import draw_clip_sheet
        from transforms.shards.reader import open_dataset

        sheet = draw_clip_sheet(clips, open_dataset(dataset_dir), max_bytes=PICTURE_MAX_BYTES)
        metadata["contact_sheet"] = show_png(sheet, "silhouettes of both views, moment by moment")
    return metadata
