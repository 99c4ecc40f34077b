"""Extraction scored against a synthetic cohort's ground truth: mask overlap and right person.

The only place that reads ground truth; the pipeline never does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.errors import InputError

_PARTICIPANT: Final = 0


@dataclass(frozen=True)
class RecordingScore:
    """How one recording was extracted.

    Attributes:
        batch_id: its batch.
        recording_id: the recording.
        verdict: what extraction decided.
        kept_frame_count: frames with a mask.
        mean_iou: mean intersection over union of the kept masks with the participant's visible
            pixels, 0..1; None where no frame was kept.
        is_right_person: whether the target's box fits the participant best in most frames; None
            where no target was chosen.
    """

    batch_id: str
    recording_id: str
    verdict: str
    kept_frame_count: int
    mean_iou: float | None
    is_right_person: bool | None


@dataclass(frozen=True)
class ScoreTable:
    """The scores of a cohort.

    Attributes:
        recordings: one score per recording, sorted by batch and id.
        mean_iou: mean over the recordings that have one; None where none has.
        right_count: recordings in which the participant is the target.
        wrong_count: recordings in which somebody else is.
        quarantined_count: recordings in which no target was chosen.
        failed_count: recordings that could not be extracted.
    """

    recordings: tuple[RecordingScore, ...]
    mean_iou: float | None
    right_count: int
    wrong_count: int
    quarantined_count: int
    failed_count: int


def score_extraction(extraction_dirs: Sequence[Path], truth_root: Path) -> ScoreTable:
    """Compare extracted batches with the synthetic ground truth; batches without any are left out.

    Args:
        extraction_dirs: one directory per batch, named by the batch.
        truth_root: holds `<batch>/<recording_id>.npz`; batches it does not know are left out.

    Raises:
        InputError: the truth of a recording of a known batch is missing or does not fit its frames.
    """
    scores = [
        score
        for directory in sorted(extraction_dirs, key=lambda path: path.name)
        if (truth_root / directory.name).is_dir()
        for score in _score_batch(directory, truth_root / directory.name)
    ]
    ious = [score.mean_iou for score in scores if score.mean_iou is not None]
    return ScoreTable(
        recordings=tuple(scores),
        mean_iou=float(np.mean(ious)) if ious else None,
        right_count=sum(score.is_right_person is True for score in scores),
        wrong_count=sum(score.is_right_person is False for score in scores),
        quarantined_count=sum(score.verdict == "quarantined" for score in scores),
        failed_count=sum(score.verdict == "failed" for score in scores),
    )


def _score_batch(directory: Path, truth_dir: Path) -> list[RecordingScore]:
    recordings = pl.read_parquet(directory / "recordings.parquet").sort("recording_id")
    frames = pl.read_parquet(directory / "frames.parquet").sort("recording_id", "frame_index")
    boxes_of = {
        str(key[0]): rows.select("x0", "y0", "x1", "y1").cast(pl.Float64).fill_null(np.nan)
        for key, rows in frames.partition_by("recording_id", as_dict=True).items()
    }
    masks_of = {
        row["recording_id"]: row
        for row in pl.read_parquet(directory / "masks.parquet").iter_rows(named=True)
    }
    scores = []
    for row in recordings.iter_rows(named=True):
        recording_id = row["recording_id"]
        kept_count, mean_iou, is_right = 0, None, None
        if row["verdict"] != "failed":
            truth = _Truth.read(truth_dir / f"{recording_id}.npz")
            if recording_id in masks_of:
                mask_row = masks_of[recording_id]
                kept_count = len(mask_row["frame_index"])
                mean_iou = _mean_iou(mask_row, truth)
            is_right = _is_right_person(boxes_of[recording_id].to_numpy(), truth)
        scores.append(
            RecordingScore(
                directory.name, recording_id, row["verdict"], kept_count, mean_iou, is_right
            )
        )
    return scores


@dataclass(frozen=True)
class _Truth:
    masks: NDArray[np.uint8]  # (frame, height, width) {0, 1}
    boxes: NDArray[np.float32]  # (person, frame, 4), NaN where absent
    where: Path

    @classmethod
    def read(cls, path: Path) -> "_Truth":
        try:
            with np.load(path, allow_pickle=False) as archive:
                _, width = archive["frame_shape"].tolist()
                masks = np.unpackbits(archive["participant_masks"], axis=-1, count=width)
                return cls(masks, archive["boxes"], path)
        except FileNotFoundError:
            raise InputError(
                "no ground truth for an extracted recording",
                where=path,
                fix="score only cohorts that `gaitworks synth` made, with their truth folder",
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise InputError("unreadable ground truth", where=path, found=error) from error


def _mean_iou(row: dict[str, Any], truth: _Truth) -> float | None:
    ious = []
    for index, box, mask in unpack_masks(row):
        if index >= len(truth.masks):
            raise InputError(
                "a mask lies beyond the ground truth's frames",
                where=truth.where,
                expected=f"at most {len(truth.masks)} frames",
                found=f"frame {index}",
            )
        x0, y0, x1, y1 = box
        expected = truth.masks[index] > 0
        overlap = np.count_nonzero(expected[y0:y1, x0:x1] & mask)
        union = np.count_nonzero(expected) + np.count_nonzero(mask) - overlap
        ious.append(overlap / union if union else 1.0)
    return float(np.mean(ious)) if ious else None


def unpack_masks(
    row: dict[str, Any],
) -> list[tuple[int, tuple[int, int, int, int], NDArray[np.bool_]]]:
    """Return frame index, box and `(height, width)` bool crop of each mask in a row of MASKS."""
    # `Any`: one row of a table, columns of several types.
    boxes: list[list[int]] = row["box"]
    indices: list[int] = row["frame_index"]
    sizes = [(y1 - y0, x1 - x0) for x0, y0, x1, y1 in boxes]
    total = sum(height * ((width + 7) // 8) for height, width in sizes)
    raw = pa.Codec("zstd").decompress(row["bits"], decompressed_size=total, asbytes=True)
    packed = np.frombuffer(raw, dtype=np.uint8)
    found = []
    offset = 0
    for index, (x0, y0, x1, y1), (height, width) in zip(indices, boxes, sizes, strict=True):
        row_bytes = (width + 7) // 8
        crop = packed[offset : offset + height * row_bytes].reshape(height, row_bytes)
        offset += height * row_bytes
        mask = np.unpackbits(crop, axis=-1, count=width).astype(bool)
        found.append((index, (x0, y0, x1, y1), mask))
    return found


def _is_right_person(boxes: NDArray[np.float64], truth: _Truth) -> bool | None:
    """Say whether the target is the participant in most frames; None where there is no target."""
    votes = []
    for index in np.flatnonzero(~np.isnan(boxes).any(axis=1)):
        ious = [_box_iou(boxes[index], person[index]) for person in truth.boxes]
        # A box that fits nobody is a wrong one.
        votes.append(max(ious) > 0 and int(np.argmax(ious)) == _PARTICIPANT)
    return bool(np.mean(votes) > 0.5) if votes else None


def _box_iou(a: NDArray[np.float64], b: NDArray[np.float32]) -> float:
    if np.isnan(b).any():
        return 0.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(overlap / (areas - overlap))


def score_to_json(score: ScoreTable) -> dict[str, Any]:
    """Return the scores as plain JSON values; without any truth, `available` is false."""
    return {
        "available": bool(score.recordings),
        "mean_iou": score.mean_iou,
        "right": score.right_count,
        "wrong": score.wrong_count,
        "quarantined": score.quarantined_count,
        "failed": score.failed_count,
        "recordings": [
            {
                "batch_id": recording.batch_id,
                "recording_id": recording.recording_id,
                "verdict": recording.verdict,
                "frames": recording.kept_frame_count,
                "mean_iou": recording.mean_iou,
                "right_person": recording.is_right_person,
            }
            for recording in score.recordings
        ],
    }
