import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import IntegrityError
from transforms.shards.codec import (
    BITS,
    GREY,
    binarise,
    decode_silhouettes,
    encode_silhouettes,
    pack_frames,
    recode,
    unpack_frames,
)

OLD_BITS, OLD_GREY = "bits-zstd/1", "grey-zstd/1"
KINDS = ("noise", "blob", "zero", "full")
SHAPES = [(0, 64, 44), (1, 64, 44), (37, 64, 44), (5, 64, 64), (3, 61, 37), (2, 5, 1), (4, 9, 8)]


def _draw(kind: str, shape: tuple[int, int, int], codec: str, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    pixels = {
        "noise": lambda: generator.integers(0, 256, shape, dtype=np.uint8),
        "blob": lambda: np.clip(generator.normal(0, 400, shape), 0, 255).astype(np.uint8),
        "zero": lambda: np.zeros(shape, np.uint8),
        "full": lambda: np.full(shape, 255, np.uint8),
    }[kind]()
    return binarise(pixels) if codec in (BITS, OLD_BITS) else pixels


def _encode_as_first_version(frames: np.ndarray, codec: str) -> bytes:
    raw = np.packbits(frames, axis=-1) if codec == OLD_BITS else frames
    return pa.Codec("zstd").compress(raw.tobytes(), asbytes=True)


@pytest.mark.parametrize("codec", [BITS, GREY])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_decode_inverts_encode(codec, kind, shape):
    silhouettes = _draw(kind, shape, codec)
    decoded = decode_silhouettes(encode_silhouettes(silhouettes, codec, 3), codec, shape)
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable
    np.testing.assert_array_equal(decoded, silhouettes)


@pytest.mark.parametrize("codec", [BITS, GREY])
def test_ten_thousand_frames(codec):
    silhouettes = np.tile(_draw("blob", (100, 64, 44), codec), (100, 1, 1))
    data = encode_silhouettes(silhouettes, codec, 3)
    np.testing.assert_array_equal(decode_silhouettes(data, codec, silhouettes.shape), silhouettes)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 9), st.integers(1, 70), st.integers(1, 70)),
    codec=st.sampled_from([BITS, GREY]),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    level=st.sampled_from([1, 7, 19]),
)
def test_any_sequence_round_trips(shape, codec, kind, seed, level):
    silhouettes = _draw(kind, shape, codec, seed)
    data = encode_silhouettes(silhouettes, codec, level)
    np.testing.assert_array_equal(decode_silhouettes(data, codec, shape), silhouettes)


def test_the_plane_is_what_packbits_says():
    frames = _draw("noise", (6, 61, 37), BITS)
    plane = pack_frames(frames, BITS).reshape(8, 37, 6)
    np.testing.assert_array_equal(plane, np.packbits(frames, axis=1).transpose(1, 2, 0))


def test_grey_values_follow_their_mask():
    frames = _draw("blob", (6, 61, 37), GREY)
    packed = pack_frames(frames, GREY)
    size = 8 * 37 * 6
    mask = (frames > 0) & (frames < 255)
    plane = packed[size : 2 * size].reshape(8, 37, 6)
    np.testing.assert_array_equal(plane, np.packbits(mask, axis=1).transpose(1, 2, 0))
    np.testing.assert_array_equal(
        packed[2 * size :], frames.transpose(1, 2, 0)[mask.transpose(1, 2, 0)]
    )


@pytest.mark.parametrize("codec", [OLD_BITS, OLD_GREY])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_version_is_still_read(codec, shape):
    frames = _draw("noise", shape, codec)
    data = _encode_as_first_version(frames, codec)
    np.testing.assert_array_equal(decode_silhouettes(data, codec, shape), frames)


def test_the_first_version_is_not_written():
    with pytest.raises(ValueError, match="unknown codec"):
        encode_silhouettes(np.zeros((1, 64, 44), np.uint8), OLD_BITS, 3)


@pytest.mark.parametrize("source", [BITS, GREY, OLD_BITS, OLD_GREY])
@pytest.mark.parametrize("to", [BITS, GREY])
@pytest.mark.parametrize("columns", [(10, 54), (0, 64), (63, 64)])
@pytest.mark.parametrize("count", [0, 1, 12])
def test_recoding_is_decoding_cutting_and_encoding(source, to, columns, count):
    frames = _draw("blob", (count, 61, 64), source, seed=count)
    old = source in (OLD_BITS, OLD_GREY)
    data = (
        _encode_as_first_version(frames, source) if old else encode_silhouettes(frames, source, 1)
    )
    cut = frames[:, :, slice(*columns)]
    expected = encode_silhouettes(binarise(cut) if to == BITS else cut, to, 5)
    assert recode(data, source, frames.shape, columns=columns, to=to, level=5) == expected


