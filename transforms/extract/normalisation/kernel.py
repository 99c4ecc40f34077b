"""The arithmetic of one silhouette, compiled: rows, columns, bicubic scaling, centre and cut.

Plain functions that numba compiles on first use (`compiled_kernel`), because importing numba takes
half a second. One thread, no fused multiply-add: the same bytes on every machine. What the rule
is and how its outcomes are named to a user belongs in `transforms.extract.normalisation.normalise`.
"""

from collections.abc import Callable
from functools import cache
from math import ceil, floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.compiled import compile_function

SIZE_PX: Final = 64
HALF_PX: Final = SIZE_PX // 2
MIN_SUM: Final = 10_000
"""The field drops masks whose grey levels sum to this or less (about 39 white pixels)."""

KEPT: Final = 0
TOO_LIGHT: Final = 1
UNCENTRED: Final = 2
UNDECIDED: Final = 3

_BLOCK_ROWS: Final = 16
_TAP_COUNT: Final = 4
_MIN_SOURCE_PX: Final = 4
"""With fewer rows or columns OpenCV's x86 wheels use other weights, in steps of 1/2048."""
_ROUNDER: Final = np.float32(1.5 * 2**23)
"""Added and taken away again it rounds a float32 to the nearest integer, halves to even."""
_NEAR_HALF: Final = np.float32(0.5 - 1e-4)
"""A level this far from its integer may be rounded the other way by OpenCV (seen: 0.5 - 3e-5)."""

Kernel = Callable[[NDArray[np.uint8], int, int, NDArray[np.uint8]], int]
"""`normalise_into`: mask, column of its left edge in the frame, frame width, silhouette."""


@cache
def compiled_kernel() -> Kernel:
    """Return `normalise_into`, compiled: see `compile_function`."""
    from numba import types
    from numba.extending import register_jitable

    helpers: tuple[Callable[..., object], ...] = (
        _holds,
        _find_rows,
        _is_heavy,
        _fill_taps,
        _find_columns,
        _scale_rows,
        _scale_columns,
        _find_centre,
    )
    for helper in helpers:
        register_jitable(helper)
    # Writable arrays are accepted where read-only ones are, but not the other way round.
    mask = types.Array(types.uint8, 2, "C", readonly=True)
    signature = types.int64(mask, types.int64, types.int64, types.uint8[:, ::1])
    kernel: Kernel = compile_function(normalise_into, signature)
    return kernel


