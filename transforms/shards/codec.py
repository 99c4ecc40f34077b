"""Lossless codecs between `uint8 [frame, height, width]` and bytes.

`bits-zstd/2`: values 0 and 255 only, one plane of bits (see `transforms.shards.planes`), then zstd.
`grey-zstd/2`: that plane, a plane that marks the grey pixels, their values, then zstd. Both carry
zstd's own checksum, so that no reader takes a damaged frame for a whole one. The names are written
into the shards: a changed byte layout needs a new name. `/1` is read, never written.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.shards.planes import (
    Planes,
    crop_columns,
    join_planes,
    plane_shape,
    split_frames,
)

BITS: Final = "bits-zstd/2"
GREY: Final = "grey-zstd/2"
_ROWS_OF_BITS: Final = "bits-zstd/1"  # np.packbits along each row
_ROWS_OF_GREY: Final = "grey-zstd/1"  # the bytes as they are
CODECS: Final = (BITS, GREY, _ROWS_OF_BITS, _ROWS_OF_GREY)
MAX_FRAMES: Final = 1 << 20
_MAX_BYTES: Final = 1 << 30  # unpacked; a longer video is not admitted, a larger claim is hostile
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_DESCRIPTOR: Final = 4  # where the frame header's descriptor lies
_HAS_CHECKSUM: Final = 0x04
_ZSTD_SIZE_BYTES: Final = (1, 2, 4, 8)  # of the content size, by the two top bits of the descriptor

Shape = tuple[int, int, int]  # frame, height, width


def binarise(silhouettes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return silhouettes with every value at or above 128 as 255, every other as 0."""
    return np.where(silhouettes >= 128, np.uint8(255), np.uint8(0))


def pack_frames(silhouettes: NDArray[np.uint8], codec: str) -> NDArray[np.uint8]:
    """Return `(frame, height, width) uint8` as it is stored before zstd: `(byte,) uint8`.

    Raises:
        ValueError: a codec that is not written, or values besides {0, 255} for `bits-zstd/2`.
    """
    if codec not in (BITS, GREY):
        raise ValueError(f"unknown codec {codec!r}")
    # Adding one takes 0 and 255, and no other value, to 1 and 0: ten times as fast as `isin`.
    if codec == BITS and ((silhouettes + np.uint8(1)) > 1).any():
        raise ValueError(f"{BITS} holds the values 0 and 255 only; binarise first")
    return _concatenate(split_frames(silhouettes, with_grey=codec == GREY))


