"""Lossless codecs between `uint8 [frame, height, width]` and bytes.

`bits-zstd/1`: values 0 and 255 only, rows bit-packed, then zstd. `grey-zstd/1`: the raw bytes, then
zstd. The names are written into the shards: a changed byte layout needs a new name.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.errors import IntegrityError

BITS: Final = "bits-zstd/1"
GREY: Final = "grey-zstd/1"


def binarise(silhouettes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return silhouettes with every value at or above 128 as 255, every other as 0."""
    return np.where(silhouettes >= 128, np.uint8(255), np.uint8(0))


def encode_silhouettes(silhouettes: NDArray[np.uint8], codec: str, level: int) -> bytes:
    """Encode `(frame, height, width) uint8`; `bits-zstd/1` demands values {0, 255}."""
    if codec == BITS:
        if not np.isin(silhouettes, (0, 255)).all():
            raise ValueError(f"{BITS} holds the values 0 and 255 only; binarise first")
        raw = np.packbits(silhouettes, axis=-1).tobytes()
    elif codec == GREY:
        raw = np.ascontiguousarray(silhouettes).tobytes()
    else:
        raise ValueError(f"unknown codec {codec!r}")
    compressed: bytes = pa.Codec("zstd", compression_level=level).compress(raw, asbytes=True)
    return compressed


def decode_silhouettes(
    data: bytes, codec: str, shape: tuple[int, int, int], *, where: object = None
) -> NDArray[np.uint8]:
    """Decode to `(frame, height, width) uint8`, the exact inverse of `encode_silhouettes`.

    Raises:
        IntegrityError: the bytes do not decode to that shape.
    """
    frames, height, width = shape
    row_bytes = {BITS: (width + 7) // 8, GREY: width}.get(codec)
    if row_bytes is None:
        raise IntegrityError("unknown codec", where=where, expected=f"{BITS}, {GREY}", found=codec)
    size = frames * height * row_bytes
    try:
        raw = pa.Codec("zstd").decompress(data, decompressed_size=size, asbytes=True)
    except (OSError, ValueError) as error:
        raise IntegrityError("silhouettes do not decode", where=where, found=error) from error
    if len(raw) != size:
        raise IntegrityError(
            "silhouettes have another length", where=where, expected=size, found=len(raw)
        )
    packed = np.frombuffer(raw, dtype=np.uint8).reshape(frames, height, row_bytes)
    if codec == GREY:
        return packed.copy()
    return np.unpackbits(packed, axis=-1, count=width) * np.uint8(255)
