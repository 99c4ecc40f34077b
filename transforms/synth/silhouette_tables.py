"""The tables of silhouettes that were never a video, as intake and extraction would write them.

There are no videos, so boxes, masks and video hashes are empty.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    FRAMES,
    MASKS,
    PARTICIPANTS,
    PROBLEMS,
    RECORDINGS,
    SEQUENCES,
    TRACKS,
    conform,
)
from transforms.shards.codec import GREY
from transforms.synth.origin import SYNTHETIC_KEY
from transforms.synth.sequence_plan import FPS, SequencePlan

SIZE_PX: Final = 64
COMPRESSION_LEVEL: Final = 3


def write_tables(directory: Path, tables: dict[str, pa.Table]) -> None:
    """Write tables as Parquet into a new folder."""
    directory.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(
            table,
            directory / f"{name}.parquet",
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            row_group_size=64 if name == "sequences" else 64 * 1024,
        )


def intake_tables(
    plans: Sequence[SequencePlan], batch_id: str, *, declares_offsets: bool
) -> dict[str, pa.Table]:
    """Return what intake would have left, by name."""
    people = {plan.identity.participant_id: plan.identity for plan in plans}
    participants = pl.DataFrame(
        [
            {name: getattr(person, name) for name in PARTICIPANTS.names}
            for _, person in sorted(people.items())
        ]
    )
    recordings = pl.DataFrame(
        [
            {
                **dict.fromkeys(RECORDINGS.names),
                "recording_id": plan.sequence_id,
                "batch_id": batch_id,
                "participant_id": plan.identity.participant_id,
                "label": plan.identity.label,
                "view": plan.view,
                "session": f"s{plan.session}",
                "sync_group": plan.sync_group,
                "start_offset_s": plan.start_offset_s if declares_offsets else None,
                "file": f"{plan.sequence_id}.mp4",
                "fps": float(FPS),
                "frame_count": plan.frame_count,
                "duration_s": plan.frame_count / FPS,
                "verdict": "accepted",
            }
            for plan in plans
        ]
    )
    return {
        "participants": conform(participants, PARTICIPANTS, where="participants"),
        "recordings": conform(recordings, RECORDINGS, where="recordings"),
        "problems": PROBLEMS.empty_table(),
    }


def extraction_tables(
    plans: Sequence[SequencePlan], encoded: Sequence[bytes], batch_id: str
) -> dict[str, pa.Table]:
    """Return what extraction would have left, by name; `encoded` are the plans' silhouettes."""
    recordings = pl.DataFrame(
        [
            {
                **dict.fromkeys(EXTRACTED_RECORDINGS.names),
                "recording_id": plan.sequence_id,
                "participant_id": plan.identity.participant_id,
                "verdict": "accepted",
                "target_track_id": 1,
                "target_confidence": 1.0,
                "frame_count": plan.frame_count,
                "kept_frame_count": plan.frame_count,
                "quality_score": 1.0,
                "extraction_key": SYNTHETIC_KEY,
            }
            for plan in plans
        ]
    )
    return {
        "recordings": conform(recordings, EXTRACTED_RECORDINGS, where="recordings"),
        "sequences": _sequence_table(plans, encoded, batch_id),
        "frames": _frame_table(plans),
        "tracks": TRACKS.empty_table(),
        "masks": MASKS.empty_table(),
    }


def _sequence_table(
    plans: Sequence[SequencePlan], encoded: Sequence[bytes], batch_id: str
) -> pa.Table:
    rows = [
        {
            "sequence_id": plan.sequence_id,
            "participant_id": plan.identity.participant_id,
            "recording_id": plan.sequence_id,
            "batch_id": batch_id,
            "label": plan.identity.label,
            "view": plan.view,
            "session": f"s{plan.session}",
            "sync_group": plan.sync_group,
            "fps": float(FPS),
            "frame_count": plan.frame_count,
            "height_px": SIZE_PX,
            "width_px": SIZE_PX,
            "codec": GREY,
            "frame_index": list(range(plan.frame_count)),
            "pts_s": (np.arange(plan.frame_count) / FPS).tolist(),
            "quality_score": 1.0,
            "video_sha256": None,
            "extraction_key": SYNTHETIC_KEY,
            "silhouettes": data,
        }
        for plan, data in zip(plans, encoded, strict=True)
    ]
    return conform(pl.DataFrame(rows), SEQUENCES, where="sequences")


def _frame_table(plans: Sequence[SequencePlan]) -> pa.Table:
    counts = np.array([plan.frame_count for plan in plans])
    index = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    frames = pl.DataFrame(
        {
            "recording_id": np.repeat([plan.sequence_id for plan in plans], counts),
            "frame_index": index,
            "pts_s": index / FPS,
            "status": "kept",
            "sequence_index": index,
        }
    )
    unknown = [name for name in FRAMES.names if name not in frames.columns]
    return conform(
        frames.with_columns(pl.lit(None).alias(name) for name in unknown), FRAMES, where="frames"
    )
