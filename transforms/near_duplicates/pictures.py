"""Silhouettes to small pictures that a copy shares with its source.

Each frame is laid out anew by its own mass: height from mass quantiles, middle at the mass median,
both between pixels. So a mirrored, moved or scaled copy gives the same picture up to sampling.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.compiled import compile_function

PICTURE_ROWS: Final = 32
PICTURE_COLUMNS: Final = 22
HALF_SIZE: Final = PICTURE_ROWS * PICTURE_COLUMNS // 2
_TAIL: Final = 0.01
"""Of the mass lies above the first inner row and below the last: a stray pixel moves neither."""

Pictures = NDArray[np.float32]  # (frame, PICTURE_ROWS, PICTURE_COLUMNS), 0..1
Halves = tuple[NDArray[np.float64], NDArray[np.float64]]


def shrink_frames(silhouettes: NDArray[np.uint8]) -> Pictures:
    """Return `(frame, height, width)` uint8 silhouettes as pictures; empty frames stay zero."""
    pictures = np.zeros((len(silhouettes), PICTURE_ROWS, PICTURE_COLUMNS), dtype=np.float32)
    if silhouettes.size:
        _compiled_kernel()(np.ascontiguousarray(silhouettes), pictures)
    return pictures


def split_halves(pictures: NDArray[Any]) -> Halves:
    """Return what mirroring keeps and what it turns round, each `(picture, HALF_SIZE)` float64."""
    half = PICTURE_COLUMNS // 2
    left = pictures[:, :, :half].astype(np.float64)
    right = pictures[:, :, : half - 1 : -1].astype(np.float64)
    shape = len(pictures), HALF_SIZE
    return ((left + right) / 2).reshape(shape), ((left - right) / 2).reshape(shape)


@cache
def _compiled_kernel() -> Any:
    from numba import types

    frames = types.Array(types.uint8, 3, "C", readonly=True)
    return compile_function(_shrink, types.void(frames, types.float32[:, :, ::1]))


def _shrink(frames: NDArray[np.uint8], pictures: Pictures) -> None:
    """Average each frame over the cells of a grid that its own mass places."""
    count, height, width = frames.shape
    rows, columns = pictures.shape[1], pictures.shape[2]
    mass = np.zeros((height + 1, width + 1), np.float64)  # of all pixels above and to the left
    edge = np.empty(columns + 1, np.float64)
    above = np.empty(columns + 1, np.float64)
    for index in range(count):
        for y in range(height):
            run = 0.0
            for x in range(width):
                run += frames[index, y, x]
                mass[y + 1, x + 1] = mass[y, x + 1] + run
        total = mass[height, width]
        if total == 0:
            continue
        middle = width / 2.0
        for x in range(width):
            if mass[height, x + 1] > total / 2:
                step = mass[height, x + 1] - mass[height, x]
                middle = x + (total / 2 - mass[height, x]) / step
                break
        top, bottom = 0.0, float(height)
        for y in range(height):
            if mass[y + 1, width] > _TAIL * total:
                step = mass[y + 1, width] - mass[y, width]
                top = y + (_TAIL * total - mass[y, width]) / step
                break
        for y in range(height - 1, -1, -1):
            if mass[y, width] < (1 - _TAIL) * total:
                step = mass[y + 1, width] - mass[y, width]
                bottom = y + ((1 - _TAIL) * total - mass[y, width]) / step
                break
        cell = max((bottom - top) / (rows - 2), 1e-6)
        for column in range(columns + 1):
            edge[column] = min(max(middle + (column - columns / 2) * cell, 0.0), float(width))
        last = 0.0
        for row in range(rows + 1):
            y_edge = min(max(top + (row - 1) * cell, 0.0), float(height))
            y0 = min(int(y_edge), height - 1)
            fy = y_edge - y0
            for column in range(columns + 1):
                x0 = min(int(edge[column]), width - 1)
                fx = edge[column] - x0
                upper = mass[y0, x0] * (1 - fx) + mass[y0, x0 + 1] * fx
                lower = mass[y0 + 1, x0] * (1 - fx) + mass[y0 + 1, x0 + 1] * fx
                here = upper * (1 - fy) + lower * fy
                if row > 0 and column > 0:
                    inside = here - last - above[column] + above[column - 1]
                    pictures[index, row - 1, column - 1] = inside / (255 * cell * cell)
                if column > 0:
                    above[column - 1] = last
                last = here
            above[columns] = last
