"""Files below one URL of any fsspec filesystem, read in bounded pieces, tried again, checked.

Credentials are fsspec's business: its configuration, the usual environment, or `storage_options`;
none of them ever shows in a message. What the files mean is not known here.
"""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from io import FileIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from transforms.errors import (
    GaitworksError,
    InputError,
    IntegrityError,
    MissingDependencyError,
    RefusalError,
)
from transforms.shards.shard_cache import CacheItem, write_all

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # has no stubs

PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How long to wait before each further try."""

TIMEOUT_S: Final = 60.0
"""How long one piece may take."""

_PIECE_BYTES: Final = 8 << 20
_STOP_LATENCY_S: Final = 0.2
_S3: Final = ("s3", "s3a")


class _BrokeOff(Exception):
    """A try ended early; another one may go on where it was."""


class _TooShort(_BrokeOff):
    """The file was whole by the storage's own account, and too short."""


class ObjectStore:
    """The files below one URL; may be shared by threads, forked and pickled.

    Args:
        url: `s3://bucket/path`, `file:///path`, or of any filesystem fsspec knows.
        storage_options: passed to fsspec; better left to its configuration and the environment.
        timeout_s: how long one piece of a file may take; local and other blocking filesystems
            take as long as they take.
        pauses_s: how long to wait before each further try.

    Raises:
        InputError: the URL is of no known filesystem.
        MissingDependencyError: the package that knows the filesystem is not installed.
    """

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._url = url.rstrip("/")
        self._options = dict(storage_options or {})
        self._timeout_s = timeout_s
        self._pauses_s = tuple(pauses_s)
        self.name = _without_secrets(self._url)
        self._opened: tuple[int, AbstractFileSystem, str] | None = None
        self._filesystem()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_opened": None}

    def read(self, name: str, *, limit_bytes: int) -> bytes:
        """Return a whole small file.

        Raises:
            IntegrityError: it is not there, or larger than `limit_bytes`.
            MissingDependencyError: the storage can't be reached.
            RefusalError: the storage refuses.
        """
        where = f"{self.name}/{name}"
        reason = ""
        for pause_s in (0.0, *self._pauses_s):
            threading.Event().wait(pause_s)
            try:
                # One byte more shows a file that is too large.
                data = self._read_piece(name, 0, limit_bytes + 1, threading.Event())
            except _BrokeOff as error:
                reason = str(error)
                continue
            if len(data) > limit_bytes:
                raise IntegrityError(
                    "the file is too large", where=where, expected=f"at most {limit_bytes} bytes"
                )
            return data
        raise _unreachable(reason, where)

    def fill(
        self, name: str, item: CacheItem, stream: FileIO, *, stop: threading.Event | None = None
    ) -> None:
        """Bring a file into `stream` and check it; what the stream holds already is not read again.

        Args:
            name: the file below the URL.
            item: what it has to be.
            stream: readable, writable and unbuffered.
            stop: gives up between two pieces or tries once it is set.

        Raises:
            IntegrityError: the file is not there, or is another one at every try.
            MissingDependencyError: the storage can't be reached, or keeps breaking off.
            RefusalError: the storage refuses, or `stop` is set.
            OSError: `stream` can't be written.
        """
        where = f"{self.name}/{name}"
        stop = stop or threading.Event()
        found = reason = ""
        for pause_s in (0.0, *self._pauses_s):
            stop.wait(pause_s)
            try:
                self._append(name, item.size_bytes, stream, stop)
            except _TooShort as error:
                found = str(error)
                stream.truncate(0)
                continue
            except _BrokeOff as error:
                found, reason = "", str(error)
                continue
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest == item.sha256:
                return
            found = f"sha256 {digest}"
            stream.truncate(0)
        if not found:
            raise _unreachable(reason, where)
        raise IntegrityError(
            "the storage has another file than the manifest lists",
            where=where,
            expected=f"{item.size_bytes} bytes with sha256 {item.sha256}",
            found=found,
            fix="publish the dataset again; shards are never changed under their names",
        )

    def _append(self, name: str, size_bytes: int, stream: FileIO, stop: threading.Event) -> None:
        done = stream.seek(0, os.SEEK_END)
        while done < size_bytes:
            end = min(done + _PIECE_BYTES, size_bytes)
            data = self._read_piece(name, done, end, stop)
            # A filesystem that knows no ranges sends everything.
            done += write_all(stream, data[: end - done])
            if done != end:
                raise _TooShort(f"{done} bytes")

    def _read_piece(self, name: str, start: int, end: int, stop: threading.Event) -> bytes:
        where = f"{self.name}/{name}"
        if stop.is_set():
            raise _stopped(where)
        with self._translate_failures(where):
            filesystem, root = self._filesystem()
            path = f"{root}/{name}"
            if not filesystem.async_impl:
                return bytes(filesystem.cat_file(path, start=start, end=end))
            future = asyncio.run_coroutine_threadsafe(
                filesystem._cat_file(path, start=start, end=end), filesystem.loop
            )
            try:
                return self._await(future, stop, where)
            finally:
                future.cancel()  # of no effect where it is done

    def _await(self, future: "Future[bytes]", stop: threading.Event, where: str) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        while not wait_for([future], _STOP_LATENCY_S).done:
            if stop.is_set():
                raise _stopped(where)
            if time.monotonic() > deadline:
                raise TimeoutError
        return bytes(future.result())

    def _filesystem(self) -> tuple["AbstractFileSystem", str]:
        if self._opened is None or self._opened[0] != os.getpid():  # forked: not its loop
            filesystem, root = _open_filesystem(self._url, self._options, self.name)
            self._opened = (os.getpid(), filesystem, root.rstrip("/"))
        return self._opened[1:]

    @contextmanager
    def _translate_failures(self, where: str) -> Iterator[None]:
        """Turn the many errors of the libraries below into ours, without options and tokens."""
        try:
            yield
        except GaitworksError:
            raise
        except FileNotFoundError as error:
            raise IntegrityError(
                "the storage has no such file", where=where, fix="publish the dataset again"
            ) from error
        except PermissionError as error:
            raise RefusalError(
                "the storage refuses access",
                where=where,
                fix="give credentials that may read it, the usual way of this storage",
            ) from error
        except TimeoutError as error:
            raise _BrokeOff("the storage does not answer in time") from error
        except Exception as error:  # whatever the libraries of a filesystem raise
            raise _BrokeOff(f"the storage fails ({type(error).__name__})") from error


