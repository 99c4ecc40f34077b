"""One grey picture from a PNG of outside; only its chunks with pixels reach the decoder."""

import struct
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.interchange.refusal import Refused

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS: Final = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_MAX_PIXELS: Final = 1 << 24
_MAX_BIT_DEPTH: Final = 8
_HEADER: Final = struct.Struct(">IIBBBBB")


def read_grey_png(data: bytes) -> NDArray[np.uint8]:
    """Return `(height, width)` uint8, the levels as they stand in the file.

    Colour pictures are taken where every pixel is grey; transparency is ignored.

    Raises:
        Refused: it is no PNG, is damaged or cut short, too large, deeper than 8 bits or coloured.
    """
    import cv2

    kept = _keep_pixel_chunks(data)
    try:
        picture: Any = cv2.imdecode(np.frombuffer(kept, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None:
        raise _damaged("pixels that do not decode")
    if picture.ndim == 3:
        colours = picture[:, :, :3]
        if (colours != colours[:, :, :1]).any():
            raise Refused("not_grey", "the picture is coloured", "grey levels")
        picture = colours[:, :, 0]
    return np.ascontiguousarray(picture, dtype=np.uint8)


def _keep_pixel_chunks(data: bytes) -> bytes:
    """Return the PNG without its texts, profiles and animations; every checksum is checked."""
    if not data.startswith(_SIGNATURE):
        raise Refused("not_a_png", "the content is no PNG", "a PNG of grey levels")
    kept = [_SIGNATURE]
    position = len(_SIGNATURE)
    while True:
        size = int.from_bytes(data[position : position + 4], "big")
        end = position + 12 + size
        if end > len(data) or position + 12 > len(data):
            raise Refused("truncated_file", "the PNG is cut short", "a whole file")
        chunk = data[position:end]
        kind = chunk[4:8]
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise _damaged(f"a wrong checksum at byte {position}")
        if (len(kept) == 1) != (kind == b"IHDR"):
            raise _damaged("no header at its begin, or another one")
        if kind == b"IHDR":
            _check_header(chunk[8:-4])
        if kind in _PIXEL_CHUNKS:
            kept.append(chunk)
        if kind == b"IEND":
            return b"".join(kept)
        position = end


def _check_header(content: bytes) -> None:
    if len(content) != _HEADER.size:
        raise _damaged("a header of another length")
    width, height, bit_depth, *_ = _HEADER.unpack(content)
    if width * height > _MAX_PIXELS:
        limit = f"at most {_MAX_PIXELS} pixels"
        raise Refused("too_large", "the picture is too large", limit, f"{width}x{height}")
    if bit_depth > _MAX_BIT_DEPTH:
        raise Refused("not_grey", "the levels are too deep", "8 bits", f"{bit_depth} bits")


def _damaged(found: str) -> Refused:
    return Refused("damaged_png", "the PNG is damaged", "a PNG of grey levels", found)
