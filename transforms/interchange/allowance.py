"""How much memory a worker may take for one item, on top of what it takes already."""

import contextlib
import os
import resource
from pathlib import Path
from typing import Final

_OWN_PAGES: Final = Path("/proc/self/statm")


def allow_memory(extra_bytes: int) -> None:
    """Limit this process's address space to what it has now and `extra_bytes` more.

    A fixed limit would not do: what the libraries reserve grows with the machine's cores.
    """
    # Not every system tells its processes' sizes or lets them be limited; time limits hold there.
    with contextlib.suppress(OSError, ValueError):
        pages = int(_OWN_PAGES.read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + extra_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