def is_plain_name(name: str) -> bool:
    """Say whether a name stays below the URL it is put behind, in any filesystem."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and not any(part in ("/", "..") for part in parts)
        and "/".join(parts) == name
        and name.isprintable()
        and not set(name) & set("\\?#*[]:{}")
    )


def _open_filesystem(
    url: str, options: Mapping[str, Any], shown: str
) -> tuple["AbstractFileSystem", str]:
    import fsspec

    try:
        # fsspec would go on with the address and credentials that it first saw in the environment.
        filesystem, root = fsspec.core.url_to_fs(
            url, skip_instance_cache=True, **_with_defaults(url, options)
        )
    except ImportError as error:
        raise MissingDependencyError(
            "the package that reads this storage is not installed",
            where=shown,
            found=error,
            fix="install it (for s3://: the extra `s3` of this project)",
        ) from error
    except ValueError as error:
        raise InputError(
            "no storage of that kind",
            where=shown,
            expected="s3://bucket/path, file:///path or another URL that fsspec knows",
        ) from error
    return filesystem, str(root)


def _with_defaults(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave trying again to this module, unless the user's settings say how."""
    import fsspec

    protocol = urlsplit(url).scheme
    settings = fsspec.config.conf.get(protocol, {}) | options
    if protocol not in _S3 or "config_kwargs" in settings:
        return dict(options)
    # botocore's four further tries in each of s3fs's five would keep a dead server secret for
    # minutes.
    return {"config_kwargs": {"retries": {"max_attempts": 0}}, **options}


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _stopped(where: str) -> RefusalError:
    return RefusalError("reading was stopped", where=where)


def _unreachable(reason: str, where: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"the file could not be read: {reason}",
        where=where,
        fix="check the address and the network, then run again; what has come is kept",
    )
