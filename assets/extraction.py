"""Extraction: from accepted videos to normalised silhouettes, and its score against truth."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.intake import INTAKE_REGISTER
from assets.materialise import Metadata, materialise
from assets.partitions import Partitioning
from assets.previews import (
    PICTURE_MAX_BYTES,
    count_by,
    describe_table,
    read_table,
    show_columns,
    show_json,
    show_png,
    show_table,
)
from assets.sources import MODEL_WEIGHTS, OVERRIDES, RAW_COHORT, SYNTHETIC_TRUTH
from assets.stage import UNFINISHED, Stage, input_directories, stage_asset
from assets.workspace import Workspace
from transforms.errors import InputError
from transforms.extract.version import EXTRACTION_VERSION
from transforms.files import canonical_json
from transforms.layout import SCORE_FOLDER
from transforms.processes import count_workers, share_memory
from transforms.progress import Progress

if TYPE_CHECKING:
    from transforms.extract.batch import Work

_FRAME_CACHE_FRACTION: Final = 0.25

SILHOUETTE_SEQUENCES: Final = Stage(
    name="silhouette_sequences",
    folder="data/extraction/{partition}",
    inputs=(RAW_COHORT, OVERRIDES, MODEL_WEIGHTS, INTAKE_REGISTER),
    params=("extraction",),
    code_version=str(EXTRACTION_VERSION),
    partitioning=Partitioning.INTAKE_BATCH,
)
EXTRACTION_SCORE: Final = Stage(
    name="extraction_score",
    folder=SCORE_FOLDER,
    inputs=(SYNTHETIC_TRUTH, SILHOUETTE_SEQUENCES),
    params=(),
    code_version="1",
)


@stage_asset(
    SILHOUETTE_SEQUENCES,
    group="extraction",
    kinds={"opencv", "parquet"},
    owner="data-engineering",
    pool="extraction",
    is_automatic=True,
)
def silhouette_sequences(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """The participant's silhouettes of every accepted recording, with a ledger of every frame.

    Each video is decoded, people are detected and tracked, the participant is chosen (or the
    recording is quarantined when that is not sure), segmented, normalised and judged. Finished
    recordings are kept in a cache, so an interrupted or extended batch redoes only what is new.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.extract.batch import extract_batch

        refuse_stray_overrides(workspace)
        runtime = workspace.settings.runtime
        summary = extract_batch(
            plan_extraction(workspace, context.partition_key),
            output,
            worker_count=count_workers(runtime.worker_count),
            progress=progress,
            engine=runtime.extraction_engine,
        )
        return {"backends": summary.backends, UNFINISHED: list(summary.unfinished)}

    return materialise(context, workspace, SILHOUETTE_SEQUENCES, build, _describe_sequences)


def refuse_stray_overrides(workspace: Workspace) -> None:
    """Make sure that no decision lies where nobody reads it.

    Raises:
        InputError: `overrides/` holds something that is no ledger of a batch; all is named.
    """
    from transforms.extract.overrides import OVERRIDES_NAME

    root = OVERRIDES.directory(workspace, None)
    batches = workspace.partition_keys(OVERRIDES.partitioning)
    read = {root / "README.md", *(root / batch / OVERRIDES_NAME for batch in batches)}
    stray = sorted(path for path in root.rglob("*") if not path.is_dir() and path not in read)
    if stray:
        raise InputError(
            "files among the decisions on recordings that nothing reads",
            where=root,
            expected=f"only BATCH/{OVERRIDES_NAME} of a batch under raw/",
            found=", ".join(str(path.relative_to(root)) for path in stray[:5]),
            fix="correct the names, or move the files away",
        )


