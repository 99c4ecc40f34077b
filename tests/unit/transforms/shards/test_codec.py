import numpy as np
import pytest

from transforms.errors import IntegrityError
from transforms.shards.codec import (
    BITS,
    GREY,
    binarise,
    decode_silhouettes,
    encode_silhouettes,
    pack_frames,
    unpack_frames,
)


def _noise(codec: str, shape: tuple[int, int, int]) -> np.ndarray:
    noise = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)
    return binarise(noise) if codec == BITS else noise


@pytest.mark.parametrize("codec", [BITS, GREY])
@pytest.mark.parametrize("frames", [0, 1, 37])
@pytest.mark.parametrize("width", [44, 64])
def test_decode_inverts_encode(codec, frames, width):
    silhouettes = _noise(codec, (frames, 64, width))
    data = encode_silhouettes(silhouettes, codec, 3)
    decoded = decode_silhouettes(data, codec, silhouettes.shape)
    assert decoded.dtype == np.uint8
    assert decoded.shape == silhouettes.shape
    np.testing.assert_array_equal(decoded, silhouettes)


@pytest.mark.parametrize("codec", [BITS, GREY])
def test_unpack_inverts_pack(codec):
    silhouettes = _noise(codec, (5, 64, 44))
    packed = pack_frames(silhouettes, codec)
    assert packed.shape == (5, 64, 6 if codec == BITS else 44)
    np.testing.assert_array_equal(unpack_frames(packed, codec, silhouettes.shape), silhouettes)


def test_binarise_cuts_at_128():
    assert binarise(np.array([0, 127, 128, 255], dtype=np.uint8)).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("value", [1, 7, 128, 254])
def test_bits_refuse_grey_values(value):
    silhouettes = np.zeros((1, 64, 44), dtype=np.uint8)
    silhouettes[0, 63, 43] = value
    with pytest.raises(ValueError, match="binarise first"):
        encode_silhouettes(silhouettes, BITS, 3)


def test_unknown_codec_is_refused():
    silhouettes = np.zeros((1, 64, 44), dtype=np.uint8)
    with pytest.raises(ValueError, match="unknown codec"):
        encode_silhouettes(silhouettes, "bits/9", 3)
    with pytest.raises(IntegrityError, match="unknown codec"):
        decode_silhouettes(b"", "bits/9", silhouettes.shape)


@pytest.mark.parametrize("codec", [BITS, GREY])
@pytest.mark.parametrize("shape", [(4, 64, 44), (2, 64, 44), (3, 64, 64)])
def test_another_shape_does_not_decode(codec, shape):
    data = encode_silhouettes(_noise(codec, (3, 64, 44)), codec, 3)
    with pytest.raises(IntegrityError):
        decode_silhouettes(data, codec, shape, where="here")


def test_truncated_or_extended_bytes_do_not_decode():
    data = encode_silhouettes(_noise(GREY, (3, 64, 44)), GREY, 3)
    for damaged in (b"", data[:-1], data + b"\0", data[: len(data) // 2]):
        with pytest.raises(IntegrityError):
            decode_silhouettes(damaged, GREY, (3, 64, 44))
