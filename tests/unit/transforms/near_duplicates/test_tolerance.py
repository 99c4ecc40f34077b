import numpy as np

from transforms.near_duplicates.space import fit_space
from transforms.near_duplicates.tolerance import try_copying


def draw_walk(frame_count: int) -> np.ndarray:
    """A block with an arm that swings every 30 frames."""
    frames = np.zeros((frame_count, 64, 64), dtype=np.uint8)
    for index, frame in enumerate(frames):
        swing = round(6 * np.sin(2 * np.pi * index / 30))
        frame[2:62, 26:38] = 255
        frame[20:40, 32 + swing : 42 + swing] = 255
    return frames


def test_strides_that_repeat_differ_by_nothing() -> None:
    trials = try_copying(draw_walk(120), np.random.default_rng(0))
    assert len(trials.strides) > 0
    assert np.abs(trials.strides).max() < 1e-4
    assert np.abs(trials.noises).max() > 0.01


def test_copying_is_a_function_of_frames_and_generator() -> None:
    first, second = (try_copying(draw_walk(60), np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first.noises, second.noises)


def test_empty_and_short_sequences_still_give_a_space() -> None:
    for frames in (draw_walk(16), np.zeros((20, 64, 64), dtype=np.uint8)):
        trials = try_copying(frames, np.random.default_rng(2))
        space = fit_space(trials)
        pictures = np.zeros((3, 32, 22), dtype=np.float32)
        assert np.isfinite(space.stride.project(pictures)).all()