def plan_extraction(workspace: Workspace, batch_id: str) -> "Work":
    """Return what extracting one intake batch works on and with."""
    from transforms.extract.batch import Work
    from transforms.extract.overrides import OVERRIDES_NAME
    from transforms.extract.registry import Resources

    settings = workspace.settings.extraction
    runtime = workspace.settings.runtime
    # A Ray cluster runs one task per core of each node.
    workers = count_workers(runtime.worker_count if runtime.extraction_engine == "local" else 0)
    return Work(
        intake_dir=INTAKE_REGISTER.directory(workspace, batch_id),
        videos=RAW_COHORT.directory(workspace, batch_id) / "videos",
        overrides=OVERRIDES.directory(workspace, batch_id) / OVERRIDES_NAME,
        cache_root=workspace.scratch / "cache" / "extraction",
        settings=settings,
        resources=Resources(
            detector_weights=MODEL_WEIGHTS.weights(workspace, settings.detector_weights),
            segmenter_weights=MODEL_WEIGHTS.weights(workspace, settings.segmenter_weights),
            device=runtime.device,
            threads=max(1, count_workers(0) // workers),
            frame_cache_bytes=share_memory(workers, _FRAME_CACHE_FRACTION),
        ),
    )


def _describe_sequences(directory: Path) -> Metadata:
    from transforms.describe.contact_sheet import draw_cohort_sheet, draw_recording_sheet
    from transforms.describe.data_figures import draw_extraction_outcome
    from transforms.describe.recording_sheets import SHEETS_NAME
    from transforms.describe.style import figure_to_png

    recordings = read_table(directory, "recordings.parquet")
    frames = read_table(directory, "frames.parquet")
    sequences = read_table(directory, "sequences.parquet")
    ranked = recordings.sort("quality_score", "recording_id", nulls_last=False)
    quality = figure_to_png(
        draw_extraction_outcome(frames, recordings), max_bytes=PICTURE_MAX_BYTES
    )
    metadata: Metadata = {
        **describe_table(directory, "recordings.parquet"),
        "recordings": recordings.height,
        "sequences": sequences.height,
        "frames": frames.height,
        "kept_frames": int((frames["status"] == "kept").sum()),
        "verdicts": show_table(count_by(recordings, "verdict", "reason_code")),
        "dropped_frames": show_table(count_by(frames, "status", "reason")),
        "quality": show_png(quality, "what became of the frames, and how much of each recording"),
        "contact_sheets": MetadataValue.path(directory / SHEETS_NAME),
        "frames_columns": show_columns(directory / "frames.parquet"),
        "quality_worst_first": show_table(
            ranked.select(name for name in _QUALITY_COLUMNS if name in ranked.columns)
        ),
    }
    if sequences.height:
        sheet = draw_cohort_sheet(sequences, max_bytes=PICTURE_MAX_BYTES)
        metadata["contact_sheet"] = show_png(sheet, "silhouettes of this batch, a row a recording")
        worst = ranked.filter(ranked["verdict"] == "accepted")["recording_id"][0]
        picture = draw_recording_sheet(directory, worst, max_bytes=PICTURE_MAX_BYTES)
        metadata["lowest_quality_accepted"] = show_png(
            picture, "silhouettes of the accepted recording with the lowest quality score"
        )
    return metadata


# Of many columns, those that fit the width of the UI.
_QUALITY_COLUMNS: Final = (
    "recording_id",
    "verdict",
    "quality_score",
    "kept_frame_count",
    "frame_count",
    "kept_fraction",
    "completeness",
    "flicker",
    "sharpness",
    "cadence_steps_per_min",
    "gait_cycles",
    "direction",
    "override",
)


@stage_asset(
    EXTRACTION_SCORE,
    group="extraction",
    kinds={"python"},
    owner="data-engineering",
    is_automatic=True,
)
def extraction_score(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """How well extraction did on a synthetic cohort, whose masks and participants are known.

    Says so plainly when there is no truth beside the cohort, as with any real one.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.synth.score import score_extraction, score_to_json

        batches = input_directories(workspace, SILHOUETTE_SEQUENCES, EXTRACTION_SCORE, None)
        score = score_extraction(batches, SYNTHETIC_TRUTH.directory(workspace, None))
        (output / "score.json").write_bytes(canonical_json(score_to_json(score)))
        return {}

    return materialise(context, workspace, EXTRACTION_SCORE, build, _describe_score)


def _describe_score(directory: Path) -> Metadata:
    score = json.loads((directory / "score.json").read_bytes())
    numbers = {key: value for key, value in score.items() if key != "recordings"}
    return {**numbers, "score": show_json(directory / "score.json")}
