"""Files that are either whole or absent: hashing, atomic writes and directory publication.

Nothing here knows what the files mean.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_CHUNK_BYTES: Final = 1 << 20
_TEMPORARY_PREFIX: Final = ".tmp-"
_AT_FDCWD: Final = -100  # <fcntl.h>
_RENAME_EXCHANGE: Final = 2  # <linux/fs.h>
_NOT_EMPTY: Final = (errno.EEXIST, errno.ENOTEMPTY)
_NO_EXCHANGE: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


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


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Return what a file holds.

    Raises:
        OSError: it can't be read.
        ValueError: it is larger.
    """
    with path.open("rb") as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"over {max_bytes} bytes")
    return data


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
    with staging_directory(path) as staging:
        for name, data in files.items():
            (staging / name).write_bytes(data)
        fsync_tree(staging)
        try:
            staging.rename(path)
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
        fsync_directory(path.parent)


@contextmanager
def publish_directory(path: Path) -> Iterator[Path]:
    """Yield an empty staging directory; on success it replaces `path` as a whole.

    Old and new change places in one step (`renameat2` with `RENAME_EXCHANGE`), so that `path` is
    never missing: whatever kills the writer or fails under it, `path` is the old version or the
    new one, whole. Any number of writers may race: each publishes its own version, the last one
    stays. An error of the last fsync is raised although the new version is in place.

    Where the system or the file system cannot exchange names (not Linux; NFS, some FUSE), two
    renames do it. There, a reader may find nothing for a moment, a kill in that moment leaves the
    old version under another name until the next writer puts it back, and writers must not race.
    """
    _restore(path)
    with staging_directory(path) as staging:
        yield staging
        fsync_tree(staging)
        _replace_directory(staging, path)
        fsync_directory(path.parent)


@contextmanager
def staging_directory(path: Path) -> Iterator[Path]:
    """Yield a new, empty directory beside `path`; what bears its name at the end is removed.

    Directories that killed writers of `path` left behind are removed first. Each is locked while
    its writer lives, so that those of other living writers are left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.parent / f"{_TEMPORARY_PREFIX}{path.name}-{uuid.uuid4().hex}"
    with _locked(path.parent):  # nobody sweeps between the two steps of making a locked directory
        _sweep(path)
        staging.mkdir()
        lock = _lock(staging)
    try:
        yield staging
    finally:
        _remove(staging)
        os.close(lock)


def exchange_names(first: Path, second: Path) -> bool:
    """Let two names change places in one step; False, and nothing done, where that cannot be.

    Raises:
        OSError: one of them is missing, or the change failed.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(first), None, str(second))


def fsync_tree(directory: Path) -> None:
    """Make everything in `directory`, and the names in it, durable."""
    for path in sorted(directory.rglob("*")):
        if path.is_dir():
            fsync_directory(path)
        else:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    fsync_directory(directory)


def _replace_directory(staging: Path, path: Path) -> None:
    try:
        staging.rename(path)
    except OSError as error:  # something is there
        if error.errno not in (*_NOT_EMPTY, errno.ENOTDIR):
            raise
    else:
        return
    if exchange_names(staging, path):
        return
    retired = _retired(path)
    path.rename(retired)
    try:
        staging.rename(path)
    except OSError:
        retired.rename(path)
        raise
    _remove(retired)


def _retired(path: Path) -> Path:
    return path.parent / f"{_TEMPORARY_PREFIX}{path.name}-old"


def _restore(path: Path) -> None:
    """Put back what a writer that was killed between two renames had moved away."""
    retired = _retired(path)
    if not os.path.lexists(retired):
        return
    if os.path.lexists(path):
        _remove(retired)
    else:
        retired.rename(path)


def _sweep(path: Path) -> None:
    """Remove the staging directories that no living writer of `path` holds."""
    pattern = re.compile(re.escape(f"{_TEMPORARY_PREFIX}{path.name}-") + "[0-9a-f]{32}")
    for leftover in sorted(path.parent.iterdir()):
        if pattern.fullmatch(leftover.name) and _is_abandoned(leftover):
            _remove(leftover)


def _is_abandoned(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # its writer has just removed it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    finally:
        os.close(descriptor)
    return True


def _lock(directory: Path) -> int:
    """Return a descriptor that holds the lock of a directory until it is closed."""
    descriptor = os.open(directory, os.O_RDONLY)
    # File systems without such locks (NFS) are left to the lock that callers there must hold.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = _lock(directory)
    try:
        yield
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a tree, a file or a link as far as it can be; what stays is swept another time."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
