import numpy as np
import pytest

from transforms.shards.planes import Planes, crop_columns, join_planes, plane_shape, split_frames


def _frames(shape: tuple[int, int, int]) -> np.ndarray:
    generator = np.random.default_rng(7)
    return np.clip(generator.normal(100, 200, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(5, 64, 44), (1, 61, 37), (0, 8, 8), (3, 1, 1), (4, 9, 2)])
def test_joining_inverts_splitting(shape):
    frames = _frames(shape)
    planes = split_frames(frames, with_grey=True)
    assert planes.bits.shape == planes.grey.shape == plane_shape(shape)
    joined = join_planes(planes)
    assert joined.shape == shape
    np.testing.assert_array_equal(joined, frames)


def test_without_grey_pixels_are_black_or_white():
    frames = np.array([[[0, 127, 128, 255]]], dtype=np.uint8)
    planes = split_frames(frames, with_grey=False)
    assert planes.grey is None
    assert join_planes(planes).tolist() == [[[0, 0, 255, 255]]]


def test_the_topmost_row_is_the_most_significant_bit():
    frames = np.zeros((1, 9, 1), dtype=np.uint8)
    frames[0, [0, 7, 8], 0] = 255
    assert split_frames(frames, with_grey=False).bits.ravel().tolist() == [0b10000001, 0b10000000]


@pytest.mark.parametrize("with_grey", [False, True])
@pytest.mark.parametrize(("left", "right"), [(0, 37), (10, 20), (36, 37), (0, 1)])
def test_cropping_planes_is_cropping_frames(with_grey, left, right):
    frames = _frames((6, 61, 37))
    cropped = crop_columns(split_frames(frames, with_grey=with_grey), left, right)
    expected = split_frames(frames[:, :, left:right], with_grey=with_grey)
    np.testing.assert_array_equal(cropped.bits, expected.bits)
    if with_grey:
        np.testing.assert_array_equal(cropped.grey, expected.grey)
        np.testing.assert_array_equal(cropped.values, expected.values)


@pytest.mark.parametrize("change", [-1, 1])
def test_values_that_do_not_fill_their_plane_are_refused(change):
    planes = split_frames(_frames((6, 61, 37)), with_grey=True)
    values = np.resize(planes.values, planes.values.size + change)
    wrong = Planes(planes.height, planes.bits, planes.grey, values)
    with pytest.raises(ValueError, match="values"):
        join_planes(wrong)
    with pytest.raises(ValueError, match="values"):
        crop_columns(wrong, 3, 9)
