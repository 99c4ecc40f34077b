"""Worker processes that die with their parent, and a map over them that names a lost worker."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Final, TypeVar

from transforms.errors import GaitworksError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_PARENT_POLL_S: Final = 0.5


def exit_with_parent() -> None:
    """Watch the parent from a daemon thread and leave at once when it is gone.

    Without this a SIGKILL of the parent leaves workers behind that hold memory and may still write.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_S)
        os._exit(1)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()


def count_workers(setting: int) -> int:
    """Return the number of workers for a `runtime.worker_count`; 0 means one per usable core."""
    return setting or len(os.sched_getaffinity(0))


def map_in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], *, worker_count: int
) -> Iterator[tuple[int, _Result]]:
    """Yield `(position, function(item))` as workers finish, in any order.

    `function` and the items must be picklable; it should turn expected failures into results,
    since an exception in it ends the map. One worker means no process is started.

    Raises:
        GaitworksError: a worker died (killed, out of memory) with items still open.
    """
    if worker_count <= 1 or len(items) <= 1:
        for position, item in enumerate(items):
            yield position, function(item)
        return
    pool = ProcessPoolExecutor(
        min(worker_count, len(items)), get_context("spawn"), initializer=exit_with_parent
    )
    pending: dict[Future[_Result], int] = {}
    try:
        for position, item in enumerate(items):
            pending[pool.submit(function, item)] = position
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=pending.__getitem__):
                yield pending.pop(future), future.result()
    except BrokenProcessPool as error:
        raise GaitworksError(
            "a worker process died before its work was done",
            expected="a result from every worker",
            found=f"{len(pending)} open item(s)",
            fix="look for the kernel's out-of-memory killer; run again, finished work is kept; "
            "a smaller runtime.worker_count needs less memory",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