def unpack_frames(
    packed: NDArray[np.uint8], codec: str, shape: Shape, *, where: object = None
) -> NDArray[np.uint8]:
    """Return `(frame, height, width) uint8`, the exact inverse of `pack_frames`.

    Raises:
        IntegrityError: the codec is unknown, or `packed` is not what it makes of that shape.
    """
    _check_size(packed.size, codec, shape, where=where)
    if codec == _ROWS_OF_GREY:
        return packed.reshape(shape).copy()
    if codec == _ROWS_OF_BITS:
        rows = packed.reshape(shape[0], shape[1], -(-shape[2] // 8))
        return np.unpackbits(rows, axis=-1, count=shape[2]) * np.uint8(255)
    return _join(_separate(packed, codec, shape), where=where)


def encode_silhouettes(silhouettes: NDArray[np.uint8], codec: str, level: int) -> bytes:
    """Encode `(frame, height, width) uint8`; `bits-zstd/2` demands values {0, 255}."""
    return _compress(pack_frames(silhouettes, codec), level)


def decode_silhouettes(
    data: bytes, codec: str, shape: Shape, *, where: object = None
) -> NDArray[np.uint8]:
    """Decode to `(frame, height, width) uint8`, the exact inverse of `encode_silhouettes`.

    Raises:
        IntegrityError: the bytes do not decode to that shape.
    """
    return unpack_frames(_decompress(data, codec, shape, where), codec, shape, where=where)


def recode(
    data: bytes,
    codec: str,
    shape: Shape,
    *,
    columns: tuple[int, int],
    to: str,
    level: int,
    where: object = None,
) -> bytes:
    """Cut stored silhouettes to some columns and encode them anew; `to` bits binarises.

    What `encode_silhouettes` makes of the decoded frames, at twice its speed or more: frames are
    not unpacked.

    Raises:
        IntegrityError: the bytes do not decode to that shape.
    """
    packed = _decompress(data, codec, shape, where)
    if codec == GREY:
        planes = _separate(packed, codec, shape)
        if to == BITS:
            planes = Planes(planes.height, planes.bits)
        try:
            return _compress(_concatenate(crop_columns(planes, *columns)), level)
        except ValueError as error:
            raise IntegrityError("silhouettes do not decode", where=where, found=error) from error
    frames = unpack_frames(packed, codec, shape, where=where)[:, :, slice(*columns)]
    return encode_silhouettes(binarise(frames) if to == BITS else frames, to, level)


def _concatenate(planes: Planes) -> NDArray[np.uint8]:
    if planes.grey is None or planes.values is None:
        return planes.bits.reshape(-1)
    return np.concatenate([planes.bits.reshape(-1), planes.grey.reshape(-1), planes.values])


def _separate(packed: NDArray[np.uint8], codec: str, shape: Shape) -> Planes:
    size = int(np.prod(plane_shape(shape)))
    bits = packed[:size].reshape(plane_shape(shape))
    if codec == BITS:
        return Planes(shape[1], bits)
    grey = packed[size : 2 * size].reshape(plane_shape(shape))
    return Planes(shape[1], bits, grey, packed[2 * size :])


def _join(planes: Planes, *, where: object) -> NDArray[np.uint8]:
    try:
        return join_planes(planes)
    except ValueError as error:
        raise IntegrityError("silhouettes do not decode", where=where, found=error) from error


def _check_size(found: int, codec: str, shape: Shape, *, where: object) -> None:
    """Refuse a size in bytes before zstd that no sequence of that shape has."""
    frames, height, width = shape
    if codec not in CODECS:
        raise IntegrityError(
            "unknown codec", where=where, expected=", ".join(CODECS), found=repr(codec)
        )
    pixels = frames * height * width
    if min(shape) < 0 or frames > MAX_FRAMES or pixels > _MAX_BYTES:
        raise IntegrityError(
            "silhouettes of an impossible shape",
            where=where,
            expected=f"at most {MAX_FRAMES} frames and {_MAX_BYTES} pixels",
            found=shape,
        )
    groups, _, _ = plane_shape(shape)
    plane = groups * width * frames
    smallest, largest = {
        BITS: (plane, plane),
        GREY: (2 * plane, 2 * plane + pixels),
        _ROWS_OF_BITS: (frames * height * -(-width // 8),) * 2,
        _ROWS_OF_GREY: (pixels, pixels),
    }[codec]
    if not smallest <= found <= largest:
        raise IntegrityError(
            "silhouettes have another length",
            where=where,
            expected=smallest if smallest == largest else f"{smallest} to {largest}",
            found=found,
        )


def _compress(packed: NDArray[np.uint8], level: int) -> bytes:
    """Return one zstd frame with its content's size and checksum."""
    content = packed.tobytes()
    frame = bytearray(pa.Codec("zstd", compression_level=level).compress(content, asbytes=True))
    # Arrow does not ask zstd for the checksum; the format lets it be added (RFC 8878, 3.1.1).
    frame[_DESCRIPTOR] |= _HAS_CHECKSUM
    checksum = xxhash.xxh64_intdigest(content) & 0xFFFFFFFF
    return bytes(frame) + checksum.to_bytes(4, "little")


def _decompress(data: bytes, codec: str, shape: Shape, where: object) -> NDArray[np.uint8]:
    size = _stated_size(data)
    if size is None:
        raise IntegrityError("silhouettes do not decode", where=where, found="no zstd frame")
    _check_size(size, codec, shape, where=where)  # before the memory is taken
    try:
        raw = pa.Codec("zstd").decompress(data, decompressed_size=size)
    except (OSError, ValueError) as error:
        raise IntegrityError("silhouettes do not decode", where=where, found=error) from error
    if raw.size != size:
        raise IntegrityError(
            "silhouettes have another length", where=where, expected=size, found=raw.size
        )
    return np.frombuffer(memoryview(raw), dtype=np.uint8)


def _stated_size(data: bytes) -> int | None:
    """Return the content size in a zstd frame's header (RFC 8878, 3.1.1.1), None if it has none."""
    if data[:4] != _ZSTD_MAGIC or len(data) < 6:
        return None
    descriptor = data[_DESCRIPTOR]
    is_single_segment = bool(descriptor & 0x20)
    kind = descriptor >> 6
    if kind == 0 and not is_single_segment:
        return None
    start = 5 + (not is_single_segment) + (0, 1, 2, 4)[descriptor & 3]
    width = _ZSTD_SIZE_BYTES[kind]
    stated = data[start : start + width]
    if len(stated) != width:
        return None
    return int.from_bytes(stated, "little") + (256 if width == 2 else 0)
