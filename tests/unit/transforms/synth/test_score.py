from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from transforms.errors import InputError
from transforms.schemas import EXTRACTED_RECORDINGS, FRAMES, MASKS
from transforms.shards.parquet import write_table
from transforms.synth.score import score_extraction, score_to_json

HEIGHT, WIDTH, FRAMES_IN_VIDEO = 60, 90, 4
PERSON, OTHER = (20, 10, 40, 50), (60, 10, 80, 50)


def write_truth(root: Path, recording_id: str) -> None:
    masks = np.zeros((FRAMES_IN_VIDEO, HEIGHT, WIDTH), np.uint8)
    x0, y0, x1, y1 = PERSON
    masks[:, y0:y1, x0:x1] = 1
    boxes = np.tile(np.array([[PERSON], [OTHER]], np.float32), (1, FRAMES_IN_VIDEO, 1))
    boxes[1, 0] = np.nan
    (root / "batch_001").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        root / "batch_001" / f"{recording_id}.npz",
        participant_masks=np.packbits(masks, axis=-1),
        frame_shape=np.array([HEIGHT, WIDTH], np.int32),
        boxes=boxes,
        phase=np.zeros(FRAMES_IN_VIDEO, np.float32),
    )


def write_extraction(root: Path, found: dict[str, tuple[str, tuple[int, ...] | None]]) -> Path:
    """Write what extraction says: by recording the verdict and the target's box, all of it mask."""
    directory = root / "extraction" / "batch_001"
    directory.mkdir(parents=True)
    recordings, frames, masks = [], [], []
    for recording_id, (verdict, box) in sorted(found.items()):
        count = 0 if verdict == "failed" else FRAMES_IN_VIDEO
        is_kept = verdict == "accepted"
        recordings.append(
            dict.fromkeys(EXTRACTED_RECORDINGS.names)
            | {
                "recording_id": recording_id,
                "participant_id": "p",
                "verdict": verdict,
                "frame_count": count,
                "kept_frame_count": count if is_kept else 0,
                "extraction_key": "k",
            }
        )
        for index in range(count):
            row = dict.fromkeys(FRAMES.names) | {
                "recording_id": recording_id,
                "frame_index": index,
                "pts_s": index / 25,
                "status": "kept" if is_kept else "dropped",
            }
            if box is not None:
                row |= dict(zip(("x0", "y0", "x1", "y1"), map(float, box), strict=True))
            frames.append(row)
        if is_kept and box is not None:
            crop = np.ones((box[3] - box[1], box[2] - box[0]), np.uint8)
            raw = np.packbits(crop, axis=-1).tobytes() * count
            bits = pa.Codec("zstd", compression_level=9).compress(raw, asbytes=True)
            masks.append(
                {
                    "recording_id": recording_id,
                    "frame_index": list(range(count)),
                    "box": [list(box)] * count,
                    "bits": bits,
                }
            )
    for name, schema, rows in (
        ("recordings", EXTRACTED_RECORDINGS, recordings),
        ("frames", FRAMES, frames),
        ("masks", MASKS, masks),
    ):
        write_table(pa.Table.from_pylist(rows, schema=schema), directory / f"{name}.parquet")
    return directory


def test_perfect_shifted_and_wrong_targets_are_told_apart(tmp_path: Path) -> None:
    found = {
        "a_perfect": ("accepted", PERSON),
        "b_shifted": ("accepted", (30, 10, 50, 50)),
        "c_other": ("accepted", OTHER),
        "d_unsure": ("quarantined", None),
        "e_broken": ("failed", None),
    }
    directory = write_extraction(tmp_path, found)
    for recording_id in found:
        write_truth(tmp_path / "truth", recording_id)
    table = score_extraction([directory], tmp_path / "truth")
    scores = {score.recording_id: score for score in table.recordings}
    assert scores["a_perfect"].mean_iou == pytest.approx(1)
    assert scores["b_shifted"].mean_iou == pytest.approx(1 / 3)
    assert scores["c_other"].mean_iou == pytest.approx(0)
    assert table.mean_iou == pytest.approx((1 + 1 / 3) / 3)
    assert [score.is_right_person for score in table.recordings] == [True, True, False, None, None]
    assert (table.right_count, table.wrong_count) == (2, 1)
    assert (table.quarantined_count, table.failed_count) == (1, 1)
    assert scores["a_perfect"].kept_frame_count == FRAMES_IN_VIDEO
    assert score_to_json(table)["right"] == 2


def test_a_box_on_nobody_is_not_the_right_person(tmp_path: Path) -> None:
    directory = write_extraction(tmp_path, {"a": ("accepted", (0, 52, 10, 58))})
    write_truth(tmp_path / "truth", "a")
    assert score_extraction([directory], tmp_path / "truth").wrong_count == 1


def test_a_cohort_without_truth_has_no_score(tmp_path: Path) -> None:
    directory = write_extraction(tmp_path, {"a": ("accepted", PERSON)})
    table = score_extraction([directory], tmp_path / "truth")
    assert table.recordings == ()
    assert table.mean_iou is None
    assert score_to_json(table)["available"] is False


def test_a_missing_or_damaged_truth_is_named(tmp_path: Path) -> None:
    directory = write_extraction(tmp_path, {"a": ("accepted", PERSON)})
    write_truth(tmp_path / "truth", "b")
    with pytest.raises(InputError, match="no ground truth"):
        score_extraction([directory], tmp_path / "truth")
    (tmp_path / "truth" / "batch_001" / "a.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match="unreadable ground truth"):
        score_extraction([directory], tmp_path / "truth")
