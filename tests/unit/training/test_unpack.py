import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.device_unpack import expand_packed
from training.unpack import unpack_to_float, unpack_to_uint8

BINARY, GREY = 352, 2816


def draw_rows(row_bytes):
    shape = st.tuples(st.integers(1, 4), st.just(row_bytes))
    return arrays(np.uint8, shape, elements=st.integers(0, 255), fill=st.integers(0, 255))


@settings(deadline=None)  # the first example compiles
@given(draw_rows(BINARY))
def test_bits_unpack_as_numpy_unpacks_them(rows):
    out = np.full((len(rows), GREY), np.nan, np.float32)
    rows.flags.writeable = False
    unpack_to_float(rows, out)
    np.testing.assert_array_equal(out, np.unpackbits(rows, axis=-1))
    whole = np.unpackbits(rows, axis=-1).reshape(-1, 64, 44) * np.uint8(255)
    np.testing.assert_array_equal(unpack_to_uint8(rows), whole)


def test_all_grey_levels_are_divided_exactly():
    rows = np.resize(np.arange(256, dtype=np.uint8), (3, GREY))
    out = np.empty((3, GREY), np.float32)
    unpack_to_float(rows, out)
    np.testing.assert_array_equal(out, rows.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(unpack_to_uint8(rows), rows.reshape(-1, 64, 44))


def test_what_is_unpacked_is_not_the_store_itself():
    rows = np.zeros((1, GREY), np.uint8)
    unpack_to_uint8(rows)[:] = 1
    assert not rows.any()


def check_expansion(row_bytes, device):
    rows = np.random.default_rng(0).integers(0, 256, (6, row_bytes), dtype=np.uint8)
    expected = np.empty((6, GREY), np.float32)
    unpack_to_float(rows, expected)
    packed = torch.from_numpy(rows.reshape(2, 3, row_bytes)).to(device)
    found = expand_packed(packed)
    assert found.shape == (2, 1, 3, 64, 44)
    assert found.device == packed.device
    np.testing.assert_array_equal(found.cpu().numpy().reshape(6, GREY), expected)
    if row_bytes == BINARY:
        for dtype in (torch.float16, torch.bfloat16):
            narrow = expand_packed(packed, dtype)
            assert narrow.dtype == dtype
            torch.testing.assert_close(narrow.float(), found, rtol=0, atol=0)


@pytest.mark.parametrize("row_bytes", [BINARY, GREY])
def test_the_device_expands_to_the_same_floats(row_bytes):
    check_expansion(row_bytes, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("row_bytes", [BINARY, GREY])
def test_a_gpu_expands_to_the_same_floats(row_bytes):
    check_expansion(row_bytes, "cuda")
