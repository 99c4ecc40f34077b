import numpy as np
import pytest

from transforms.extract.detection.background_learning import (
    _sample_evenly,
    _sort_in_time,
    learn_background,
)
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Frame


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13, 31, 32])
def test_the_network_sorts_any_number_of_samples(count: int) -> None:
    rng = np.random.default_rng(count)
    stack = rng.integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    samples = [layer.copy() for layer in stack]
    _sort_in_time(samples)
    np.testing.assert_array_equal(np.stack(samples), np.sort(stack, axis=0))


@pytest.mark.parametrize("count", [1, 31, 64, 65, 1000])
def test_samples_cover_a_recording_of_any_length_evenly(count: int) -> None:
    frames = (
        Frame(i, i / 25, ColourPicture(np.full((1, 1, 3), i % 256, np.uint8))) for i in range(count)
    )
    samples = _sample_evenly(frames)
    assert min(count, 30) <= len(samples) <= 32


def make_frames(stands_for: range, *, count: int = 60) -> tuple[np.ndarray, list[Frame]]:
    """A scene in which somebody stands in the middle during `stands_for`."""
    rng = np.random.default_rng(3)
    room = np.full((80, 120, 3), 120, np.float32)
    room[:, :, 0] += np.linspace(-20, 20, 120)[None, :]
    frames = []
    for index in range(count):
        image = room.copy()
        if index in stands_for:
            image[20:70, 50:66] = (30, 30, 200)
        drift = 1 + 0.08 * index / count
        noisy = image * drift + rng.normal(0, 1.5, image.shape)
        frames.append(
            Frame(index, index / 25, ColourPicture(np.clip(noisy, 0, 255).astype(np.uint8)))
        )
    return room, frames


@pytest.mark.parametrize(
    "stands_for",
    [range(0), range(10, 20), range(0, 27), range(0, 42)],
    ids=["empty", "passing", "just under half", "more than half"],
)
def test_the_scene_is_found_under_drifting_light_behind_who_stands_there(
    stands_for: range,
) -> None:
    room, frames = make_frames(stands_for)
    model = learn_background(frames)
    drift = np.median(model.colour / room)
    error = np.abs(model.colour / drift - room)
    assert error[25:65, 52:64].max() < 15
    assert np.median(error) < 2
    assert (model.noise > 0).all()


def test_somebody_coming_straight_nearer_does_not_become_scenery() -> None:
    room = np.full((120, 120, 3), 140, np.uint8)
    frames = []
    for index in range(50):
        image = room.copy()
        half = 8 + index // 3
        image[60 - 2 * half : 60 + 2 * half, 60 - half : 60 + half] = (20, 60, 30)
        frames.append(Frame(index, index / 25, ColourPicture(image)))
    model = learn_background(frames)
    assert np.abs(model.colour - 140).max() < 20


def test_no_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        learn_background([])
