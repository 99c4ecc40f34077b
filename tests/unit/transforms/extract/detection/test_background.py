import numpy as np
import pytest

from transforms.extract.detection.background import BackgroundModel, fit_gain, measure_distance
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Frame


def scene() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(60, 180, (48, 64, 3)).astype(np.float32)


def test_lighting_drift_is_found_although_a_person_covers_a_fifth() -> None:
    colour = scene()
    x = np.linspace(-1, 1, 64, dtype=np.float32)[None, :, None]
    image = colour * (0.9 + 0.05 * x)
    image[10:40, 20:40] = 20
    gain = fit_gain(image, colour)
    np.testing.assert_allclose(gain[:, 0], 0.9, atol=0.01)
    np.testing.assert_allclose(gain[:, 1], 0.05, atol=0.01)
    np.testing.assert_allclose(gain[:, 2], 0.0, atol=0.01)


def test_a_dark_or_blown_out_scene_keeps_the_neutral_gain() -> None:
    for level in (0, 255):
        flat = np.full((24, 24, 3), level, np.float32)
        np.testing.assert_array_equal(fit_gain(flat, flat), np.tile([1, 0, 0], (3, 1)))


def test_the_lit_model_follows_the_frame_and_crops_alike() -> None:
    colour = scene()
    model = BackgroundModel(colour, np.full_like(colour, 2))
    image = np.clip(colour * 1.1, 0, 255).astype(np.uint8)
    lit = model.lit(model.gain(Frame(0, 0.0, ColourPicture(image))))
    assert np.abs(lit - image).mean() < 1.5
    rows, columns = slice(5, 20), slice(30, 50)
    crop = model.lit(model.gain(Frame(0, 0.0, ColourPicture(image))), rows, columns)
    np.testing.assert_allclose(crop, lit[rows, columns], rtol=1e-5)


def test_distance_is_counted_in_standard_deviations() -> None:
    lit = np.full((40, 40, 3), 100, np.float32)
    noise = np.full_like(lit, 2)
    image = np.full((40, 40, 3), 100, np.uint8)
    image[10:30, 10:30] += 20
    distance = measure_distance(image, lit, noise, 0.6)
    assert distance[20, 20] == pytest.approx(10, rel=0.02)
    assert distance[2, 2] == pytest.approx(0, abs=1e-3)


def test_a_smaller_model_keeps_colours_and_calms_noise() -> None:
    model = BackgroundModel(scene(), np.full((48, 64, 3), 3, np.float32))
    small = model.resized(32, 24)
    assert small.colour.shape == (24, 32, 3)
    assert small.colour.mean() == pytest.approx(model.colour.mean(), rel=0.01)
    assert (small.noise < 3).all()
