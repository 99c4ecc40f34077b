"""Two walks laid over each other in time: which frames show the same moments, if any do.

A local alignment: the best common part may begin and end anywhere, run at 0.5 to 2 times the speed
and a bit beyond, and skip frames. What its parts look like is not judged here.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.compiled import compile_function

_AGREEMENT: Final = 4.0
"""Mean squared difference per direction (1: what copying makes) up to which frames agree."""

Path = tuple[NDArray[np.int64], NDArray[np.int64]]


def align_walks(
    first: NDArray[np.float32], second: NDArray[np.float32], offset: NDArray[np.float32]
) -> Path:
    """Return the positions in both walks of their best common part; empty if there is none.

    Args:
        first: `(frame, direction)` float32 poses.
        second: the same of the other walk, mirrored where it is to be.
        offset: `(direction,)` float32, about by how much the first exceeds the second throughout.
    """
    _, rows, columns = _compiled_kernel()(first, second + offset, _AGREEMENT)
    if rows.size == 0:
        return rows, columns
    # A copy may differ by the same amount throughout: the second look leaves that out.
    offset = (first[rows] - second[columns]).mean(axis=0)
    _, rows, columns = _compiled_kernel()(first, second + offset, _AGREEMENT)
    return rows, columns


@cache
def _compiled_kernel() -> Any:
    from numba import types

    walk = types.Array(types.float32, 2, "C", readonly=True)
    result: Any = types.Tuple([types.float64, types.int64[::1], types.int64[::1]])  # type: ignore[no-untyped-call]  # numba has no types
    return compile_function(_align, result(walk, walk, types.float64))


def _align(
    first: NDArray[np.float32], second: NDArray[np.float32], agreement: float
) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """Find the path of greatest summed agreement by dynamic programming (Smith and Waterman)."""
    row_count, size = first.shape
    column_count = second.shape[0]
    # A step goes to the next frame of one walk and to one of the next three of the other.
    row_steps, column_steps = (1, 1, 2, 1, 3), (1, 2, 1, 3, 1)
    sums = np.zeros((row_count, column_count), np.float32)
    steps = np.zeros((row_count, column_count), np.int8)
    best = 0.0
    end_row, end_column = -1, -1
    for row in range(row_count):
        for column in range(column_count):
            distance = np.float32(0)
            for direction in range(size):
                difference = first[row, direction] - second[column, direction]
                distance += difference * difference
            gain = max(agreement - distance / size, -2 * agreement)
            before = np.float32(0)
            chosen = 0
            for step in range(5):
                from_row, from_column = row - row_steps[step], column - column_steps[step]
                if from_row >= 0 and from_column >= 0 and sums[from_row, from_column] > before:
                    before = sums[from_row, from_column]
                    chosen = step + 1
            total = before + gain
            if total > 0:
                sums[row, column] = total
                steps[row, column] = chosen
                if total > best:
                    best = total
                    end_row, end_column = row, column
    rows = np.empty(row_count, np.int64)
    columns = np.empty(row_count, np.int64)
    length = 0
    row, column = end_row, end_column
    while row >= 0:
        rows[length], columns[length] = row, column
        length += 1
        step = steps[row, column]
        if step == 0:
            break
        row -= row_steps[step - 1]
        column -= column_steps[step - 1]
    return best, rows[:length][::-1].copy(), columns[:length][::-1].copy()
