"""A bounded folder of files named by their sha256, shared by threads and processes.

Objects are whole or absent, hashed before a process first uses them, and the least recently used
leave first. Where files come from is not known here. Everything in the folder may be deleted.
"""

import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from filelock import FileLock

from transforms.errors import RefusalError, SettingsError

Fill = Callable[[FileIO], None]
"""Brings a file, which may hold the beginning already, to the bytes of an object and checks them.

May be called again after it raised; what it wrote is still there."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PARTIAL: Final = re.compile(r"[0-9a-f]{64}\.(\d{1,15})")
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_PAUSE_S: Final = 0.05


class CacheItem(NamedTuple):
    """A file by its content."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class _Entry:
    path: Path
    used_bytes: int  # of the limit; a download in progress takes its full size from the start
    last_use_ns: int


class ShardCache:
    """A folder that never holds more than `limit_bytes`; give it to as many processes as you like.

    Locks are `flock`s on the files themselves, so a killed process leaves none behind. A download
    that was killed is gone on with, or makes room.

    Args:
        directory: created if it is missing; only files of the cache's own names are touched.
        limit_bytes: of all objects and of all downloads in progress, at any moment.
        patience_s: how long to wait while everything in a full cache is in use.

    Raises:
        RefusalError: the folder can't be written.
    """

    def __init__(self, directory: Path, limit_bytes: int, *, patience_s: float = 60.0) -> None:
        self.directory = directory
        self.limit_bytes = limit_bytes
        self._patience_s = patience_s
        self._objects = directory / "objects"
        self._partials = directory / "partial"
        self._intact: set[tuple[int, int, int]] = set()
        with self._translate_errors():
            self._objects.mkdir(parents=True, exist_ok=True)
            self._partials.mkdir(exist_ok=True)
            with self._bookkeeping():
                self._evict_for(0)

    def check_fits(self, item: CacheItem, *, where: object) -> None:
        """Refuse a file that is larger than the whole cache.

        Raises:
            SettingsError: it is.
        """
        if item.size_bytes > self.limit_bytes:
            raise SettingsError(
                "the cache is smaller than one file",
                where=where,
                expected=f"a limit of at least {item.size_bytes} bytes",
                found=self.limit_bytes,
                fix="raise the cache's limit",
            )

    @contextmanager
    def hold(self, item: CacheItem, fill: Fill) -> Iterator[Path]:
        """Yield the path of an object; until the block ends it stays where it is.

        Args:
            item: what to hold.
            fill: called to bring it if it is not there, or is damaged.

        Raises:
            SettingsError: the object is larger than the cache.
            RefusalError: the disk is full, or everything in a full cache stays in use.
        """
        self.check_fits(item, where=self.directory)
        descriptor = self._open_whole(item)
        if descriptor is None:
            descriptor = self._bring(item, fill)
        try:
            yield self._object_path(item)
        finally:
            _release(descriptor)

    def recall(self, sha256: str) -> bytes | None:
        """Return an object's bytes if it is here and intact, whatever its size."""
        path = self._objects / sha256
        if not _SHA256.fullmatch(sha256) or not path.is_file():
            return None
        with suppress(FileNotFoundError), self._translate_errors():
            data = path.read_bytes()
            return data if hashlib.sha256(data).hexdigest() == sha256 else None
        return None

    def used_bytes(self) -> int:
        """Return how much of the limit is taken."""
        with self._translate_errors(), self._bookkeeping():  # or a file might be counted twice
            return sum(entry.used_bytes for entry in self._entries())

    def __getstate__(self) -> dict[str, Any]:
        # Another process looks at the bytes itself.
        return vars(self) | {"_intact": set()}

    def _object_path(self, item: CacheItem) -> Path:
        return self._objects / item.sha256

    def _bookkeeping(self) -> FileLock:
        """Return the lock under which files get and lose their names; never held for long."""
        return FileLock(self.directory / ".lock")

    def _open_whole(self, item: CacheItem) -> int | None:
        """Return a share-locked descriptor of an intact object; remove a damaged one."""
        path = self._object_path(item)
        with self._translate_errors():
            while (descriptor := _open(path, os.O_RDONLY)) is not None:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if not _is_same_file(descriptor, path):  # evicted before the lock was there
                    _release(descriptor)
                    continue
                if self._is_intact(descriptor, item):
                    _mark_used(descriptor)
                    return descriptor
                with self._bookkeeping():
                    if _is_same_file(descriptor, path):
                        path.unlink()
                _release(descriptor)
        return None

    def _is_intact(self, descriptor: int, item: CacheItem) -> bool:
        status = os.fstat(descriptor)
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        if status.st_size != item.size_bytes:
            return False
        if key not in self._intact:
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                stream.seek(0)
                try:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                except OSError:  # a sector that can't be read is damage like any other
                    return False
            if digest != item.sha256:
                return False
            self._intact.add(key)
        return True

    def _bring(self, item: CacheItem, fill: Fill) -> int:
        """Return a share-locked descriptor of an object that `fill` brings."""
        partial = self._partials / f"{item.sha256}.{item.size_bytes}"
        while True:
            with self._translate_errors():
                descriptor = self._reserve(partial, item)
                if descriptor is not None:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits for another's download
            if descriptor is not None:
                if _is_same_file(descriptor, partial):
                    break
                _release(descriptor)
            whole = self._open_whole(item)
            if whole is not None:
                return whole
        try:
            self._fill(descriptor, fill, item)
            with self._translate_errors(), self._bookkeeping():
                _mark_used(descriptor)
                partial.rename(self._object_path(item))
                # Not atomic, which is why nobody may evict meanwhile.
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                status = os.fstat(descriptor)
                self._intact.add((status.st_ino, status.st_size, status.st_mtime_ns))
        except BaseException:
            _release(descriptor)
            raise
        return descriptor

    def _fill(self, descriptor: int, fill: Fill, item: CacheItem) -> None:
        while True:
            try:
                # Unbuffered: a write that fails must not be tried again when the stream closes.
                with FileIO(os.dup(descriptor), "r+b") as stream:
                    fill(stream)
                    return
            except OSError as error:
                if error.errno in _NO_SPACE and self._evict_some(item.size_bytes):
                    continue
                raise self._unwritable(error) from error

    def _reserve(self, partial: Path, item: CacheItem) -> int | None:
        """Return a descriptor of the file to download into, its bytes counted from now on.

        None if somebody else has just finished; an object that is in use is never replaced.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            with self._bookkeeping():
                if self._object_path(item).exists():
                    return None
                if partial.exists() or self._evict_for(item.size_bytes):
                    descriptor = _open(partial, os.O_RDWR | os.O_CREAT)
                    if descriptor is not None:
                        with suppress(BlockingIOError):
                            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        return descriptor
            if time.monotonic() > deadline:
                raise RefusalError(
                    "the cache is full and all of it is in use",
                    where=self.directory,
                    expected=f"room for {item.size_bytes} bytes",
                    found=f"{self.used_bytes()} of {self.limit_bytes} bytes in use",
                    fix="raise the cache's limit, or read with fewer workers",
                )
            time.sleep(_PAUSE_S)

    def _evict_for(self, size_bytes: int) -> bool:
        """Remove what was used longest ago until `size_bytes` fit; say whether they do."""
        entries = self._entries()
        excess = sum(entry.used_bytes for entry in entries) + size_bytes - self.limit_bytes
        return self._evict(entries, excess) >= excess

    def _evict_some(self, size_bytes: int) -> bool:
        """Remove what takes up to `size_bytes` of a full disk; say whether there was anything."""
        with self._bookkeeping():
            return self._evict(self._entries(), size_bytes) > 0

    def _evict(self, entries: list[_Entry], excess: int) -> int:
        removed = 0
        for entry in sorted(entries, key=lambda entry: (entry.last_use_ns, entry.path)):
            if removed >= excess:
                break
            descriptor = _open(entry.path, os.O_RDONLY)
            if descriptor is None:
                continue
            with suppress(BlockingIOError):  # in use
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                entry.path.unlink(missing_ok=True)
                removed += entry.used_bytes
            _release(descriptor)
        return removed

    def _entries(self) -> list[_Entry]:
        found = []
        for folder, pattern in ((self._objects, _SHA256), (self._partials, _PARTIAL)):
            for path in folder.iterdir():
                match = pattern.fullmatch(path.name)
                with suppress(FileNotFoundError):
                    if match is not None:
                        status = path.stat(follow_symlinks=False)
                        size = int(match[1]) if match.groups() else status.st_size
                        found.append(_Entry(path, size, status.st_atime_ns))
        return found

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RefusalError:
        is_full = error.errno in _NO_SPACE
        return RefusalError(
            "the disk that holds the cache is full" if is_full else "the cache can't be used",
            where=self.directory,
            found=error.strerror or type(error).__name__,
            fix="free some space, or put the cache on another disk",
        )


def write_all(stream: FileIO, data: bytes) -> int:
    """Write all of `data` where the stream stands, and return how much that is."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]
    return len(data)


def _open(path: Path, flags: int) -> int | None:
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        return None


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _mark_used(descriptor: int) -> None:
    # The access time is the mark; reading does not set it everywhere, so it is set here.
    os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))


def _release(descriptor: int) -> None:
    # Unlocked by word: a forked child that shares the descriptor would keep the lock alive.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
