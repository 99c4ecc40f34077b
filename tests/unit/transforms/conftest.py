"""Tiny hand-made batches, as intake and extraction leave them, for tests of what comes after."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    FRAMES,
    PARTICIPANTS,
    RECORDINGS,
    SEQUENCES,
)
from transforms.shards.codec import GREY, encode_silhouettes
from transforms.shards.parquet import encode_shard, write_table

WriteBatch = Callable[..., "BatchDirs"]


@dataclass(frozen=True)
class BatchDirs:
    intake: Path
    extraction: Path


def draw_silhouettes(name: str, frame_count: int) -> np.ndarray:
    """Return grey noise, uint8 [frame, 64, 64], a function of the name alone."""
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "little")
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (frame_count, 64, 64), dtype=np.uint8)


@pytest.fixture
def write_batch(tmp_path: Path) -> WriteBatch:
    """Return a function that writes one batch.

    Each recording is a mapping with `participant_id` and optionally `recording_id`, `label`,
    `view`, `frames`, `video`, `verdict` (`accepted`, `rejected` by intake, `quarantined` by
    extraction) and any column of SEQUENCES. `people` overrides columns of participants.
    """

    def write(
        batch_id: str,
        recordings: Sequence[dict[str, Any]],
        people: dict[str, dict[str, Any]] | None = None,
    ) -> BatchDirs:
        dirs = BatchDirs(tmp_path / "intake" / batch_id, tmp_path / "extraction" / batch_id)
        dirs.intake.mkdir(parents=True)
        dirs.extraction.mkdir(parents=True)
        tables = _tables(batch_id, recordings, people or {})
        write_table(tables["participants"], dirs.intake / "participants.parquet")
        write_table(tables["recordings"], dirs.intake / "recordings.parquet")
        write_table(tables["extracted"], dirs.extraction / "recordings.parquet")
        write_table(tables["frames"], dirs.extraction / "frames.parquet")
        (dirs.extraction / "sequences.parquet").write_bytes(encode_shard(tables["sequences"]))
        return dirs

    return write


def _tables(
    batch_id: str, recordings: Sequence[dict[str, Any]], people: dict[str, dict[str, Any]]
) -> dict[str, pa.Table]:
    participants: dict[str, dict[str, Any]] = {}
    rows: dict[str, list[dict[str, Any]]] = {
        "recordings": [],
        "extracted": [],
        "frames": [],
        "sequences": [],
    }
    for recording in recordings:
        person = recording["participant_id"]
        label = recording.get("label", "negative")
        view = recording.get("view", "side")
        name = recording.get("recording_id", f"{person}-s1-{view}")
        frame_count = recording.get("frames", 3)
        verdict = recording.get("verdict", "accepted")
        digest = sha256(recording.get("video", name).encode()).hexdigest()
        key = sha256(f"key {name}".encode()).hexdigest()
        participants.setdefault(
            person,
            {
                "participant_id": person,
                "label": label,
                "sex": "F",
                "age_years": 14.5,
                "height_cm": 161.0,
                "weight_kg": 48.0,
                "site": None,
            }
            | people.get(person, {}),
        )
        common = {"recording_id": name, "participant_id": person, "batch_id": batch_id}
        group = recording.get("sync_group")
        scene = {"label": label, "view": view, "session": "s1", "sync_group": group}
        is_refused = verdict == "rejected"
        reason = {"reason_code": "too_short", "reason": f"{name} is too short"}
        none = dict.fromkeys(reason)
        rows["recordings"].append(
            dict.fromkeys(RECORDINGS.names)
            | common
            | scene
            | {"file": f"{name}.mp4", "video_sha256": digest}
            | {"verdict": "rejected" if is_refused else "accepted"}
            | (reason if is_refused else none)
        )
        if is_refused:
            continue
        rows["extracted"].append(
            {"recording_id": name, "participant_id": person, "verdict": verdict}
            | (none if verdict == "accepted" else reason)
            | {"target_track_id": 1, "target_confidence": 0.9, "quality_score": 0.5}
            | {"frame_count": frame_count + 1, "kept_frame_count": frame_count}
            | {"extraction_key": key}
        )
        rows["frames"] += _ledger(name, frame_count)
        if verdict != "accepted":
            continue
        sequence = (
            common
            | scene
            | {"sequence_id": name, "fps": 25.0, "frame_count": frame_count}
            | {"height_px": 64, "width_px": 64, "codec": GREY, "quality_score": 0.5}
            | {"frame_index": list(range(1, frame_count + 1))}
            | {"pts_s": [index / 25 for index in range(1, frame_count + 1)]}
            | {"video_sha256": digest, "extraction_key": key}
        )
        pixels = encode_silhouettes(draw_silhouettes(name, frame_count), GREY, 1)
        sequence |= {"silhouettes": pixels}
        sequence |= {key: value for key, value in recording.items() if key in SEQUENCES.names}
        rows["sequences"].append(sequence)
    return {
        "participants": pa.Table.from_pylist(list(participants.values()), schema=PARTICIPANTS),
        "recordings": pa.Table.from_pylist(rows["recordings"], schema=RECORDINGS),
        "extracted": pa.Table.from_pylist(rows["extracted"], schema=EXTRACTED_RECORDINGS),
        "frames": pa.Table.from_pylist(rows["frames"], schema=FRAMES),
        "sequences": pa.Table.from_pylist(rows["sequences"], schema=SEQUENCES),
    }


def _ledger(recording_id: str, frame_count: int) -> list[dict[str, Any]]:
    empty = dict.fromkeys(FRAMES.names)
    dropped = empty | {"frame_index": 0, "status": "dropped", "reason": "no_mass"}
    kept = [
        empty | {"frame_index": index, "status": "kept", "sequence_index": index - 1}
        for index in range(1, frame_count + 1)
    ]
    return [
        row | {"recording_id": recording_id, "pts_s": row["frame_index"] / 25}
        for row in [dropped, *kept]
    ]
