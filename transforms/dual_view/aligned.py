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

from transforms.dual_view.cut import Cut, SeenWalk, cut_walk
from transforms.dual_view.pairing import FRONT, SIDE, Member, Pair, Reject, pair_sequences
from transforms.dual_view.segments import Frames, lay_frames
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
    """A pair with what was found, and where its frames and the person in them are, by view."""

    pair: Pair
    cut: Cut
    frames: Mapping[str, Frames]
    boxes: Mapping[str, NDArray[np.float64]]  # (frame, 4) x0, y0, x1, y1


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
    seen = {}
    for view, member in ((FRONT, pair.front), (SIDE, pair.side)):
        rows = ledger.get(member.recording_id)
        if rows is None:
            raise IntegrityError("the frame ledger lacks a recording", where=member.recording_id)
        seen[view] = _read_walk(rows, member, dataset.read(member.sequence_id))
    cut = cut_walk(pair.sync_group, seen[FRONT], seen[SIDE], pair.declared_offset_s, settings)
    return AlignedPair(
        pair=pair,
        cut=cut,
        frames={view: one.frames for view, one in seen.items()},
        boxes={view: one.boxes for view, one in seen.items()},
    )


def _read_walk(rows: pl.DataFrame, member: Member, silhouettes: NDArray[np.uint8]) -> SeenWalk:
    """Return the kept frames of a recording's ledger with their silhouettes and boxes."""
    kept = rows.filter(pl.col("sequence_index").is_not_null()).sort("sequence_index")
    if kept["sequence_index"].to_list() != list(range(len(silhouettes))):
        raise IntegrityError(
            "frame ledger and sequence disagree",
            where=member.sequence_id,
            expected=f"{len(silhouettes)} kept frames",
            found=f"{kept.height}",
            fix="build the dataset again",
        )
    video_s, kept_s = (table["pts_s"].to_numpy() for table in (rows, kept))
    frames = lay_frames(video_s, kept_s, kept["frame_index"].to_numpy(), member.fps)
    boxes = kept.select("x0", "y0", "x1", "y1").to_numpy().astype(np.float64)
    return SeenWalk(frames, silhouettes, boxes)
