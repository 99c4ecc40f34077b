import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.extract.normalisation.kernel import KEPT, UNDECIDED, compiled_kernel
from transforms.extract.normalisation.normalise import (
    NO_CENTRE,
    TOO_FEW_PIXELS,
    normalise_crop,
    normalise_frame,
    normalise_with_opencv,
)

PARITY = "GAITWORKS_PARITY_DIR"


def block(height: int, width: int, rows: slice, columns: slice, level: int = 255) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[rows, columns] = level
    return mask


def noise(seed: int, height: int, width: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((height, width)) < share).astype(np.uint8) * np.uint8(255)


def grey(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def body(height: int, width: int, centre: int, top: int, size: int) -> np.ndarray:
    """Draw a walker of `size` pixels height, legs apart."""
    mask = np.zeros((height, width), np.uint8)
    head, hip, foot = (top + size // 14, top + size // 2, top + size - size // 30)
    cv2.ellipse(mask, (centre, head), (size // 22, size // 14), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (centre, top + size // 3), (size // 10, size // 5), 0, 0, 360, 255, -1)
    for side in (-1, 1):
        cv2.line(mask, (centre, hip), (centre + side * size // 7, foot), 255, max(size // 14, 1))
    return mask


def reference_frame(mask: np.ndarray) -> np.ndarray | None:
    """Normalise as the field's per-frame loop does; None where it keeps nothing."""
    if mask.max(initial=0) == 1:
        mask = mask * np.uint8(255)
    if np.sum(mask) <= 10_000:
        return None
    rows = np.nonzero(mask.sum(axis=1))[0]
    mask = mask[rows[0] : rows[-1] + 1]
    width = int(64 * mask.shape[1] / mask.shape[0])
    if width == 0:
        return None
    scaled = cv2.resize(mask, (width, 64), interpolation=cv2.INTER_CUBIC)
    centre, total = 0, scaled.sum()  # the field sums the picture again for every column
    for column, passed in enumerate(scaled.sum(axis=0).cumsum()):
        if passed > total / 2:
            centre = column
            break
    if centre == 0:
        return None
    return np.pad(scaled, ((0, 0), (32, 32)))[:, centre : centre + 64]


@pytest.mark.skipif(
    PARITY not in os.environ, reason=f"set {PARITY} to the folder that holds pretreat.npz"
)
def test_equals_the_reference_within_one_grey_level_and_drops_the_same_frames() -> None:
    with np.load(Path(os.environ[PARITY]) / "pretreat.npz", allow_pickle=False) as archive:
        count, height, width = archive["masks_shape"]
        bits = np.unpackbits(archive["masks_bits"])[: count * height * width]
        masks = bits.reshape(count, height, width) * np.uint8(255)
        expected, kept = archive["out64"], archive["kept"]
    silhouettes, reasons = zip(*map(normalise_frame, masks), strict=True)
    differences = np.abs(np.array(silhouettes).astype(int) - expected)
    assert differences.max() <= 1
    assert np.mean(differences != 0) < 1e-4
    assert [reason is None for reason in reasons] == kept.tolist()


MASKS: dict[str, Callable[[], np.ndarray]] = {
    "no rows": lambda: np.zeros((0, 60), np.uint8),
    "no columns": lambda: np.zeros((60, 0), np.uint8),
    "empty": lambda: np.zeros((50, 60), np.uint8),
    "one pixel": lambda: block(50, 60, slice(20, 21), slice(30, 31)),
    "39 pixels": lambda: block(360, 640, slice(180, 181), slice(100, 139)),
    "40 pixels in a row": lambda: block(360, 640, slice(180, 181), slice(100, 140)),
    "two rows": lambda: block(360, 640, slice(180, 182), slice(100, 151)),
    "three rows": lambda: block(360, 640, slice(180, 183), slice(100, 151)),
    "four rows": lambda: block(360, 640, slice(180, 184), slice(100, 151)),
    "single column": lambda: block(360, 640, slice(0, 360), slice(100, 101)),
    "column between the samples": lambda: block(1080, 640, slice(0, 1080), slice(100, 101)),
    "column at the left edge": lambda: block(360, 640, slice(100, 300), slice(0, 1)),
    "column at the right edge": lambda: block(360, 640, slice(100, 300), slice(639, 640)),
    "full": lambda: block(256, 192, slice(None), slice(None)),
    "full, as high as the silhouette": lambda: block(64, 64, slice(None), slice(None)),
    "0/1": lambda: body(256, 192, 96, 10, 200) // 255,
    "0/1, too few pixels": lambda: block(50, 60, slice(20, 23), slice(30, 43), 1),
    "0/1, just enough": lambda: block(50, 60, slice(20, 24), slice(30, 40), 1),
    "ones, one brighter pixel": lambda: np.maximum(
        block(120, 160, slice(10, 90), slice(40, 160), 1),
        block(120, 160, slice(9, 10), slice(9), 2),
    ),
    "dark grey": lambda: block(120, 160, slice(10, 90), slice(40, 60), 7),
    "grey": lambda: grey(1, 300, 200),
    "grey, odd size": lambda: grey(2, 333, 257),
    "noise": lambda: noise(3, 479, 641, 0.5),
    "sparse": lambda: noise(4, 301, 203, 0.01),
    "100:1": lambda: block(40, 4000, slice(0, 40), slice(1000, 2500)),
    "100:1 noise": lambda: noise(5, 11, 1100, 0.4),
    "100:1 one row": lambda: block(20, 2000, slice(7, 8), slice(100, 1900)),
    "1:100": lambda: block(2000, 20, slice(0, 2000), slice(4, 13)),
    "narrower than a column": lambda: block(600, 2, slice(0, 600), slice(0, 2)),
    "three columns": lambda: noise(6, 150, 3, 0.6),
    "4K": lambda: body(2160, 3840, 2500, 300, 1500),
    "4K, full": lambda: block(2160, 3840, slice(None), slice(None)),
    "enlarged": lambda: body(90, 160, 80, 30, 40),
    "walker at the left edge": lambda: body(256, 192, 3, 20, 210),
    "walker at the right edge": lambda: body(256, 192, 190, 20, 210),
    "walker, 720p": lambda: body(720, 1280, 700, 90, 520),
    "two people": lambda: body(720, 1280, 300, 90, 520) | body(720, 1280, 900, 60, 520),
}


@pytest.mark.parametrize("name", MASKS)
def test_equals_the_fields_loop_within_one_grey_level(name: str) -> None:
    mask = MASKS[name]()
    expected = reference_frame(mask)
    silhouette, reason = normalise_frame(mask)
    assert (reason is None) == (expected is not None)
    if expected is None:
        assert not silhouette.any()
    else:
        assert np.abs(silhouette.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("seed", range(40))
def test_equals_the_fields_loop_on_random_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(4, 300, 2))
    mask = noise(seed, height, width, float(rng.uniform(0.05, 0.6)))
    if seed % 2:
        # Symmetric: half the mass falls exactly between two columns, and rounding decides.
        mask |= mask[:, ::-1]
    expected = reference_frame(mask)
    silhouette, reason = normalise_frame(mask)
    assert (reason is None) == (expected is not None)
    if expected is not None:
        assert np.abs(silhouette.astype(int) - expected).max() <= 1


def test_a_centre_that_hangs_on_rounding_is_opencvs() -> None:
    rng = np.random.default_rng(0)
    undecided = 0
    for seed in range(200):
        height, width = (int(side) for side in rng.integers(50, 250, 2))
        mask = noise(seed, height, width, 0.3)
        mask |= mask[:, ::-1]
        blank = np.zeros((64, 64), np.uint8)
        if compiled_kernel()(mask, 0, width, blank) == UNDECIDED:
            undecided += 1
            assert not blank.any()
            np.testing.assert_array_equal(normalise_frame(mask)[0], reference_frame(mask))
    assert 0 < undecided < 100


def test_the_chain_of_opencv_calls_is_the_fields_loop_byte_for_byte() -> None:
    for mask in (body(256, 192, 96, 10, 200), grey(7, 130, 90), noise(8, 2, 300, 0.5)):
        np.testing.assert_array_equal(normalise_with_opencv(mask)[0], reference_frame(mask))


@st.composite
def boxed_masks(
    draw: st.DrawFn,
) -> tuple[np.ndarray, tuple[int, int, int, int], tuple[int, int]]:
    height, width = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    if draw(st.booleans()):
        x0, x1 = 0, width
    if draw(st.booleans()):
        y0, y1 = 0, height
    seed, share = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0, 1))
    mask = noise(seed, y1 - y0, x1 - x0, share)
    if draw(st.booleans()):
        mask = mask // draw(st.sampled_from([255, 3]))
    return mask, (x0, y0, x1, y1), (height, width)


@given(boxed_masks())
@settings(max_examples=300, deadline=None)
def test_a_crop_gives_the_bytes_of_its_frame(
    case: tuple[np.ndarray, tuple[int, int, int, int], tuple[int, int]],
) -> None:
    mask, (x0, y0, x1, y1), shape = case
    frame = np.zeros(shape, np.uint8)
    frame[y0:y1, x0:x1] = mask
    expected, expected_reason = normalise_frame(frame)
    found, reason = normalise_crop(mask, (x0, y0, x1, y1), shape)
    assert reason == expected_reason
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("box", "frame_shape"),
    [
        ((0, 0, 30, 40), (100, 100)),
        ((-1, 0, 29, 50), (100, 100)),
        ((0, -1, 30, 49), (100, 100)),
        ((80, 0, 110, 50), (100, 100)),
        ((0, 60, 30, 110), (100, 100)),
    ],
    ids=["another size", "left of it", "above it", "right of it", "below it"],
)
def test_a_box_that_does_not_fit_is_refused(
    box: tuple[int, int, int, int], frame_shape: tuple[int, int]
) -> None:
    with pytest.raises(InputError, match="does not fill its box"):
        normalise_crop(np.full((50, 30), 255, np.uint8), box, frame_shape)


@pytest.mark.parametrize(
    "mask", [np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5), bool), np.zeros((5, 5), np.float32)]
)
def test_something_else_than_a_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(InputError, match="not a mask"):
        normalise_frame(mask)


def test_memory_layout_and_write_protection_make_no_difference() -> None:
    mask = body(256, 192, 96, 10, 200)
    expected = normalise_frame(mask)[0]
    padded = np.pad(mask, 7)[7:-7, 7:-7]
    every_second = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)[::2, ::2]
    flipped = np.ascontiguousarray(mask[::-1, ::-1])[::-1, ::-1]
    protected = mask.copy()
    protected.flags.writeable = False
    for view in (padded, every_second, flipped, np.asfortranarray(mask), protected):
        np.testing.assert_array_equal(normalise_frame(view)[0], expected)


@pytest.mark.slow
def test_the_kernel_compiles_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    # This locator gives up without NUMBA_CACHE_DIR, as all do on a read-only install.
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    mask = body(256, 192, 96, 10, 200)
    silhouette = np.zeros((64, 64), np.uint8)
    assert compiled_kernel.__wrapped__()(mask, 0, 192, silhouette) == KEPT
    np.testing.assert_array_equal(silhouette, normalise_frame(mask)[0])


@pytest.mark.slow
def test_importing_the_module_does_not_import_the_compiler() -> None:
    program = (
        "import sys, transforms.extract.normalisation.normalise; sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


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
