"""Compiling a plain function with numba, once per machine where its cache can be written."""

from collections.abc import Callable
from typing import Any


def compile_function(function: Callable[..., object], signature: object) -> Any:
    """Return `function` compiled for one signature, releasing the GIL; from then on from the cache.

    The cache lies in `NUMBA_CACHE_DIR`, else in `__pycache__` beside the function's file, else in
    the user's cache folder. Where none of them can be written (a read-only install without a home)
    numba refuses to decorate, and the function is compiled in memory instead, once per process.
    """
    import numba

    try:
        return numba.njit(signature, nogil=True, cache=True)(function)
    except RuntimeError as error:
        if "cannot cache function" not in str(error):
            raise
        return numba.njit(signature, nogil=True)(function)
