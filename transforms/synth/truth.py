"""Truth files beside a synthetic cohort, and the ledger of what the generator itself wrote.

Per recording: `<recording_id>.npz` with the truth and `<recording_id>.json` that says from which
plan the video was made and which bytes it has. The pipeline never reads either.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.files import canonical_json, sha256_bytes, sha256_file, write_bytes_atomic
from transforms.synth.render import Truth

TABLES_NAME: Final = "tables.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip file can hold


@dataclass(frozen=True)
class RecordingEntry:
    """One line of the ledger: which plan was rendered to which bytes."""

    fingerprint: str
    video_sha256: str
    truth_sha256: str


def encode_truth(truth: Truth, *, height_px: int, width_px: int) -> bytes:
    """Return the bytes of a truth file, an `.npz` without a clock in it."""
    arrays: dict[str, NDArray[Any]] = {  # `Any`: arrays of several types
        "participant_masks": truth.participant_masks,
        "frame_shape": np.array([height_px, width_px], dtype=np.int32),
        "boxes": truth.boxes,
        "phase": truth.phase,
    }
    if truth.start_offset_s is not None:
        arrays["start_offset_s"] = np.array([truth.start_offset_s])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=2) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            # np.savez stamps its members with the time of writing.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def truth_path(truth_root: Path, batch_id: str, recording_id: str) -> Path:
    """Return where the truth of a recording lies."""
    return truth_root / batch_id / f"{recording_id}.npz"


def _entry_path(truth_root: Path, batch_id: str, recording_id: str) -> Path:
    return truth_root / batch_id / f"{recording_id}.json"


def write_entry(truth_root: Path, batch_id: str, recording_id: str, entry: RecordingEntry) -> None:
    """Record what a video was made from; call this before the video is published."""
    write_bytes_atomic(
        _entry_path(truth_root, batch_id, recording_id), canonical_json(entry.__dict__)
    )


def read_entry(truth_root: Path, batch_id: str, recording_id: str) -> RecordingEntry | None:
    """Return the ledger's line for a recording, or None where there is no readable one."""
    values = _read_json(_entry_path(truth_root, batch_id, recording_id))
    if values.keys() != set(RecordingEntry.__dataclass_fields__):
        return None
    return RecordingEntry(**{name: str(value) for name, value in values.items()})


def holds_truth(truth_root: Path, batch_id: str, recording_id: str, entry: RecordingEntry) -> bool:
    """Say whether the truth file of a recording is there and whole."""
    path = truth_path(truth_root, batch_id, recording_id)
    return path.is_file() and sha256_file(path) == entry.truth_sha256


def remove_entry(truth_root: Path, batch_id: str, recording_id: str) -> None:
    """Forget a recording, its truth first."""
    truth_path(truth_root, batch_id, recording_id).unlink(missing_ok=True)
    _entry_path(truth_root, batch_id, recording_id).unlink(missing_ok=True)


def list_entries(truth_root: Path, batch_id: str) -> list[str]:
    """Return the ids of the recordings in a batch's ledger, sorted."""
    names = (path.name for path in (truth_root / batch_id).glob("*.json"))
    return sorted(name.removesuffix(".json") for name in names if name != TABLES_NAME)


def write_tables_entry(truth_root: Path, batch_id: str, tables: dict[str, bytes]) -> None:
    """Record the CSV files of a batch; call this before they are published."""
    hashes = {name: sha256_bytes(data) for name, data in tables.items()}
    write_bytes_atomic(truth_root / batch_id / TABLES_NAME, canonical_json(hashes))


def read_tables_entry(truth_root: Path, batch_id: str) -> dict[str, str]:
    """Return the sha256 of each CSV file the generator wrote for a batch; empty if none."""
    values = _read_json(truth_root / batch_id / TABLES_NAME)
    return {name: str(value) for name, value in values.items()}


def _read_json(path: Path) -> dict[str, Any]:
    # A file that cannot be read is one that vouches for nothing.
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
