"""What every worker process needs: to die with its parent, and to know how many there may be."""

import os
import threading
import time
from typing import Final

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
