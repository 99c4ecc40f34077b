"""From stored rows to pixels, compiled: one pass over memory, eight pixels at a time by a table.

Which rows are wanted, and whether they are intact, belongs in `training.frame_store`; unpacking
on the device of the model in `training.device_unpack`.
"""

from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.compiled import compile_function

FRAME_HEIGHT_PX: Final = 64
FRAME_WIDTH_PX: Final = 44
FRAME_PX: Final = FRAME_HEIGHT_PX * FRAME_WIDTH_PX
PACKED_BYTES: Final = FRAME_PX // 8
"""A binary frame: its pixels row by row, the first in the highest bit."""

Rows = NDArray[np.uint8]


class Kernels(NamedTuple):
    """The compiled functions; of all arrays the first is read and the last is written."""

    expand_bits: Callable[[Rows, NDArray[np.int64], NDArray[np.int64]], None]
    scale_grey: Callable[[Rows, NDArray[np.float32], NDArray[np.float32]], None]
    widen_bits: Callable[[Rows, NDArray[np.uint64]], None]


@cache
def compiled_kernels() -> Kernels:
    """Return the kernels; importing numba takes half a second, so it happens here."""
    from numba import types

    # Writable arrays are accepted where read-only ones are, but not the other way round.
    rows = types.Array(types.uint8, 2, "C", readonly=True)
    words, levels = types.int64[:, ::1], types.float32[::1]
    return Kernels(
        compile_function(_expand_bits, types.void(rows, words, words)),
        compile_function(_scale_grey, types.void(rows, levels, types.float32[:, ::1])),
        compile_function(_widen_bits, types.void(rows, types.uint64[:, ::1])),
    )


@cache
def bit_levels() -> NDArray[np.float32]:
    """Return what a byte of a binary frame stands for: `(256, 8) float32` {0, 1}."""
    return np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=-1).astype(np.float32)


@cache
def grey_levels() -> NDArray[np.float32]:
    """Return what a byte of a grey frame stands for: `(256,) float32`, exactly value / 255."""
    return np.arange(256, dtype=np.float32) / np.float32(255)


def unpack_to_float(rows: Rows, out: NDArray[np.float32]) -> None:
    """Write frames as floats in [0, 1].

    Args:
        rows: `(frame, 352) uint8` binary or `(frame, 2816) uint8` grey, contiguous.
        out: `(frame, 2816) float32`, contiguous.
    """
    if rows.shape[1] == FRAME_PX:
        compiled_kernels().scale_grey(rows, grey_levels(), out)
    else:
        # Two floats to a word: only whole words are copied, so no compiler has to be clever.
        table = bit_levels().view(np.int64)  # (256, 4)
        compiled_kernels().expand_bits(rows, table, out.view(np.int64))


def unpack_to_uint8(rows: Rows, out: Rows | None = None) -> Rows:
    """Return consecutive frames as `(frame, 64, 44) uint8`, binary ones as {0, 255}.

    Args:
        rows: `(frame, 352) uint8` binary or `(frame, 2816) uint8` grey, contiguous.
        out: `(frame, 64, 44) uint8`, contiguous, to write to; None: a new array.
    """
    if out is None:
        out = np.empty((len(rows), FRAME_HEIGHT_PX, FRAME_WIDTH_PX), np.uint8)
    pixels = out.reshape(len(rows), FRAME_PX)
    if rows.shape[1] == FRAME_PX:
        pixels[:] = rows
    else:
        compiled_kernels().widen_bits(rows, pixels.view(np.uint64))
    return out


def _expand_bits(rows: Rows, table: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Write four words for every byte."""
    for i in range(rows.shape[0]):
        source, target = rows[i], out[i]
        for byte in range(source.size):
            words = table[source[byte]]
            # All reads before the writes: the compiler cannot know that they do not overlap.
            a, b, c, d = words[0], words[1], words[2], words[3]
            first = 4 * byte
            target[first] = a
            target[first + 1] = b
            target[first + 2] = c
            target[first + 3] = d


def _scale_grey(rows: Rows, table: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write one float for every byte."""
    for i in range(rows.shape[0]):
        source, target = rows[i], out[i]
        for pixel in range(source.size):
            target[pixel] = table[source[pixel]]


def _widen_bits(rows: Rows, out: NDArray[np.uint64]) -> None:
    """Write one word, eight pixels, for every byte: arithmetic, which is done on many at once."""
    copies = np.uint64(0x0101010101010101)
    # The first pixel is the highest bit, and the lowest byte of the word.
    bit_of_pixel = np.uint64(0x0102040810204080)
    below_high, high = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x8080808080808080)
    for i in range(rows.shape[0]):
        source, target = rows[i], out[i]
        for byte in range(source.size):
            bits = (np.uint64(source[byte]) * copies) & bit_of_pixel
            marks = (bits + below_high) & high  # 0x80 where the pixel is set; nothing carries over
            target[byte] = (marks - (marks >> np.uint64(7))) | marks
