"""One registered file over HTTP: bounded, resumed where it broke off, named only once verified.

Nothing that arrives is parsed; the server is not trusted with more than to send these bytes.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from transforms.errors import IntegrityError, MissingDependencyError, RefusalError
from transforms.progress import Progress
from transforms.weights.addresses import follow_redirect, is_loopback
from transforms.weights.store import is_registered_content, keep_verified, part_path
from transforms.weights.verified import WeightsFile

if TYPE_CHECKING:
    import requests

PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How long to wait before each further try."""

_CHUNK_BYTES: Final = 1 << 16
_TIMEOUTS_S: Final = (10.0, 30.0)  # to connect; without a byte
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WORTH_ANOTHER_TRY: Final = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(?:(\d{1,15})|\*)")


class _BrokeOff(Exception):
    """A try ended early; another one may go on where it was."""


def download_file(
    item: WeightsFile,
    url: str,
    target: Path,
    progress: Progress,
    *,
    pauses_s: Sequence[float] = PAUSES_S,
) -> None:
    """Bring a file from `url` to `target`.

    What a try that broke off has brought stays beside `target` and is gone on with, also by a later
    call.

    Raises:
        IntegrityError: the server has other bytes than the registered ones; they are removed.
        MissingDependencyError: the server can't be reached or does not have the file.
        RefusalError: the server leads to an address that is not allowed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(target)
    meter = _Meter(progress, target.name, item.size_bytes)
    reason = ""
    for pause_s in (0.0, *pauses_s):
        time.sleep(pause_s)
        try:
            began_at = _transfer(item, url, part, meter)
        except _BrokeOff as error:
            reason = str(error)
            continue
        if is_registered_content(part, item):
            keep_verified(part, target)
            return
        part.unlink()
        if began_at == 0:
            raise _other_content(item, url, "other bytes of the same length")
        reason = "what an earlier try had kept did not fit"
    raise MissingDependencyError(
        f"{target.name} could not be downloaded: {reason}",
        where=url,
        expected=f"{item.size_bytes} bytes",
        found=f"{_kept_bytes(part, item)} bytes, which are kept",
        fix="run again to go on from there, or bring the file with `--from DIR`",
    )


class _Meter:
    """Tells a listener how many bytes are there, also when they become fewer."""

    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self._progress, self._label, self._total = progress, label, total
        self._done: int | None = None

    def move_to(self, done: int) -> None:
        """Say that `done` bytes are there."""
        if self._done is None or done < self._done:
            self._progress.start(self._label, self._total)
            self._done = 0
        self._progress.advance(done - self._done)
        self._done = done


def _transfer(item: WeightsFile, url: str, part: Path, meter: _Meter) -> int:
    """Fill `part` up to the registered size; return how much of it was there before."""
    kept = _kept_bytes(part, item)
    if kept == item.size_bytes:
        meter.move_to(kept)
        return kept
    with _open(url, kept) as response:
        began_at = _accepted_start(response, item, url, kept, part)
        done = began_at
        meter.move_to(done)
        with part.open("ab" if began_at else "wb") as stream:
            for chunk in _chunks(response, item.size_bytes - began_at + 1):
                done += len(chunk)
                if done > item.size_bytes:
                    break
                stream.write(chunk)
                meter.move_to(done)
    if done > item.size_bytes:
        part.unlink()
        raise _other_content(item, url, "more bytes")
    if done < item.size_bytes:
        raise _BrokeOff(f"the connection ended after {done} of {item.size_bytes} bytes")
    return began_at


def _kept_bytes(part: Path, item: WeightsFile) -> int:
    if not part.exists():
        return 0
    size = part.stat().st_size
    return size if size <= item.size_bytes else 0


def _make_session() -> "requests.Session":
    # Imported here: it costs the start of every command a tenth of a second.
    import requests

    class Session(requests.Session):
        """Leaves redirects to us.

        Even when told not to follow them, requests parses where they lead and reads all of the
        answer, however long, into memory.
        """

        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    return Session()


@contextmanager
def _open(registered: str, offset: int) -> Iterator["requests.Response"]:
    """Yield the answer to a request for the bytes from `offset` on, redirects followed."""
    # Not compressed: ranges and sizes count the bytes of the file itself.
    headers = {"Accept-Encoding": "identity", "User-Agent": "gaitworks"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    url = registered
    with _make_session() as session:
        session.trust_env = not is_loopback(url)  # a proxy can't reach this very machine
        for _ in range(_MAX_REDIRECTS + 1):
            with _translate_failures():
                response = session.get(
                    url, headers=headers, stream=True, timeout=_TIMEOUTS_S, allow_redirects=False
                )
            with response:
                if response.status_code not in _REDIRECTS:
                    yield response
                    return
                url = follow_redirect(registered, url, response.headers.get("Location", ""))
    raise RefusalError(
        f"more than {_MAX_REDIRECTS} redirects",
        where=registered,
        fix="correct `url` in weights.toml",
    )


def _accepted_start(
    response: "requests.Response", item: WeightsFile, url: str, asked: int, part: Path
) -> int:
    """Return at which byte of the file the body begins; refuse any other file."""
    status = response.status_code
    start, total = 0, None
    if status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != asked:
            part.unlink(missing_ok=True)
            raise _BrokeOff("the server sent another range than asked for")
        start, total = asked, match[3]
    elif status == 200:  # also from servers that know no ranges: the whole file again
        total = response.headers.get("Content-Length")
    elif status in _WORTH_ANOTHER_TRY:
        if status == 416:  # the range, and with it what was kept, does not fit
            part.unlink(missing_ok=True)
        raise _BrokeOff(f"the server answers {status}")
    else:
        raise MissingDependencyError(
            "the server does not give the file",
            where=url,
            found=f"HTTP status {status}",
            fix="correct `url` in weights.toml, or bring the file with `--from DIR`",
        )
    if total is not None and total.strip() != str(item.size_bytes):
        raise _other_content(item, url, f"{total[:20]!r} bytes")
    return start


def _chunks(response: "requests.Response", limit: int) -> Iterator[bytes]:
    """Yield the body as it comes, never more than `limit` bytes, without decoding anything."""
    while limit > 0:
        with _translate_failures():
            chunk: bytes = response.raw.read1(min(_CHUNK_BYTES, limit), decode_content=False)
        if not chunk:
            return
        limit -= len(chunk)
        yield chunk


@contextmanager
def _translate_failures() -> Iterator[None]:
    """Turn the many errors of the libraries below into one, without addresses and tokens."""
    import requests
    import urllib3

    try:
        yield
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError) as error:
        raise MissingDependencyError(
            "no trusted connection to the server",
            found=type(error).__name__,
            fix="check the clock and the certificates of this machine, or use `--from DIR`",
        ) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise _BrokeOff("the server does not answer") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _BrokeOff(f"the connection failed ({type(error).__name__})") from error


def _other_content(item: WeightsFile, url: str, found: str) -> IntegrityError:
    return IntegrityError(
        "the server has another file than the registered one; nothing has parsed it",
        where=url,
        expected=f"{item.size_bytes} bytes with sha256 {item.sha256}",
        found=found,
        fix="find out why before you change weights.toml",
    )
