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
from transforms.extract.version import EXTRACTION_VERSION
from transforms.files import canonical_json, publish_directory_once, sha256_bytes
from transforms.settings import ExtractionSettings

_LIMITS: Final = {"decode": {"memory_limit_mib", "stall_limit_s", "time_limit_s"}}
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
    weights: Mapping[str, Any] | None = None,
    runtimes: Mapping[str, str] | None = None,
    *,
    chosen_track: str | None = None,
) -> str:
    """Return the key of a result: sha256 over everything it depends on.

    Args:
        video_sha256: hash of the video's bytes.
        settings: all of them count, but for limits whose exceeding is never kept.
        weights: kind, contract and hash of each file, by backend.
        runtimes: the library, its version and the device, by backend.
        chosen_track: the participant's track where a person has chosen it.
    """
    return sha256_bytes(
        canonical_json(
            {
                "video_sha256": video_sha256,
                "code_version": EXTRACTION_VERSION,
                "weights": weights or {},
                "runtimes": runtimes or {},
                "settings": settings.model_dump(mode="json", exclude=_LIMITS),
                "chosen_track": chosen_track,
            }
        )
    )


def entry_path(cache_root: Path, key: str) -> Path:
    """Return where the entry of a key lies."""
    return cache_root / key[:2] / key


def write_entry(cache_root: Path, key: str, result: RecordingResult) -> None:
    """Publish a result under its key, whole or not at all.

    Of several writers the first wins: under one key they all write the same.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: getattr(result, name) for name in _ARRAY_FIELDS})
    facts = {
        item.name: getattr(result, item.name)
        for item in fields(result)
        if item.name not in _ARRAY_FIELDS
    }
    contents = {_ARRAYS: buffer.getvalue(), _FACTS: canonical_json(facts)}
    checksums = {name: sha256_bytes(data) for name, data in contents.items()}
    contents[_CHECKSUMS] = canonical_json({"key": key, "sha256": checksums})
    publish_directory_once(entry_path(cache_root, key), contents)


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
    except FileNotFoundError:  # incomplete
        pass
    except OSError:  # a disk or network that does not answer now proves nothing
        return None
    except ValueError:  # not what was written
        pass
    shutil.rmtree(path, ignore_errors=True)
    return None
