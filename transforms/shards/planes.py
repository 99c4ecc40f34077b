"""Frames as bit planes over time: what the codecs compress, and cutting columns without unpacking.

Eight pixels above one another share a byte, and the bytes of one place follow one another through
time, because a silhouette's place changes least from frame to frame (measured in
`docs/decisions/0007-bit-planes-over-time.md`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROWS_PER_BYTE: Final = 8
_TOP_BIT: Final = 128


@dataclass(frozen=True)
class Planes:
    """A sequence of silhouettes, split.

    Attributes:
        height: of a frame in pixels; rows beyond it, up to the next multiple of eight, are zero.
        bits: uint8 [row group, column, frame]; its bits, most significant first, say of the group's
            eight rows from the top whether the value is at least 128.
        grey: as `bits`, whether the value is neither 0 nor 255; None where no value is.
        values: uint8 [grey pixel]: those values, by row, then column, then frame.
    """

    height: int
    bits: NDArray[np.uint8]
    grey: NDArray[np.uint8] | None = None
    values: NDArray[np.uint8] | None = None


def plane_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the shape of one plane of frames of `(frame, height, width)`."""
    frames, height, width = shape
    return -(-height // _ROWS_PER_BYTE), width, frames


def split_frames(frames: NDArray[np.uint8], *, with_grey: bool) -> Planes:
    """Split `(frame, height, width) uint8`; without grey, values below 128 count as 0."""
    height = frames.shape[1]
    by_place = _places_first(frames)  # (height, width, frame)
    bits = _pack_rows(by_place >= _TOP_BIT)
    if not with_grey:
        return Planes(height, bits)
    is_grey = (by_place + np.uint8(1)) > 1  # 255 wraps round to 0
    return Planes(height, bits, _pack_rows(is_grey), by_place[is_grey])


def join_planes(planes: Planes) -> NDArray[np.uint8]:
    """Return `(frame, height, width) uint8`, the exact inverse of `split_frames`.

    Raises:
        ValueError: there are not as many grey values as grey pixels.
    """
    by_place = _unpack_rows(planes.bits, planes.height)
    np.negative(by_place, out=by_place)  # 1 wraps round to 255
    if planes.grey is not None and planes.values is not None:
        by_place[_unpack_rows(planes.grey, planes.height).view(np.bool_)] = planes.values
    height, width, count = by_place.shape
    return _transpose(by_place.reshape(height * width, count)).reshape(count, height, width)


def crop_columns(planes: Planes, left: int, right: int) -> Planes:
    """Return the columns `left:right` of all frames, without unpacking them.

    Raises:
        ValueError: there are not as many grey values as grey pixels.
    """
    bits = planes.bits[:, left:right]
    if planes.grey is None or planes.values is None:
        return Planes(planes.height, bits)
    # Values lie by row, then column: of every row one stretch stays.
    counts = _unpack_rows(planes.grey, planes.height).sum(axis=2, dtype=np.int64)
    ends = np.cumsum(counts).reshape(counts.shape)  # (height, width)
    if planes.values.size != counts.sum():
        raise ValueError(f"{planes.values.size} grey values for {counts.sum()} grey pixels")
    starts = ends - counts
    kept = [planes.values[starts[row, left] : ends[row, right - 1]] for row in range(planes.height)]
    return Planes(planes.height, bits, planes.grey[:, left:right], np.concatenate(kept))


def _places_first(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    count, height, width = frames.shape
    flat = np.ascontiguousarray(frames).reshape(count, height * width)
    return _transpose(flat).reshape(height, width, count)


def _transpose(matrix: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a contiguous transposed copy."""
    if matrix.size == 0:
        return np.empty(matrix.shape[::-1], dtype=np.uint8)
    import cv2  # five times as fast as numpy's copy, which turns single bytes

    return np.asarray(cv2.transpose(matrix), dtype=np.uint8).reshape(matrix.shape[::-1])


def _pack_rows(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return `(height, width, frame)` as bits, `(row group, width, frame)`."""
    height, width, count = mask.shape
    groups = -(-height // _ROWS_PER_BYTE)
    # As `np.packbits(mask, axis=0)` would, which takes seven times as long here.
    packed = np.zeros((groups, width, count), dtype=np.uint8)
    for bit in range(min(_ROWS_PER_BYTE, height)):
        rows = mask[bit::_ROWS_PER_BYTE].view(np.uint8)
        packed[: len(rows)] |= rows << np.uint8(_ROWS_PER_BYTE - 1 - bit)
    return packed


def _unpack_rows(plane: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """Return `(height, width, frame) uint8 {0, 1}`."""
    pixels = np.empty((height, *plane.shape[1:]), dtype=np.uint8)
    for bit in range(min(_ROWS_PER_BYTE, height)):
        rows = pixels[bit::_ROWS_PER_BYTE]
        np.right_shift(plane[: len(rows)], np.uint8(_ROWS_PER_BYTE - 1 - bit), out=rows)
    np.bitwise_and(pixels, np.uint8(1), out=pixels)
    return pixels