def normalise_into(
    mask: NDArray[np.uint8], left: int, frame_width: int, silhouette: NDArray[np.uint8]
) -> int:
    """Write the silhouette of a mask that begins at the frame's column `left`.

    Args:
        mask: `(height, width)` uint8, contiguous; 0..255, or {0, 1} which mean {0, 255}. Empty
            rows of the frame above and below make no difference.
        left: column of the frame.
        frame_width: in pixels; the rule scales by the full width.
        silhouette: `(64, 64)` uint8 zeros, written only if the result is KEPT.

    Returns:
        KEPT, TOO_LIGHT, UNCENTRED, or UNDECIDED where only OpenCV itself can tell what it does:
        fewer than four rows or columns, or halves between two grey levels that move the centre.
    """
    top, bottom = _find_rows(mask)
    is_heavy, white = _is_heavy(mask[top:bottom])
    if not is_heavy:
        return TOO_LIGHT
    row_count = bottom - top
    if row_count < _MIN_SOURCE_PX or frame_width < _MIN_SOURCE_PX:
        return UNDECIDED
    width = SIZE_PX * frame_width // row_count
    if width == 0:
        return UNCENTRED
    rows = np.empty((_TAP_COUNT, SIZE_PX), np.uint32)
    row_weights = np.empty((_TAP_COUNT, SIZE_PX), np.float32)
    _fill_taps(row_count, SIZE_PX, 0, rows, row_weights)
    row_weights *= np.float32(white)
    begin, end = _find_columns(mask[top:bottom], rows)
    if begin == end:
        return UNCENTRED

    # Only these columns of the scaled picture can hold something.
    scale = frame_width / width
    first = max(floor((left + begin - 1.5) / scale - 0.5), 0)
    last = min(ceil((left + end + 1.5) / scale + 0.5), width)
    columns = np.empty((_TAP_COUNT, last - first), np.uint32)
    column_weights = np.empty((_TAP_COUNT, last - first), np.float32)
    _fill_taps(frame_width, width, first, columns, column_weights)
    for tap in range(_TAP_COUNT):
        for x in range(last - first):
            column = int(columns[tap, x]) - (left + begin) + 1
            columns[tap, x] = min(max(column, 0), end - begin + 1)
    squeezed = _scale_rows(mask[top:bottom, begin:end], rows, row_weights)
    scaled, near_halves = _scale_columns(squeezed, columns, column_weights)

    column, margin = _find_centre(scaled)
    if near_halves > 0 and margin <= 2 * near_halves:
        return UNDECIDED
    centre = first + column
    # The field's tool takes column 0 for "no centre found"; its output is the contract.
    if column < 0 or centre == 0:
        return UNCENTRED
    begin = max(centre - HALF_PX, first)
    end = min(centre + HALF_PX, last)
    offset = begin - (centre - HALF_PX)
    for out in range(SIZE_PX):
        # Slices and indices from 0 on: numba then needs no check for negative ones.
        source = scaled[out, begin - first : end - first]
        target = silhouette[out, offset : offset + end - begin]
        for x in range(end - begin):
            target[x] = source[x]
    return KEPT


def _holds(line: NDArray[np.uint8]) -> bool:
    """Tell whether a row holds anything; without a branch, so that it compiles to wide reads."""
    bits = np.uint8(0)
    for x in range(line.size):
        bits |= line[x]
    return bool(bits != 0)


