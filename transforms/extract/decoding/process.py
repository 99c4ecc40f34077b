"""The parent's side of the decoding process: start it, wait within limits, copy frames out, kill.

What the process says is checked before it is used: a hostile file may have taken it over.
"""

import atexit
import itertools
import json
import math
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from transforms.errors import GaitworksError
from transforms.extract.colours import BGR, MATRICES
from transforms.extract.decoding.child import RING_BYTES
from transforms.extract.decoding.stream import CRASHED, TIMEOUT, DecodeProblem
from transforms.extract.pictures import read_stored, stored_bytes
from transforms.extract.protocols import Frame
from transforms.settings import DecodeSettings

_START_LIMIT_S: Final = 120.0
_EXIT_LIMIT_S: Final = 5.0
_STOP_LIMIT_S: Final = 2.0
_MIN_SLOTS: Final = 3
_MAX_LINE_BYTES: Final = 1 << 16
_MAX_TEXT: Final = 500
_ROOT: Final = Path(__file__).parents[3]
COMMAND: Final = (sys.executable, "-P", "-m", "transforms.extract.decoding.child")

_Message = dict[str, Any]  # `Any`: numbers and text under a few names


class DecodeFailure(Exception):
    """Why a video is not decoded any further."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = DecodeProblem(code, message)


class DecoderProcess:
    """One decoding process; it takes one video at a time and dies with this process.

    Attributes:
        pid: of the process.
        fps: of the video at hand; known with its first frame.

    Raises:
        GaitworksError: it does not start.
    """

    def __init__(self, memory_limit_mib: int, command: Sequence[str] = COMMAND) -> None:
        self.memory_limit_mib = memory_limit_mib
        self.fps = 0.0
        self._owner_pid = os.getpid()
        self._is_busy = self._is_worn = self._is_dead = False
        self._ring = _make_shared_file(RING_BYTES)
        self._ring_bytes = RING_BYTES
        self._unread = b""
        self._process = subprocess.Popen(
            [*command, str(self._ring), str(memory_limit_mib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=(self._ring,),
            env=_environment(),
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        # A process that no longer reads must not make this one wait.
        os.set_blocking(self._requests.fileno(), False)
        atexit.register(self.kill)
        self._patience = _Patience(_START_LIMIT_S, _START_LIMIT_S)
        try:
            self._receive("ready")
        except DecodeFailure as failure:
            self.kill()
            raise GaitworksError(
                "the process that decodes videos does not start",
                found=failure.problem.message,
                fix="run `gaitworks doctor`",
            ) from None

    def decode(self, path: Path, settings: DecodeSettings) -> Iterator[Frame]:
        """Yield the frames of a video; the process decodes ahead while the caller works on one.

        The process is of no further use after a failure; `stop` it where not all frames were taken.

        Raises:
            DecodeFailure: the video ends here, and why.
        """
        self._patience = _Patience(settings.stall_limit_s, settings.time_limit_s)
        self._is_busy = True
        self._send(kind="open", path=str(path.absolute()), max_pixels=settings.max_pixels)
        message = self._receive("stream", "end")
        if message["kind"] == "end":
            return self._end(message)
        fps, height, width = message["fps"], message["height"], message["width"]
        if not (0 < fps < math.inf and min(height, width) > 0):
            raise _nonsense()
        if height * width > settings.max_pixels:
            raise _nonsense()
        self.fps = float(fps)
        slot_count, slot_bytes = self._lay_out_ring(stored_bytes((height, width), BGR))
        for index in itertools.count():
            message = self._receive("frame", "end")
            if message["kind"] == "end":
                return self._end(message)
            slot, pts_s, colours = message["slot"], message["pts_s"], message["colours"]
            if not (0 <= slot < slot_count and math.isfinite(pts_s)):
                raise _nonsense()
            # Only even sides have a colour for every four pixels.
            if colours != BGR and (colours not in MATRICES or height % 2 or width % 2):
                raise _nonsense()
            if index == settings.max_frames:
                raise DecodeFailure("too_many_frames", f"over {settings.max_frames} frames")
            stored = np.empty(stored_bytes((height, width), colours), np.uint8)
            # Read, not mapped: a file that was cut short under a map would kill this process.
            if os.preadv(self._ring, [stored.data], slot * slot_bytes) != len(stored):
                raise _nonsense()
            self._send(kind="free", slot=slot)
            yield Frame(index, float(pts_s), read_stored(stored, (height, width), colours))

    def stop(self) -> bool:
        """Leave the video at hand and return whether the process can take another one."""
        deadline = time.monotonic() + _STOP_LIMIT_S
        self._patience = _Patience(_STOP_LIMIT_S, _STOP_LIMIT_S)
        try:
            if self._is_busy:
                self._send(kind="stop")
            while self._is_busy and time.monotonic() < deadline:
                message = self._receive("frame", "end")
                if message["kind"] == "end":
                    self._end(message)
        except DecodeFailure:
            return False
        return not (self._is_busy or self._is_worn or self._is_dead)

    def kill(self) -> None:
        """End the process at once and clear up after it; again, or in a fork, does nothing."""
        if self._is_dead or self._owner_pid != os.getpid():
            return
        self._is_dead = True
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._requests.close()
        os.close(self._ring)
        atexit.unregister(self.kill)

    @property
    def is_alive(self) -> bool:
        """Whether it runs and belongs to this process, not to the one that this is a fork of."""
        return self._owner_pid == os.getpid() and self._process.poll() is None

    def _end(self, message: _Message) -> None:
        self._is_busy, self._is_worn = False, message["is_worn"]
        if message["code"] is not None:
            if not _CODE.fullmatch(message["code"]):
                raise _nonsense()
            text = message["message"][:_MAX_TEXT].encode("utf-8", "replace").decode()
            raise DecodeFailure(message["code"], text)

    def _lay_out_ring(self, frame_bytes: int) -> tuple[int, int]:
        slot_bytes = -(-frame_bytes // 4096) * 4096
        slot_count = max(_MIN_SLOTS, RING_BYTES // slot_bytes)
        if slot_count * slot_bytes > self._ring_bytes:
            self._ring_bytes = slot_count * slot_bytes
            os.ftruncate(self._ring, self._ring_bytes)
        self._send(kind="ring", slot_count=slot_count, slot_bytes=slot_bytes)
        return slot_count, slot_bytes

    def _send(self, **message: Any) -> None:
        if self._is_dead:
            return
        line = json.dumps(message).encode() + b"\n"
        try:
            written = self._requests.write(line)
        except BrokenPipeError:
            return  # that it has died shows when its answer is read
        if written != len(line):
            raise DecodeFailure(CRASHED, "the decoder no longer answers")

    def _receive(self, *kinds: str) -> _Message:
        """Return the next message, which must be of one of the kinds and have its fields."""
        if self._is_dead:
            raise DecodeFailure(CRASHED, "the decoder was ended")
        while b"\n" not in self._unread:
            if len(self._unread) > _MAX_LINE_BYTES:
                raise _nonsense()
            self._patience.wait_for(self._answers.fileno())
            data = os.read(self._answers.fileno(), _MAX_LINE_BYTES)
            if not data:
                raise self._say_how_it_died()
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return _parse(line, kinds)

    def _say_how_it_died(self) -> DecodeFailure:
        try:
            code = self._process.wait(_EXIT_LIMIT_S)
        except subprocess.TimeoutExpired:
            return _nonsense()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return DecodeFailure(CRASHED, f"the decoder died of it ({how})")


class _Patience:
    """How long may still be waited for the process: for one message, and altogether."""

    def __init__(self, stall_limit_s: float, time_limit_s: float) -> None:
        self._stall_limit_s = stall_limit_s
        self._time_limit_s = time_limit_s
        self._waited_s = 0.0

    def wait_for(self, descriptor: int) -> None:
        start = time.monotonic()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        left_s = min(self._stall_limit_s, self._time_limit_s - self._waited_s)
        is_ready = poll.poll(max(0.0, left_s) * 1000)
        self._waited_s += time.monotonic() - start
        if self._waited_s > self._time_limit_s:
            limit = f"over {self._time_limit_s:g} s of waiting for its frames"
            raise DecodeFailure(TIMEOUT, f"decoding takes too long: {limit}")
        if not is_ready:
            limit = f"nothing came for {self._stall_limit_s:g} s"
            raise DecodeFailure(TIMEOUT, f"decoding hangs: {limit}")


def _make_shared_file(size: int) -> int:
    """Return a descriptor of a nameless file in memory, or on disk where the system has no such."""
    # Not in /dev/shm, which containers keep at 64 MiB.
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("gaitworks-frames")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def _environment() -> dict[str, str]:
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        # Idle threads and an arena for each would count against the memory limit.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }


_FIELDS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "ready": {},
    "stream": {"fps": (float,), "height": (int,), "width": (int,)},
    "frame": {"slot": (int,), "pts_s": (float,), "colours": (str,)},
    "end": {"code": (str, type(None)), "message": (str,), "is_worn": (bool,)},
}


_CODE: Final = re.compile(r"[a-z_]{1,40}")


def _parse(line: bytes, kinds: Sequence[str]) -> _Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise _nonsense() from None
    if not isinstance(message, dict) or message.get("kind") not in kinds:
        raise _nonsense()
    for name, types in _FIELDS[message["kind"]].items():
        if type(message.get(name)) not in types:
            raise _nonsense()
    return message


def _nonsense() -> DecodeFailure:
    return DecodeFailure(CRASHED, "the decoder says what it never should")
