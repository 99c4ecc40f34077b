import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest

from tests.unit.transforms.interchange.trees import draw, encode_png
from transforms.interchange.png import read_grey_png
from transforms.interchange.refusal import Refused

FRAME = draw("frame")[0]


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _png(header: bytes, pixels: bytes, *extra: bytes) -> bytes:
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), *extra, _chunk(b"IDAT", pixels)]
    ) + _chunk(b"IEND", b"")


def _header(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def test_grey_levels_are_read_exactly() -> None:
    assert (read_grey_png(encode_png(FRAME)) == FRAME).all()


def test_one_bit_pictures_become_0_and_255() -> None:
    data = _png(_header(8, 1, depth=1), zlib.compress(b"\x00\xa5"))
    assert read_grey_png(data).tolist() == [[255, 0, 255, 0, 0, 255, 0, 255]]


@pytest.mark.parametrize("conversion", [cv2.COLOR_GRAY2BGR, cv2.COLOR_GRAY2BGRA])
def test_colour_pictures_without_colour_are_read_exactly(conversion: int) -> None:
    assert (read_grey_png(encode_png(cv2.cvtColor(FRAME, conversion))) == FRAME).all()


def _coloured() -> bytes:
    picture = cv2.cvtColor(FRAME, cv2.COLOR_GRAY2BGR)
    picture[5, 5] = (1, 2, 3)
    return encode_png(picture)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_coloured(), "not_grey"),
        (encode_png(FRAME.astype(np.uint16) * 257), "not_grey"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "not_a_png"),
        (b"", "not_a_png"),
        (encode_png(FRAME)[:-1], "truncated_file"),
        (encode_png(FRAME)[: len(encode_png(FRAME)) // 2], "truncated_file"),
        (_png(_header(100_000, 100_000), zlib.compress(b"")), "too_large"),
        (_png(_header(8, 8), b"no zlib"), "damaged_png"),
        (_png(_header(8, 8), b"", _chunk(b"IHDR", _header(9999, 9999))), "damaged_png"),
        (_png(b"short", b""), "damaged_png"),
    ],
)
def test_other_content_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_grey_png(data)
    assert refused.value.fault.code == code


def test_every_flipped_byte_is_noticed() -> None:
    data = encode_png(FRAME[:8, :8])
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x10
        with pytest.raises(Refused):
            pytest.fail(f"byte {position}: {read_grey_png(bytes(changed))!r}")


def test_texts_profiles_and_animations_do_not_reach_the_decoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []
    decode = cv2.imdecode

    def spy(data: Any, flags: int) -> Any:
        seen.append(bytes(data))
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", spy)
    bomb = _chunk(b"zTXt", b"a\x00\x00" + zlib.compress(bytes(1_000_000)))
    profile = _chunk(b"iCCP", b"a\x00\x00" + zlib.compress(bytes(1_000_000)))
    data = _png(_header(2, 1), zlib.compress(b"\x00\x07\x09"), bomb, profile, _chunk(b"acTL", b""))
    assert read_grey_png(data).tolist() == [[7, 9]]
    assert not any(name in seen[0] for name in (b"zTXt", b"iCCP", b"acTL"))


def test_pixels_beyond_the_header_take_no_memory() -> None:
    pixels = zlib.compress(b"\x00" + bytes(2) + bytes(5_000_000), 9)
    assert read_grey_png(_png(_header(2, 1), pixels)).tolist() == [[0, 0]]
