"""Files that are either whole or absent: hashing, atomic writes and directory publication.

Nothing here knows what the files mean.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_CHUNK_BYTES: Final = 1 << 20
_TEMPORARY_PREFIX: Final = ".tmp-"


def canonical_json(value: Any) -> bytes:
    """Serialise plain values so that equal values give equal bytes (UTF-8, sorted, newline)."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def sha256_bytes(data: bytes) -> str:
    """Return the hexadecimal sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fsync_directory(path: Path) -> None:
    """Make renames inside `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it replaces `path`, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{_TEMPORARY_PREFIX}{path.name}-{uuid.uuid4().hex}"
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        fsync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def publish_directory_once(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new directory that appears as a whole; one that is there already stays.

    For content that its name determines: any number of writers may race, and the first wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.parent / f"{_TEMPORARY_PREFIX}{path.name}-{uuid.uuid4().hex}"
    staging.mkdir()
    try:
        for name, data in files.items():
            with (staging / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        fsync_directory(staging)
        try:
            staging.rename(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        fsync_directory(path.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def publish_directory(path: Path) -> Iterator[Path]:
    """Yield an empty staging directory; on success it replaces `path` as a whole.

    A reader never sees a half-written directory: a kill at any moment leaves the old one, none
    (between two renames), or the new one. Leftovers of killed writers are swept first; the caller
    holds the lock that makes it the only writer of `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{_TEMPORARY_PREFIX}{path.name}-*"):
        shutil.rmtree(leftover)
    staging = path.parent / f"{_TEMPORARY_PREFIX}{path.name}-new"
    retired = path.parent / f"{_TEMPORARY_PREFIX}{path.name}-old"
    staging.mkdir()
    try:
        yield staging
        for file in sorted(staging.rglob("*")):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
            else:
                fsync_directory(file)
        fsync_directory(staging)
        if path.exists():
            path.rename(retired)
        staging.rename(path)
        fsync_directory(path.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)
