"""Extraction's content-addressed cache: what was computed once is not computed again.

An entry is a directory published as a whole, named by its key. It is read back only if every byte
is as written; a damaged entry is removed and computed again. Nothing in it is pickled.
"""

import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from transforms.extract.result import RecordingResult
from transforms.files import canonical_json, publish_directory, sha256_bytes
from transforms.settings import ExtractionSettings

CODE_VERSION: Final = 2
"""Raise this with every change that can change a result."""

_ARRAYS: Final = "arrays.npz"
_FACTS: Final = "facts.json"
_CHECKSUMS: Final = "checksums.json"
_ARRAY_FIELDS: Final = (
    "pts_s",
    "boxes",
    "scores",
    "mask_px",
    "confidences",
    "sharpness",
    "silhouettes",
    "mask_boxes",
    "mask_bits",
)


def extraction_key(
    video_sha256: str,
    settings: ExtractionSettings,
    weights: Mapping[str, Mapping[str, str]] | None = None,
    runtimes: Mapping[str, str] | None = None,
    *,
    target_track_id: int | None = None,
) -> str:
    """Return the key of a result: sha256 over everything it depends on.

    Args:
        video_sha256: hash of the video's bytes.
        settings: all of them count.
        weights: hash of each weights file by name, by backend.
        runtimes: the library, its version and the device, by backend.
        target_track_id: the participant's track where a person has chosen it.
    """
    return sha256_bytes(
        canonical_json(
            {
                "video_sha256": video_sha256,
                "code_version": CODE_VERSION,
                "weights": weights or {},
                "runtimes": runtimes or {},
                "settings": settings.model_dump(mode="json"),
                "target_track_id": target_track_id,
            }
        )
    )


def entry_path(cache_root: Path, key: str) -> Path:
    """Return where the entry of a key lies."""
    return cache_root / key[:2] / key


def write_entry(cache_root: Path, key: str, result: RecordingResult) -> None:
    """Publish a result under its key, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: getattr(result, name) for name in _ARRAY_FIELDS})
    facts = {
        item.name: getattr(result, item.name)
        for item in fields(result)
        if item.name not in _ARRAY_FIELDS
    }
    contents = {_ARRAYS: buffer.getvalue(), _FACTS: canonical_json(facts)}
    checksums = {name: sha256_bytes(data) for name, data in contents.items()}
    with publish_directory(entry_path(cache_root, key)) as staging:
        for name, data in contents.items():
            (staging / name).write_bytes(data)
        (staging / _CHECKSUMS).write_bytes(canonical_json({"key": key, "sha256": checksums}))


def read_entry(cache_root: Path, key: str) -> RecordingResult | None:
    """Return the result under a key; None where there is none or it was damaged, then removed."""
    contents = _read_intact(cache_root, key)
    if contents is None:
        return None
    facts: dict[str, Any] = json.loads(contents[_FACTS])  # `Any`: plain JSON
    with np.load(io.BytesIO(contents[_ARRAYS]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in _ARRAY_FIELDS}
    facts["drop_reasons"] = tuple(facts["drop_reasons"])
    facts["tracks"] = tuple(facts["tracks"])
    facts["frame_shape"] = tuple(facts["frame_shape"])
    return RecordingResult(**facts, **arrays)


def read_verdict(cache_root: Path, key: str) -> str | None:
    """Return the verdict of an intact entry without unpacking it; None as `read_entry` does."""
    contents = _read_intact(cache_root, key)
    return None if contents is None else str(json.loads(contents[_FACTS])["verdict"])


def _read_intact(cache_root: Path, key: str) -> dict[str, bytes] | None:
    """Return the entry's files if every byte is as written; remove it otherwise."""
    path = entry_path(cache_root, key)
    if not path.exists():
        return None
    try:
        checksums = json.loads((path / _CHECKSUMS).read_bytes())
        contents = {name: (path / name).read_bytes() for name in (_ARRAYS, _FACTS)}
        found = {name: sha256_bytes(data) for name, data in contents.items()}
        if checksums == {"key": key, "sha256": found}:
            return contents
    except (OSError, ValueError):
        pass
    shutil.rmtree(path, ignore_errors=True)
    return None
