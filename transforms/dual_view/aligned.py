"""A dataset's sync groups with what was found of each: offset and clips, or why there are none.

Nothing is written here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.dual_view.alignment import (
    Alignment,
    Estimate,
    choose_offset,
    estimate_offset,
)
from transforms.dual_view.motion import Walk
from transforms.dual_view.pairing import FRONT, SIDE, Member, Pair, Reject, pair_sequences
from transforms.dual_view.segments import Clip, Frames, cut_segments
from transforms.errors import IntegrityError
from transforms.progress import Progress
from transforms.schemas import FRAMES, RECORDINGS, REJECTS
from transforms.settings import ClipSettings
from transforms.shards.ledgers import ledgers_by_batch
from transforms.shards.parquet import read_table
from transforms.shards.reader import SilhouetteDataset, open_dataset

_LEDGER_COLUMNS: Final = [
    "recording_id",
    "frame_index",
    "pts_s",
    "x0",
    "y0",
    "x1",
    "y1",
    "sequence_index",
]


@dataclass(frozen=True)
class AlignedPair:
    """A pair with what was found: its offset, or why there is none, and its clips."""

    pair: Pair
    estimate: Estimate | None
    alignment: Alignment | Reject
    clips: tuple[Clip, ...]
    rejects: tuple[Reject, ...]
    frames: Mapping[str, Frames]  # by view
    boxes: Mapping[str, NDArray[np.float64]]  # by view, (frame, 4) x0, y0, x1, y1


def align_dataset(
    intake_dirs: Sequence[Path], dataset_dir: Path, settings: ClipSettings, progress: Progress
) -> tuple[list[AlignedPair], list[Reject]]:
    """Return the pairs of a dataset with their clips, and the sync groups that are no pair."""
    recordings = pl.concat(
        [
            pl.DataFrame(read_table(directory / "recordings.parquet", RECORDINGS))
            for directory in intake_dirs
        ]
    )
    if recordings["sync_group"].null_count() == recordings.height:
        progress.start("aligning two views", 0)
        return [], []
    dataset = open_dataset(dataset_dir)
    unused = pl.DataFrame(read_table(dataset_dir / "rejects.parquet", REJECTS))
    pairs, rejects = pair_sequences(recordings, dataset.index, unused)
    progress.start("aligning two views", len(pairs))
    aligned = []
    for batch_id, of_batch in _by_batch(pairs):
        ledger = _read_ledger(dataset_dir, batch_id, of_batch)
        for pair in of_batch:
            aligned.append(_align(pair, dataset, ledger, settings))
            progress.advance()
    return sorted(aligned, key=lambda found: found.pair.sync_group), rejects


def _by_batch(pairs: Sequence[Pair]) -> Iterator[tuple[str, list[Pair]]]:
    for batch_id in sorted({pair.batch_id for pair in pairs}):
        yield batch_id, [pair for pair in pairs if pair.batch_id == batch_id]


def _read_ledger(
    dataset_dir: Path, batch_id: str, pairs: Sequence[Pair]
) -> dict[str, pl.DataFrame]:
    """Return the frames of each recording of the pairs, by its id."""
    name = ledgers_by_batch(dataset_dir).get(batch_id)
    if name is None:
        raise IntegrityError("no frame ledger of a batch", where=dataset_dir, expected=batch_id)
    table = pl.DataFrame(read_table(dataset_dir / name, FRAMES, _LEDGER_COLUMNS))
    wanted = [member.recording_id for pair in pairs for member in (pair.front, pair.side)]
    rows = table.filter(pl.col("recording_id").is_in(wanted)).sort("recording_id", "frame_index")
    return {str(key[0]): frame for key, frame in rows.group_by("recording_id")}


def _align(
    pair: Pair,
    dataset: SilhouetteDataset,
    ledger: Mapping[str, pl.DataFrame],
    settings: ClipSettings,
) -> AlignedPair:
    frames, boxes, walks = {}, {}, []
    for view, member in ((FRONT, pair.front), (SIDE, pair.side)):
        silhouettes = dataset.read(member.sequence_id)
        rows = ledger.get(member.recording_id)
        if rows is None:
            raise IntegrityError("the frame ledger lacks a recording", where=member.recording_id)
        frames[view], boxes[view] = _read_frames(rows, member, len(silhouettes))
        walks.append(Walk(view, frames[view].times_s, silhouettes, boxes[view]))
    estimate = estimate_offset(walks[0], walks[1], settings.max_offset_s)
    alignment = choose_offset(pair.sync_group, pair.declared_offset_s, estimate, settings)
    cut: list[Clip | Reject] = []
    if isinstance(alignment, Alignment):
        cut = list(
            cut_segments(pair.sync_group, frames[FRONT], frames[SIDE], alignment.offset_s, settings)
        )
    return AlignedPair(
        pair=pair,
        estimate=estimate,
        alignment=alignment,
        clips=tuple(one for one in cut if isinstance(one, Clip)),
        rejects=tuple(one for one in cut if isinstance(one, Reject)),
        frames=frames,
        boxes=boxes,
    )


def _read_frames(
    rows: pl.DataFrame, member: Member, frame_count: int
) -> tuple[Frames, NDArray[np.float64]]:
    """Return the kept frames and their boxes; times count from the video's first frame."""
    first_s = float(rows["pts_s"][0])
    steps_s = np.diff(rows["pts_s"].to_numpy())
    interval_s = float(np.median(steps_s)) if len(steps_s) else 1.0 / member.fps
    kept = rows.filter(pl.col("sequence_index").is_not_null()).sort("sequence_index")
    if kept["sequence_index"].to_list() != list(range(frame_count)):
        raise IntegrityError(
            "frame ledger and sequence disagree",
            where=member.sequence_id,
            expected=f"{frame_count} kept frames",
            found=f"{kept.height}",
            fix="build the dataset again",
        )
    times_s = kept["pts_s"].to_numpy().astype(np.float64) - first_s
    boxes = kept.select("x0", "y0", "x1", "y1").to_numpy().astype(np.float64)
    return Frames(times_s, kept["frame_index"].to_numpy(), interval_s), boxes
