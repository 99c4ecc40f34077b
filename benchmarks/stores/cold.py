"""Putting files out of memory, and looking whether they are."""

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path


def evict(paths: Sequence[Path]) -> None:
    """Ask the system to drop the files' pages; nobody may have them mapped."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # dirty pages cannot be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def resident_share(paths: Sequence[Path]) -> float:
    """Return which part of the files' pages is in memory, 0 to 1."""
    resident = total = 0
    for path in paths:
        size = path.stat().st_size
        if size == 0:
            continue
        pages = -(-size // mmap.PAGESIZE)
        with path.open("rb") as stream:
            # A private map is writable for ctypes and changes no file.
            view = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY)
        states = (ctypes.c_ubyte * pages)()
        address = (ctypes.c_char * size).from_buffer(view)
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.byref(address), ctypes.c_size_t(size), states)
        del address
        view.close()
        if failed:
            raise OSError(ctypes.get_errno(), "mincore")
        resident += sum(state & 1 for state in states)
        total += pages
    return resident / total if total else 0.0
