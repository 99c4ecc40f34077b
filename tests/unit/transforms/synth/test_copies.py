import numpy as np
import pytest

from transforms.synth.copies import COPY_KINDS, MIN_COPY_FRAMES, make_copy


def draw_walk(frame_count: int = 60) -> np.ndarray:
    """A block that leans more from frame to frame, so that every frame differs from every other."""
    frames = np.zeros((frame_count, 64, 64), dtype=np.uint8)
    for index, frame in enumerate(frames):
        frame[:, 24:38] = 255
        frame[20 : 20 + index // 2 + 1, 38 : 42 + index % 3] = 255
    return frames


@pytest.mark.parametrize("kind", COPY_KINDS)
def test_every_kind_gives_silhouettes_of_the_same_size_and_enough_frames(kind: str) -> None:
    copy = make_copy(draw_walk(), kind, np.random.default_rng(3))
    assert copy.dtype == np.uint8
    assert copy.shape[1:] == (64, 64)
    assert len(copy) >= MIN_COPY_FRAMES
    assert copy.any(axis=(1, 2)).all()
    assert (kind == "identical") == np.array_equal(copy, draw_walk())


@pytest.mark.parametrize("kind", COPY_KINDS)
def test_the_same_seed_gives_the_same_copy(kind: str) -> None:
    first, second = (make_copy(draw_walk(), kind, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_trimmed_copy_is_a_part() -> None:
    walk = draw_walk()
    copy = make_copy(walk, "trimmed", np.random.default_rng(5))
    starts = [
        start
        for start in range(len(walk) - len(copy) + 1)
        if np.array_equal(walk[start : start + len(copy)], copy)
    ]
    assert len(copy) < len(walk)
    assert len(starts) == 1


def test_time_is_left_alone_where_no_frame_can_be_spared() -> None:
    walk = draw_walk(MIN_COPY_FRAMES)
    for kind in ("trimmed", "retimed", "thinned"):
        np.testing.assert_array_equal(make_copy(walk, kind, np.random.default_rng(6)), walk)
