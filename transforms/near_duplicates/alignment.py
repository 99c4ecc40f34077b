"""Two walks laid over each other in time: which frames show the same moments, if any do.

A local alignment: the best common part may begin and end anywhere, run at a third to three times
the speed, and skip frames. What its parts look like is not judged here.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.compiled import compile_function

_AGREEMENT: Final = 6.0
"""Mean squared difference per direction (1: what copying makes) up to which frames agree."""
_FIRST_AGREEMENT: Final = 8.0  # as long as what differs throughout is not known
_SKIP: Final = 1.0
"""What a step that skips costs: noise must not make a path jitter."""

Path = tuple[NDArray[np.int64], NDArray[np.int64]]


def align_walks(first: NDArray[np.float32], second: NDArray[np.float32]) -> Path:
    """Return the positions in both walks of their best common part; empty if there is none.

    Args:
        first: `(frame, direction)` float32 poses.
        second: the same of the other walk, mirrored where it is to be.
    """
    kernel, turned = _compiled_kernel(), np.ascontiguousarray(second.T)
    # A copy may differ by the same amount throughout: none at first, or that of the means, and
    # then what was seen in the common part.
    means = (first.mean(axis=0) - second.mean(axis=0)).astype(np.float32)
    starts = [
        kernel(first, turned + offset[:, None], _FIRST_AGREEMENT)
        for offset in (np.zeros_like(means), means)
    ]
    _, rows, columns = max(starts, key=lambda start: float(start[0]))
    if rows.size == 0:
        return rows, columns
    offset = np.median(first[rows] - second[columns], axis=0).astype(np.float32)
    _, rows, columns = kernel(first, turned + offset[:, None], _AGREEMENT)
    return rows, columns


@cache
def _compiled_kernel() -> Any:
    from numba import types

    walk = types.Array(types.float32, 2, "C", readonly=True)
    result: Any = types.Tuple([types.float32, types.int64[::1], types.int64[::1]])  # type: ignore[no-untyped-call]  # numba has no types
    return compile_function(_align, result(walk, walk, types.float32))


def _align(
    first: NDArray[np.float32], second: NDArray[np.float32], agreement: float
) -> tuple[np.floating[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Find the path of greatest summed agreement by dynamic programming (Smith and Waterman).

    The second walk is `(direction, frame)`: the innermost loop then runs over neighbours in memory.
    """
    row_count, size = first.shape
    column_count = second.shape[1]
    # A step goes to the next frame of one walk and to one of the next three of the other.
    row_steps, column_steps = (0, 1, 1, 2, 1, 3), (0, 1, 2, 1, 3, 1)
    edge = 3  # zeros before the first row and column stand for paths that begin there
    sums = np.zeros((row_count + edge, column_count + edge), np.float32)
    steps = np.zeros((row_count, column_count), np.int8)
    distance = np.empty(column_count, np.float32)
    scale = np.float32(1 / size)
    worst = -2 * agreement
    skip = np.float32(_SKIP)
    best = np.float32(0)
    row, column = -1, -1
    for r in range(row_count):
        distance[:] = 0
        for direction in range(size):
            value = first[r, direction]
            for c in range(column_count):
                difference = value - second[direction, c]
                distance[c] += difference * difference
        one, two, three = sums[r + edge - 1], sums[r + edge - 2], sums[r + edge - 3]
        here = sums[r + edge]
        for c in range(column_count):
            before, step = one[c + edge - 1], 1
            if one[c + edge - 2] - skip > before:
                before, step = one[c + edge - 2] - skip, 2
            if two[c + edge - 1] - skip > before:
                before, step = two[c + edge - 1] - skip, 3
            if one[c + edge - 3] - skip > before:
                before, step = one[c + edge - 3] - skip, 4
            if three[c + edge - 1] - skip > before:
                before, step = three[c + edge - 1] - skip, 5
            if before <= 0:
                before, step = np.float32(0), 0
            total = before + max(agreement - distance[c] * scale, worst)
            if total > 0:
                here[c + edge] = total
                steps[r, c] = step
                if total > best:
                    best = total
                    row, column = r, c
    rows = np.empty(row_count, np.int64)
    columns = np.empty(row_count, np.int64)
    length = 0
    while row >= 0:
        rows[length], columns[length] = row, column
        length += 1
        step = steps[row, column]
        if step == 0:
            break
        row -= row_steps[step]
        column -= column_steps[step]
    return best, rows[:length][::-1].copy(), columns[:length][::-1].copy()
