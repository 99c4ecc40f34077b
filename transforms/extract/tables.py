"""Extraction results as the five tables of the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from transforms.extract.normalisation.kernel import SIZE_PX
from transforms.extract.overrides import Override
from transforms.extract.result import RecordingResult
from transforms.schemas import EXTRACTED_RECORDINGS, FRAMES, MASKS, SEQUENCES, TRACKS
from transforms.shards.codec import GREY, encode_silhouettes
from transforms.shards.parquet import encode_shard, write_table

COMPRESSION_LEVEL: Final = 9

_Row = Mapping[str, Any]  # `Any`: one row of a table, columns of several types


@dataclass
class ExtractionTables:
    """The tables of one batch as they grow, recording by recording, in the order of their ids."""

    _sequences: list[_Row] = field(default_factory=list)
    _frames: list[pa.Table] = field(default_factory=list)
    _tracks: list[_Row] = field(default_factory=list)
    _masks: list[_Row] = field(default_factory=list)
    _recordings: list[_Row] = field(default_factory=list)

    def add(
        self, recording: _Row, key: str, result: RecordingResult, override: Override | None
    ) -> None:
        """Add one recording.

        Args:
            recording: its row of the intake table.
            key: its extraction key.
            result: what extraction found, the verdict's effect included.
            override: what a person has decided about it.
        """
        recording_id = recording["recording_id"]
        self._recordings.append(_describe_recording(recording, key, result, override))
        self._frames.append(_describe_frames(recording_id, result))
        self._tracks += [{"recording_id": recording_id, **track} for track in result.tracks]
        if result.verdict == "accepted":
            self._sequences.append(_describe_sequence(recording, key, result))
            self._masks.append(_describe_masks(recording_id, result))

    def write(self, output: Path) -> None:
        """Write the five Parquet files into a directory."""
        sequences = pa.Table.from_pylist(self._sequences, schema=SEQUENCES)
        (output / "sequences.parquet").write_bytes(encode_shard(sequences))
        frames = pa.concat_tables([FRAMES.empty_table(), *self._frames])
        write_table(frames.combine_chunks(), output / "frames.parquet")
        for name, schema, rows in (
            ("tracks", TRACKS, self._tracks),
            ("masks", MASKS, self._masks),
            ("recordings", EXTRACTED_RECORDINGS, self._recordings),
        ):
            write_table(pa.Table.from_pylist(rows, schema=schema), output / f"{name}.parquet")


def _describe_recording(
    recording: _Row, key: str, result: RecordingResult, override: Override | None
) -> _Row:
    return {
        "recording_id": recording["recording_id"],
        "participant_id": recording["participant_id"],
        "verdict": result.verdict,
        "reason_code": result.reason_code,
        "reason": result.reason,
        "target_track_id": result.target_track_id,
        "tracks_id": result.tracks_id,
        "target_confidence": result.target_confidence,
        "target_why": result.target_why,
        "frame_count": len(result.pts_s),
        "kept_frame_count": len(result.kept_frames),
        "quality_score": result.quality_score,
        **result.measures,
        "override": override.decision if override else None,
        "override_name": override.name if override else None,
        "override_reason": override.reason if override else None,
        "extraction_key": key,
    }


def _describe_frames(recording_id: str, result: RecordingResult) -> pa.Table:
    count = len(result.pts_s)
    is_kept = np.array([reason is None for reason in result.drop_reasons], dtype=bool)
    unseen = np.isnan(result.boxes[:, 0])
    columns: Sequence[Any] = (  # `Any`: pyarrow arrays of several types
        pa.array([recording_id] * count, pa.string()),
        pa.array(np.arange(count, dtype=np.int32)),
        pa.array(result.pts_s, pa.float64()),
        *(pa.array(result.boxes[:, side], pa.float32(), mask=unseen) for side in range(4)),
        pa.array(result.scores, pa.float32(), mask=np.isnan(result.scores)),
        pa.array(np.where(is_kept, "kept", "dropped").tolist(), pa.string()),
        pa.array(list(result.drop_reasons), pa.string()),
        pa.array(result.mask_px, pa.int32(), mask=result.mask_px < 0),
        pa.array(result.confidences, pa.float32(), mask=np.isnan(result.confidences)),
        pa.array(result.sharpness, pa.float32(), mask=np.isnan(result.sharpness)),
        pa.array((np.cumsum(is_kept) - 1).astype(np.int32), mask=~is_kept),
    )
    return pa.Table.from_arrays(list(columns), schema=FRAMES)


def _describe_sequence(recording: _Row, key: str, result: RecordingResult) -> _Row:
    kept = result.kept_frames
    return {
        "sequence_id": recording["recording_id"],
        **{
            name: recording[name]
            for name in (
                "participant_id",
                "recording_id",
                "batch_id",
                "label",
                "view",
                "session",
                "sync_group",
                "fps",
                "video_sha256",
            )
        },
        "frame_count": len(kept),
        "height_px": SIZE_PX,
        "width_px": SIZE_PX,
        "codec": GREY,
        "frame_index": kept.tolist(),
        "pts_s": result.pts_s[kept].tolist(),
        "quality_score": result.quality_score,
        "extraction_key": key,
        "silhouettes": encode_silhouettes(result.silhouettes, GREY, COMPRESSION_LEVEL),
    }


def _describe_masks(recording_id: str, result: RecordingResult) -> _Row:
    bits = pa.Codec("zstd", compression_level=COMPRESSION_LEVEL).compress(
        result.mask_bits.tobytes(), asbytes=True
    )
    return {
        "recording_id": recording_id,
        "frame_index": result.kept_frames.tolist(),
        "box": result.mask_boxes.tolist(),
        "bits": bits,
    }