def _find_rows(mask: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the half-open range of rows that holds the figure, an empty one if there is none."""
    height, width = mask.shape
    pixels = mask.reshape(height * width)
    top, bottom = 0, height
    # Many rows at once, as long as they are empty: long reads are what memory is good at.
    while top + _BLOCK_ROWS <= bottom:
        if _holds(pixels[top * width : (top + _BLOCK_ROWS) * width]):
            break
        top += _BLOCK_ROWS
    while top < bottom and not _holds(mask[top]):
        top += 1
    while top + _BLOCK_ROWS <= bottom:
        if _holds(pixels[(bottom - _BLOCK_ROWS) * width : bottom * width]):
            break
        bottom -= _BLOCK_ROWS
    while top < bottom and not _holds(mask[bottom - 1]):
        bottom -= 1
    return top, bottom


def _is_heavy(band: NDArray[np.uint8]) -> tuple[bool, int]:
    """Tell whether the mass passes the limit, and by how much to multiply grey levels.

    Stops reading as soon as both are certain: a level above 1 rules out {0, 1}.
    """
    mass = 0
    bits = np.uint8(0)
    for y in range(band.shape[0]):
        line = band[y]
        for x in range(line.size):
            mass += int(line[x])
            bits |= line[x]
        if bits > 1 and mass > MIN_SUM:
            return True, 1
    white = 255 if bits == 1 else 1
    return mass * white > MIN_SUM, white


def _fill_taps(
    source_px: int,
    target_px: int,
    first: int,
    taps: NDArray[np.uint32],
    weights: NDArray[np.float32],
) -> None:
    """Fill the four source positions and weights of the target pixels from `first` on.

    Cubic convolution with a = -0.75; a position outside is the border's.
    """
    scale = source_px / target_px
    for x in range(taps.shape[1]):
        position = (first + x + 0.5) * scale - 0.5
        base = floor(position)
        f = position - base
        g = 1.0 - f
        weights[0, x] = -0.75 * f * g * g
        weights[1, x] = (1.25 * f - 2.25) * f * f + 1.0
        weights[2, x] = (1.25 * g - 2.25) * g * g + 1.0
        weights[3, x] = -0.75 * g * f * f
        for tap in range(_TAP_COUNT):
            taps[tap, x] = min(max(base - 1 + tap, 0), source_px - 1)


def _find_columns(band: NDArray[np.uint8], rows: NDArray[np.uint32]) -> tuple[int, int]:
    """Return the half-open range of columns with anything in a row that is sampled."""
    used = np.zeros(band.shape[1], np.uint8)
    for out in range(SIZE_PX):
        row0, row1 = band[rows[0, out]], band[rows[1, out]]
        row2, row3 = band[rows[2, out]], band[rows[3, out]]
        for x in range(used.size):
            used[x] |= row0[x] | row1[x] | row2[x] | row3[x]
    begin, end = 0, used.size
    while begin < end and used[begin] == 0:
        begin += 1
    while begin < end and used[end - 1] == 0:
        end -= 1
    return begin, end


def _scale_rows(
    band: NDArray[np.uint8], rows: NDArray[np.uint32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the band at height 64, `(64, width + 2)`: an empty column stands on both sides."""
    width = band.shape[1]
    squeezed = np.zeros((SIZE_PX, width + 2), np.float32)
    for out in range(SIZE_PX):
        line = squeezed[out, 1:]
        row0, row1 = band[rows[0, out]], band[rows[1, out]]
        row2, row3 = band[rows[2, out]], band[rows[3, out]]
        w0, w1, w2, w3 = weights[0, out], weights[1, out], weights[2, out], weights[3, out]
        for x in range(width):
            # In pairs: edges half-way between two rows come out exact, as OpenCV's mostly do.
            line[x] = (np.float32(row0[x]) * w0 + np.float32(row1[x]) * w1) + (
                np.float32(row2[x]) * w2 + np.float32(row3[x]) * w3
            )
    return squeezed


def _scale_columns(
    squeezed: NDArray[np.float32], columns: NDArray[np.uint32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], int]:
    """Return `(64, target width)` uint8 0..255, and how many levels were close to a half."""
    width = columns.shape[1]
    levels = np.empty((SIZE_PX, width), np.float32)
    for x in range(width):
        column0, column1, column2, column3 = (
            columns[0, x],
            columns[1, x],
            columns[2, x],
            columns[3, x],
        )
        w0, w1, w2, w3 = weights[0, x], weights[1, x], weights[2, x], weights[3, x]
        for out in range(SIZE_PX):
            levels[out, x] = (squeezed[out, column0] * w0 + squeezed[out, column1] * w1) + (
                squeezed[out, column2] * w2 + squeezed[out, column3] * w3
            )
    # Apart from the loop above, this one compiles to vector instructions.
    scaled = np.empty((SIZE_PX, width), np.uint8)
    near_halves = 0
    level_of, scaled_of = levels.reshape(levels.size), scaled.reshape(scaled.size)
    for pixel in range(level_of.size):
        level = level_of[pixel]
        whole = (level + _ROUNDER) - _ROUNDER
        near_halves += abs(level - whole) > _NEAR_HALF
        scaled_of[pixel] = np.uint8(min(max(whole, np.float32(0)), np.float32(255)))
    return scaled, near_halves


def _find_centre(scaled: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the first column whose cumulative mass exceeds half, -1 if none, and by how little.

    The second value is the change of twice that mass, or of the total, that might move the centre.
    """
    masses = np.zeros(scaled.shape[1], np.int32)
    for out in range(0, SIZE_PX, 4):
        row0, row1, row2, row3 = scaled[out], scaled[out + 1], scaled[out + 2], scaled[out + 3]
        for x in range(masses.size):
            masses[x] += int(row0[x]) + int(row1[x]) + int(row2[x]) + int(row3[x])
    excess = 0
    for x in range(masses.size):
        excess -= int(masses[x])
    for x in range(masses.size):
        before = excess
        excess += 2 * int(masses[x])
        if excess > 0:
            return x, min(excess, -before)
    return -1, 0
