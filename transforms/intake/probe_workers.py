"""Probing many videos in processes that a bad file can hang or crash without harm.

Each worker reads one file at a time with a time and a memory limit; a worker that exceeds its time
or dies costs its file only, and a new one takes over.
"""

import contextlib
import resource
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from transforms.errors import GaitworksError
from transforms.intake.probe import Fault, ProbeResult, inspect_video
from transforms.processes import exit_with_parent
from transforms.settings import IntakeSettings

_MEMORY_BYTES: Final = 4 * 2**30
_START_LIMIT_S: Final = 120.0
_EXIT_LIMIT_S: Final = 5.0

# Hashing reads the whole file: on a slow disk a large one needs its time and does not hang.
_SLOWEST_BYTES_PER_S: Final = 10 * 2**20


@dataclass
class _Worker:
    """A process, the file it reads now (None: still starting) and when it must be done."""

    process: BaseProcess
    connection: Connection
    deadline: float
    position: int | None = None

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def probe_videos(
    paths: Sequence[Path],
    settings: IntakeSettings,
    *,
    worker_count: int,
    memory_bytes: int = _MEMORY_BYTES,
) -> Iterator[tuple[int, ProbeResult]]:
    """Yield `(position, result)` for every path as workers finish, in any order.

    A file whose reader hangs is refused as `probe_timeout`, one that crashes it as `probe_failed`.

    Raises:
        GaitworksError: workers do not even start.
    """
    waiting = deque(range(len(paths)))
    workers: list[_Worker] = []
    busy = 0
    try:
        while waiting or busy:
            wanted = min(max(worker_count, 1), len(waiting) + busy)
            while len(workers) < wanted:
                workers.append(_start(settings, memory_bytes))
            timeout_s = max(0.0, min(worker.deadline for worker in workers) - time.monotonic())
            ready = wait([worker.connection for worker in workers], timeout_s)
            for worker in list(workers):
                if worker.connection in ready:
                    result = _receive(worker)
                elif worker.deadline <= time.monotonic():
                    result = _time_out(worker, settings)
                else:
                    continue
                if worker.position is not None and result is not None:
                    yield worker.position, result
                    busy -= 1
                if waiting and worker.process.is_alive():
                    worker.position = waiting.popleft()
                    _send(worker, paths[worker.position], settings)
                    busy += 1
                else:
                    worker.stop()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.stop()


def _start(settings: IntakeSettings, memory_bytes: int) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, settings, memory_bytes), name="probe", daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process, ours, time.monotonic() + _START_LIMIT_S)


def _serve(connection: Connection, settings: IntakeSettings, memory_bytes: int) -> None:
    """Answer every path with its result until the parent hangs up."""
    exit_with_parent()
    import av  # noqa: F401  # before the clock of the first file runs

    # Not every system lets a process limit itself; the time limit holds there all the same.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold raw frames
    connection.send(None)
    with contextlib.suppress(EOFError):
        while True:
            connection.send(inspect_video(connection.recv(), settings))


def _send(worker: _Worker, path: Path, settings: IntakeSettings) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    allowed_s = settings.probe_timeout_s + min(size, settings.max_video_bytes) / (
        _SLOWEST_BYTES_PER_S
    )
    worker.deadline = time.monotonic() + allowed_s
    # A worker that has died meanwhile shows when its answer is read.
    with contextlib.suppress(BrokenPipeError):
        worker.connection.send(path)


def _receive(worker: _Worker) -> ProbeResult | None:
    """Return the worker's answer, or None for its first word: that it is there."""
    try:
        answer: ProbeResult | None = worker.connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(_EXIT_LIMIT_S)
        worker.process.kill()
        worker.process.join()
        if worker.position is None:
            raise GaitworksError(
                "the process that probes videos does not start",
                found=f"exit code {worker.process.exitcode}",
                fix="run `gaitworks doctor`",
            ) from None
        return ProbeResult(
            faults=(Fault("probe_failed", "reading it crashes the reader", "a readable video"),)
        )
    return answer


def _time_out(worker: _Worker, settings: IntakeSettings) -> ProbeResult:
    worker.process.kill()
    worker.process.join()
    if worker.position is None:
        raise GaitworksError(
            "the process that probes videos does not start",
            expected=f"a start within {_START_LIMIT_S:g} s",
            fix="run `gaitworks doctor`",
        )
    expected = f"an answer within {settings.probe_timeout_s:g} s"
    return ProbeResult(faults=(Fault("probe_timeout", "reading it takes too long", expected),))
