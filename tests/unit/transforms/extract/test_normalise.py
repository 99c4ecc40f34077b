import os
from pathlib import Path

import numpy as np
import pytest

from transforms.extract.normalise import (
    NO_CENTRE,
    TOO_FEW_PIXELS,
    normalise_frame,
    normalise_frames,
)

PARITY = "GAITWORKS_PARITY_DIR"


def block(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[rows, columns] = 255
    return mask


@pytest.mark.skipif(
    PARITY not in os.environ, reason=f"set {PARITY} to the folder that holds pretreat.npz"
)
def test_equals_the_reference_within_one_grey_level_and_drops_the_same_frames() -> None:
    with np.load(Path(os.environ[PARITY]) / "pretreat.npz", allow_pickle=False) as archive:
        count, height, width = archive["masks_shape"]
        bits = np.unpackbits(archive["masks_bits"])[: count * height * width]
        masks = bits.reshape(count, height, width) * np.uint8(255)
        expected, kept = archive["out64"], archive["kept"]
    found = normalise_frames(masks)
    np.testing.assert_array_equal(found.is_kept, kept)
    assert np.abs(found.silhouettes.astype(int) - expected).max() <= 1
    assert [reason is None for reason in found.reasons] == kept.tolist()


def test_a_block_is_scaled_to_full_height_and_centred() -> None:
    silhouette, reason = normalise_frame(block(360, 640, slice(100, 228), slice(300, 340)))
    assert reason is None
    columns = np.flatnonzero(silhouette.any(axis=0))
    assert silhouette.shape == (64, 64)
    assert silhouette[0].any()
    assert silhouette[-1].any()
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(31.5, abs=1)
    assert len(columns) == pytest.approx(20, abs=1)


def test_zero_one_and_zero_255_masks_mean_the_same() -> None:
    mask = block(120, 160, slice(10, 90), slice(40, 60))
    np.testing.assert_array_equal(normalise_frame(mask)[0], normalise_frame(mask // 255)[0])


def test_a_body_at_the_border_is_padded_with_nothing() -> None:
    silhouette, reason = normalise_frame(block(128, 200, slice(0, 128), slice(0, 20)))
    assert reason is None
    assert not silhouette[:, :20].any()
    assert silhouette[:, 32].all()


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (np.zeros((50, 60), np.uint8), TOO_FEW_PIXELS),
        (block(360, 640, slice(180, 181), slice(100, 139)), TOO_FEW_PIXELS),
        (block(360, 640, slice(100, 300), slice(0, 1)), NO_CENTRE),
        (block(600, 2, slice(0, 600), slice(0, 2)), NO_CENTRE),
    ],
    ids=["empty", "39 pixels", "one column at the left", "narrower than a column"],
)
def test_a_frame_that_cannot_be_normalised_says_why(mask: np.ndarray, expected: str) -> None:
    silhouette, reason = normalise_frame(mask)
    assert reason == expected
    assert not silhouette.any()


def test_reasons_stay_beside_the_frames_they_belong_to() -> None:
    good = block(100, 100, slice(10, 90), slice(40, 60))
    found = normalise_frames([good, np.zeros((100, 100), np.uint8), good])
    assert found.reasons == (None, TOO_FEW_PIXELS, None)
    assert found.is_kept.tolist() == [True, False, True]
    assert found.silhouettes.shape == (3, 64, 64)
    assert normalise_frames([]).silhouettes.shape == (0, 64, 64)
