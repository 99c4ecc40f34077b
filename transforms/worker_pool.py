"""A map over worker processes in which a hanging or dying item costs that item and nothing else.

Each worker has one item at a time, with a time limit and, where asked for, a memory limit. A worker
that exceeds its time or dies is replaced; its item is tried again or reported as lost.
"""

import contextlib
import importlib
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, Literal, TypeVar

from transforms.errors import GaitworksError
from transforms.processes import exit_with_parent

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_START_LIMIT_S: Final = 120.0
_EXIT_LIMIT_S: Final = 5.0
_MAX_FAILED_STARTS: Final = 3
"""In a row: one may be the kernel's out-of-memory killer, three are a broken installation."""
_FOREVER_S: Final = 1e9


@dataclass(frozen=True)
class Lost:
    """An item without a result, because the worker that had it is gone.

    Attributes:
        cause: the worker exceeded the item's time limit, or died.
        exit_code: of a worker that died; negative: the signal.
        attempts: how often the item was tried.
    """

    cause: Literal["timeout", "died"]
    exit_code: int | None
    attempts: int


@dataclass(frozen=True)
class Limits(Generic[_Item]):
    """What one item may cost.

    Attributes:
        time_s: the time an item may take; None: any.
        memory_bytes: address space of a worker; None: any.
        attempts: how often an item is tried before it is lost.
        preload: modules a worker imports before its first item's clock runs.
    """

    time_s: Callable[[_Item], float] | None = None
    memory_bytes: int | None = None
    attempts: int = 1
    preload: tuple[str, ...] = ()


@dataclass
class _Worker:
    """A process, the item it has (None: it is starting) and when it must be done."""

    process: BaseProcess
    connection: Connection
    deadline: float
    position: int | None = None

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def map_in_workers(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    *,
    worker_count: int,
    limits: Limits[_Item],
) -> Iterator[tuple[int, _Result | Lost]]:
    """Yield `(position, function(item))` as workers finish, in any order.

    `function`, the items and the results must be picklable. An exception in `function` ends the
    map and is raised here; expected failures should be results.

    Raises:
        GaitworksError: workers do not even start.
    """
    pool = _Pool(function, items, limits)
    try:
        yield from pool.run(max(worker_count, 1))
    finally:
        for worker in pool.workers:
            worker.stop()


def map_in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], *, worker_count: int
) -> Iterator[tuple[int, _Result]]:
    """Yield `(position, function(item))` as workers finish, in any order; every item must succeed.

    As `map_in_workers` without limits; one worker or one item means that no process is started.

    Raises:
        GaitworksError: a worker died (killed, out of memory) with its item open.
    """
    if worker_count <= 1 or len(items) <= 1:
        for position, item in enumerate(items):
            yield position, function(item)
        return
    for position, result in map_in_workers(
        function, items, worker_count=worker_count, limits=Limits()
    ):
        if isinstance(result, Lost):
            raise GaitworksError(
                "a worker process died before its work was done",
                expected="a result from every worker",
                found=f"exit code {result.exit_code}",
                fix="look for the kernel's out-of-memory killer; run again, finished work is kept; "
                "a smaller runtime.worker_count needs less memory",
            )
        yield position, result


class _Pool(Generic[_Item, _Result]):
    """The workers of one map and the items that are still open."""

    def __init__(
        self,
        function: Callable[[_Item], _Result],
        items: Sequence[_Item],
        limits: Limits[_Item],
    ) -> None:
        self.workers: list[_Worker] = []
        self._function = function
        self._items = items
        self._limits = limits
        self._waiting = deque(range(len(items)))
        self._tried = [0] * len(items)
        self._failed_starts = 0

    def run(self, worker_count: int) -> Iterator[tuple[int, _Result | Lost]]:
        while self._waiting or self._busy():
            wanted = min(worker_count, len(self._waiting) + self._busy())
            while len(self.workers) < wanted:
                self.workers.append(self._start())
            nearest = min(worker.deadline for worker in self.workers)
            timeout_s = min(max(0.0, nearest - time.monotonic()), 3600.0)
            ready = wait([worker.connection for worker in self.workers], timeout_s)
            for worker in list(self.workers):
                if worker.connection in ready:
                    results = self._receive(worker)
                elif worker.deadline <= time.monotonic():
                    worker.process.kill()
                    results = self._bury(worker, "timeout")
                else:
                    continue
                # First: the worker need not wait for what is done with its result.
                self._feed(worker)
                yield from results

    def _busy(self) -> int:
        return sum(worker.position is not None for worker in self.workers)

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve,
            args=(theirs, self._function, self._limits.memory_bytes, self._limits.preload),
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, time.monotonic() + _START_LIMIT_S)

    def _receive(self, worker: _Worker) -> list[tuple[int, _Result | Lost]]:
        """Return the result a worker has sent; none where it says that it has started."""
        try:
            is_error, answer = worker.connection.recv()
        except (EOFError, OSError):  # also in the middle of an answer
            return self._bury(worker, "died")
        if is_error:
            raise answer
        position, worker.position = worker.position, None
        self._failed_starts = 0
        return [] if position is None else [(position, answer)]

    def _bury(
        self, worker: _Worker, cause: Literal["timeout", "died"]
    ) -> list[tuple[int, _Result | Lost]]:
        """Let go of a worker and return its item as lost, unless that is to be tried again."""
        worker.process.join(_EXIT_LIMIT_S)
        exit_code = worker.process.exitcode
        worker.stop()
        self.workers.remove(worker)
        position, worker.position = worker.position, None
        if position is None:
            self._note_failed_start(exit_code)
            return []
        if self._tried[position] < self._limits.attempts:
            self._waiting.append(position)
            return []
        return [(position, Lost(cause, exit_code, self._tried[position]))]

    def _note_failed_start(self, exit_code: int | None) -> None:
        self._failed_starts += 1
        if self._failed_starts == _MAX_FAILED_STARTS:
            raise GaitworksError(
                "a worker process does not start",
                expected=f"a start within {_START_LIMIT_S:g} s",
                found=f"exit code {exit_code}",
                fix="run `gaitworks doctor`",
            )

    def _feed(self, worker: _Worker) -> None:
        """Give a worker that is free its next item; without one it is let go."""
        if worker not in self.workers:
            return
        if not self._waiting or not worker.process.is_alive():
            worker.stop()
            self.workers.remove(worker)
            return
        position = self._waiting.popleft()
        item = self._items[position]
        allowed_s = self._limits.time_s(item) if self._limits.time_s else _FOREVER_S
        worker.position = position
        worker.deadline = time.monotonic() + allowed_s
        self._tried[position] += 1
        # A worker that has died meanwhile shows when its answer is read.
        with contextlib.suppress(BrokenPipeError):
            worker.connection.send(item)


def _serve(
    connection: Connection,
    function: Callable[[Any], Any],  # `Any`: the map's item and result
    memory_bytes: int | None,
    preload: tuple[str, ...],
) -> None:
    """Answer every item with its result until the parent hangs up."""
    exit_with_parent()
    for module in preload:
        importlib.import_module(module)
    # Not every system lets a process limit itself; the time limit holds there all the same.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold raw frames
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    connection.send((False, None))
    with contextlib.suppress(EOFError):
        while True:
            item = connection.recv()
            try:
                answer = (False, function(item))
            except Exception as error:
                answer = (True, error)
            connection.send(answer)