@pytest.mark.parametrize("value", [1, 128, 254])
def test_bits_hold_nothing_but_black_and_white(value):
    silhouettes = np.zeros((2, 64, 44), dtype=np.uint8)
    silhouettes[1, 5, 7] = value
    with pytest.raises(ValueError, match="binarise first"):
        encode_silhouettes(silhouettes, BITS, 3)


def test_binarise_splits_at_half():
    values = np.array([[[0, 127, 128, 255]]], dtype=np.uint8)
    assert binarise(values).tolist() == [[[0, 0, 255, 255]]]


def test_unknown_codecs_are_refused():
    with pytest.raises(ValueError, match="unknown codec"):
        encode_silhouettes(np.zeros((1, 64, 44), np.uint8), "bits/9", 3)
    data = encode_silhouettes(np.zeros((1, 64, 44), np.uint8), BITS, 3)
    with pytest.raises(IntegrityError, match="unknown codec"):
        decode_silhouettes(data, "bits/9", (1, 64, 44))


@pytest.mark.parametrize("codec", [BITS, GREY])
@pytest.mark.parametrize("shape", [(4, 64, 44), (2, 64, 44), (3, 64, 100), (3, 600, 44)])
def test_another_shape_does_not_decode(codec, shape):
    data = encode_silhouettes(_draw("noise", (3, 64, 44), codec), codec, 3)
    with pytest.raises(IntegrityError, match="here"):
        decode_silhouettes(data, codec, shape, where="here")


@pytest.mark.parametrize("columns", [(0, 44), (3, 9)])
@pytest.mark.parametrize("change", [-1, 1])
def test_grey_values_that_do_not_fill_their_mask_are_refused(columns, change):
    shape = (3, 64, 44)
    packed = pack_frames(_draw("blob", shape, GREY), GREY)
    packed = packed[:change] if change < 0 else np.append(packed, np.uint8(7))
    with pytest.raises(IntegrityError, match="here"):
        unpack_frames(packed, GREY, shape, where="here")
    data = pa.Codec("zstd").compress(packed.tobytes(), asbytes=True)
    with pytest.raises(IntegrityError, match="here"):
        recode(data, GREY, shape, columns=columns, to=GREY, level=1, where="here")


@pytest.mark.parametrize("codec", [BITS, GREY])
@pytest.mark.parametrize("kind", ["noise", "blob", "zero"])
def test_no_damage_yields_another_frame(codec, kind):
    silhouettes = _draw(kind, (3, 64, 44), codec)
    data = encode_silhouettes(silhouettes, codec, 3)
    for size in range(0, len(data), 50):
        with pytest.raises(IntegrityError):
            decode_silhouettes(data[:size], codec, silhouettes.shape)
    generator = np.random.default_rng(0)
    for position in {*range(min(len(data), 40)), *generator.integers(0, len(data), 100).tolist()}:
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(generator.integers(8))
        try:
            decoded = decode_silhouettes(bytes(damaged), codec, silhouettes.shape)
        except IntegrityError:
            continue
        # Of a zstd frame's bits, a reserved few may change nothing.
        np.testing.assert_array_equal(decoded, silhouettes)


@pytest.mark.parametrize("size", [0, 1, 300, 100_000])
def test_zstd_itself_checks_the_checksum(size):
    frames = np.random.default_rng(0).integers(0, 256, (size, 1, 1), dtype=np.uint8)
    data = encode_silhouettes(frames, GREY, 3)
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        assert stream.read() == pack_frames(frames, GREY).tobytes()
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with (
        pytest.raises(OSError, match="checksum"),
        pa.CompressedInputStream(pa.BufferReader(damaged), "zstd") as stream,
    ):
        stream.read()


@pytest.mark.parametrize(
    "shape", [(2_000_000_000, 64, 44), (1_000_000, 64, 44), (-1, 64, 44), (3, -64, -44)]
)
def test_a_row_that_claims_terabytes_takes_no_memory(shape):
    data = encode_silhouettes(np.zeros((3, 64, 44), np.uint8), BITS, 3)
    with pytest.raises(IntegrityError):
        decode_silhouettes(data, BITS, shape)


def test_a_header_that_claims_what_the_row_claims_is_held_to_the_limit():
    frames = (1 << 20) + 1
    stated = (8 * 44 * frames).to_bytes(8, "little")
    data = b"\x28\xb5\x2f\xfd" + bytes([0xE0]) + stated + bytes(20)
    with pytest.raises(IntegrityError, match="impossible shape"):
        decode_silhouettes(data, BITS, (frames, 64, 44))
