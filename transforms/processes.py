"""What every worker process needs: to die with its parent, and to know how many there may be."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_GROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
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


@contextlib.contextmanager
def spare_collector() -> Iterator[None]:
    """Load things inside without the cyclic collector, and hide them from it afterwards.

    What was imported stays: walking through the frameworks' objects again and again, at the end of
    the process once more, is near half of what their import costs.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def measure_age() -> float | None:
    """Return for how many seconds this process has run; None where the system does not tell."""
    try:
        # The name, in brackets, may hold anything; the 22nd field is the start in ticks after boot.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return float(Path("/proc/uptime").read_text().split()[0]) - began_s
    except (OSError, ValueError, IndexError):
        return None


def share_memory(worker_count: int, fraction: float) -> int:
    """Return the bytes of memory that each worker may have, if all together have a fraction."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no control groups, or no limit ("max")
        total = min(total, int(_GROUP_LIMIT.read_text()))
    return int(total * fraction) // max(1, worker_count)


def count_workers(setting: int) -> int:
    """Return the number of workers for a `runtime.worker_count`; 0 means one per usable core."""
    return setting or len(os.sched_getaffinity(0))
