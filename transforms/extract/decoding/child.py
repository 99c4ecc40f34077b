"""The process that decodes: `python -m transforms.extract.decoding.child RING_FD MEMORY_MIB`.

Its parent is `process`. They exchange lines of JSON over stdin and stdout; pixels go through
slots of a shared file, the ring. Nothing is imported here that the decoding does not need.
"""

import contextlib
import json
import mmap
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.decoding.stream import (
    OUT_OF_MEMORY,
    DecodeProblem,
    StoredPicture,
    StreamReader,
)
from transforms.processes import exit_with_parent

_Message = dict[str, Any]  # `Any`: numbers and text under a few names

RING_BYTES: Final = 64 * 2**20
"""The ring's usual size; it grows for frames of which it would hold too few."""

_LIKE_DAMAGE: Final = frozenset({"unreadable", "decode_error", "corrupt_frames", "no_frames"})
"""What FFmpeg may say of a sound file as well, where it gets no memory."""


class _Stopped(Exception):
    """The parent has given up the video at hand."""


class _Wire:
    """The two pipes to the parent."""

    def __init__(self) -> None:
        # What a library prints must not come between the answers.
        self._answers = os.dup(sys.stdout.fileno())
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self._requests: SimpleQueue[_Message] = SimpleQueue()
        threading.Thread(target=self._listen, name="listen", daemon=True).start()

    def _listen(self) -> None:
        # In a thread of its own, so that the end of the parent is noticed in the midst of a frame.
        with os.fdopen(os.dup(sys.stdin.fileno()), "rb") as requests:
            for line in requests:
                self._requests.put(json.loads(line))
        os._exit(0)

    def send(self, **message: Any) -> None:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self._answers, line) :]

    def receive(self) -> _Message:
        return self._requests.get()

    def has_more(self) -> bool:
        return not self._requests.empty()


class _Ring:
    """Slots for frames in the file shared with the parent."""

    def __init__(self, descriptor: int, wire: _Wire) -> None:
        self._descriptor = descriptor
        self._wire = wire
        self._slots: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._free: list[int] = []

    def arrange(self, slot_count: int, slot_bytes: int) -> None:
        """Lay out the file anew, as the parent says; all slots are free then."""
        # Let go of the former map before there is another.
        self._slots = np.zeros((0, 0), np.uint8)
        try:
            memory = mmap.mmap(self._descriptor, slot_count * slot_bytes)
        except OSError as error:
            raise MemoryError from error
        self._slots = np.frombuffer(memory, np.uint8).reshape(slot_count, slot_bytes)
        self._free = list(range(slot_count))

    def put(self, picture: StoredPicture) -> int:
        """Copy a picture into a free slot, when there is one, and return the slot.

        Raises:
            _Stopped: the parent wants no more of the video.
        """
        while not self._free or self._wire.has_more():
            request = self._wire.receive()
            if request["kind"] == "stop":
                raise _Stopped
            self._free.append(request["slot"])
        slot = self._free.pop()
        start = 0
        for plane in picture.planes:
            end = start + plane.size
            self._slots[slot, start:end].reshape(plane.shape)[...] = plane
            start = end
        return slot


class _Allowance:
    """The memory that a video may take on top of what the process and the ring take."""

    def __init__(self, video_bytes: int) -> None:
        own_bytes = _read_memory("VmSize") or 0
        limit = own_bytes + RING_BYTES + video_bytes
        # Not every system lets a process limit itself; the time limits hold there all the same.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        self._mark = limit - video_bytes // 2

    def is_strained(self) -> bool:
        """Say whether more than half of the allowance was ever taken."""
        peak_bytes = _read_memory("VmPeak")
        return peak_bytes is not None and peak_bytes > self._mark


def _read_memory(name: str) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def main() -> None:
    """Decode one file after the other for the parent, until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    wire = _Wire()
    exit_with_parent()  # as a pipe stays open while a fork of the parent lives
    ring = _Ring(int(sys.argv[1]), wire)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold raw frames
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    allowance = _Allowance(int(sys.argv[2]) * 2**20)
    wire.send(kind="ready")
    while True:
        request = wire.receive()
        if request["kind"] == "open":
            problem = _decode(request, wire, ring)
            is_strained = allowance.is_strained()
            if problem is not None and is_strained and problem.code in _LIKE_DAMAGE:
                problem = DecodeProblem(OUT_OF_MEMORY, f"near the memory limit: {problem.message}")
            code, message = (None, "") if problem is None else (problem.code, problem.message)
            wire.send(kind="end", code=code, message=message, is_worn=is_strained)


def _decode(request: _Message, wire: _Wire, ring: _Ring) -> DecodeProblem | None:
    reader = StreamReader(Path(request["path"]), max_pixels=request["max_pixels"])
    try:
        _send_frames(reader, wire, ring)
    except _Stopped:
        return None
    except MemoryError:
        return DecodeProblem(OUT_OF_MEMORY, "its frames take more memory than they may")
    return reader.problem


def _send_frames(reader: StreamReader, wire: _Wire, ring: _Ring) -> None:
    is_first = True
    for pts_s, picture in reader.pictures():
        if is_first:
            height, width = picture.shape
            wire.send(kind="stream", fps=reader.fps, height=height, width=width)
            answer = wire.receive()
            while answer["kind"] != "ring":  # but what was left of the former video
                answer = wire.receive()
            ring.arrange(answer["slot_count"], answer["slot_bytes"])
            is_first = False
        slot = ring.put(picture)
        wire.send(kind="frame", slot=slot, pts_s=pts_s, colours=picture.colours)


if __name__ == "__main__":
    main()
