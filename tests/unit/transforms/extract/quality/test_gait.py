"""Cardboard walkers whose cadence and way are known."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from transforms.extract.quality.gait import find_rhythm, measure_motion

SHAPE = (360, 640)


def side_view(phase: float, unevenness: float = 0.0) -> np.ndarray:
    """Legs that open and close twice per gait cycle; every second step may be shorter."""
    image = np.zeros((64, 64), np.uint8)
    cv2.rectangle(image, (27, 0), (37, 36), 255, -1)
    swing = np.sin(2 * np.pi * phase)
    reach = 12 * abs(swing) * (1 - unevenness * (swing < 0))
    for side in (-1, 1):
        cv2.line(image, (32, 34), (round(32 + side * reach), 61), 255, 5)
    return image


def front_view(phase: float) -> np.ndarray:
    """Feet that leave the floor in turn, once each per gait cycle."""
    image = np.zeros((64, 64), np.uint8)
    cv2.rectangle(image, (22, 0), (42, 36), 255, -1)
    for side, offset in ((-1, 0.0), (1, 0.5)):
        lift = max(0.0, np.sin(2 * np.pi * (phase + offset))) * 12
        cv2.rectangle(
            image, (32 + side * 6 - 3, 36), (32 + side * 6 + 3, round(63 - lift)), 255, -1
        )
    return image


def walk(view: Callable[[float], np.ndarray], times_s: np.ndarray, stride_hz: float) -> np.ndarray:
    return np.array([view(stride_hz * t + 0.1) for t in times_s])


def test_cadence_and_cycles_from_the_side() -> None:
    times = np.arange(100) / 25
    rhythm = find_rhythm(walk(side_view, times, 0.9), times, "left_to_right")
    assert rhythm is not None
    assert rhythm.steps_per_min == pytest.approx(108, rel=0.02)
    assert rhythm.gait_cycles == pytest.approx(3.6, abs=0.15)
    assert rhythm.confidence > 0.7


@pytest.mark.parametrize("stride_hz", [0.5, 0.7, 0.9, 1.1, 1.4])
@pytest.mark.parametrize(("view", "direction"), [(side_view, "standing"), (front_view, "towards")])
def test_slow_and_fast_walkers(
    view: Callable[[float], np.ndarray], direction: str, stride_hz: float
) -> None:
    times = np.arange(150) / 30
    rhythm = find_rhythm(walk(view, times, stride_hz), times, direction)
    assert rhythm is not None
    assert rhythm.steps_per_min == pytest.approx(120 * stride_hz, rel=0.04)


def test_an_uneven_walker_is_not_taken_for_half_as_fast() -> None:
    times = np.arange(125) / 25
    silhouettes = np.array([side_view(0.9 * t, unevenness=0.3) for t in times])
    rhythm = find_rhythm(silhouettes, times, "right_to_left")
    assert rhythm is not None
    assert rhythm.steps_per_min == pytest.approx(108, rel=0.03)


def test_uneven_times_and_missing_frames_change_little() -> None:
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.02, 0.06, 150))
    seen = np.ones(150, bool)
    seen[[5, 20, 21, 60, 90, 91]] = False
    seen[100:115] = False  # half a second and more: a gap that is not bridged
    rhythm = find_rhythm(walk(side_view, times, 0.8)[seen], times[seen], "left_to_right")
    assert rhythm is not None
    assert rhythm.steps_per_min == pytest.approx(96, rel=0.03)
    seen_s = times[-1] - times[0] - (times[115] - times[99])
    assert rhythm.gait_cycles == pytest.approx(0.8 * seen_s, rel=0.06)


def test_time_spent_standing_counts_no_cycles() -> None:
    times = np.arange(200) / 25
    moving = np.minimum(times, 4.0)
    rhythm = find_rhythm(walk(side_view, moving, 1.0), times, "left_to_right")
    assert rhythm is not None
    assert 3.5 < rhythm.gait_cycles < 5.2


def test_a_break_of_years_costs_nothing() -> None:
    times = np.arange(200) / 25
    late = np.where(times < 4, times, times + 1e9)
    rhythm = find_rhythm(walk(side_view, times, 1.0), late, "left_to_right")
    assert rhythm is not None
    assert rhythm.steps_per_min == pytest.approx(120, rel=0.03)
    assert rhythm.gait_cycles == pytest.approx(8, abs=0.4)


def test_standing_still_and_noise_have_no_rhythm() -> None:
    times = np.arange(100) / 25
    still = np.repeat(side_view(0.2)[None], 100, axis=0)
    assert find_rhythm(still, times, "standing") is None
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(still.shape) < 0.1, 255 - still, still).astype(np.uint8)
    rhythm = find_rhythm(noisy, times, "standing")
    assert rhythm is None or rhythm.confidence < 0.35


@pytest.mark.parametrize("count", [0, 1, 2, 7, 9])
def test_too_few_frames_have_no_rhythm(count: int) -> None:
    times = np.arange(count) / 25
    silhouettes = walk(side_view, times, 1.0).reshape(-1, 64, 64)
    assert find_rhythm(silhouettes, times, "left_to_right") is None


def test_times_that_stand_still_have_no_rhythm() -> None:
    silhouettes = walk(side_view, np.arange(50) / 25, 1.0)
    assert find_rhythm(silhouettes, np.zeros(50), "left_to_right") is None


def boxes(centre: np.ndarray, height: np.ndarray) -> np.ndarray:
    half = 0.2 * height
    return np.stack(
        [centre - half, 300 - height, centre + half, np.full_like(centre, 300)], axis=1
    ).astype(np.float32)


TIMES = np.arange(100) / 25
STILL = np.full(100, 320.0)
SIZE = np.full(100, 150.0)


@pytest.mark.parametrize(
    ("centre", "height", "expected"),
    [
        (100 + 100 * TIMES, SIZE, "left_to_right"),
        (500 - 100 * TIMES, SIZE, "right_to_left"),
        (STILL, 100 + 30 * TIMES, "towards"),
        (STILL, 220 - 30 * TIMES, "away"),
        (STILL + 2 * np.sin(9 * TIMES), SIZE + np.cos(7 * TIMES), "standing"),
        (200 + 100 * np.minimum(TIMES, 2), SIZE, "left_to_right"),
    ],
)
def test_directions(centre: np.ndarray, height: np.ndarray, expected: str) -> None:
    motion = measure_motion(boxes(centre, height), TIMES, SHAPE)
    assert motion.direction == expected
    assert (motion.moving_fraction > 0.4) == (expected != "standing")


def test_speed_is_in_body_heights_per_second() -> None:
    motion = measure_motion(boxes(100 + 90 * TIMES, SIZE), TIMES, SHAPE)
    assert motion.lateral_speed == pytest.approx(0.6, rel=0.02)
    assert motion.depth_speed == pytest.approx(0, abs=0.01)
    assert motion.moving_fraction == 1.0


def test_one_who_leaves_and_comes_back_elsewhere_did_not_walk_there() -> None:
    centre = np.concatenate([np.linspace(100, 300, 50), np.linspace(60, 260, 50)])
    times = np.concatenate([TIMES[:50], TIMES[:50] + 60])
    motion = measure_motion(boxes(centre, SIZE), times, SHAPE)
    assert motion.direction == "left_to_right"
    assert motion.lateral_speed == pytest.approx(100 / 150, rel=0.05)


def test_boxes_cut_by_the_edge_do_not_tell_the_direction() -> None:
    """Entering from the right at one place, the visible part grows and its centre wanders."""
    whole = boxes(np.linspace(620, 100, 100), SIZE)
    cut = np.minimum(whole, np.array([640, 360, 640, 360], np.float32))
    assert measure_motion(cut, TIMES, SHAPE).lateral_speed == pytest.approx(
        measure_motion(whole[whole[:, 2] < 638], TIMES[whole[:, 2] < 638], SHAPE).lateral_speed
    )


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_moment_is_no_motion(count: int) -> None:
    found = boxes(100 + 100 * TIMES, SIZE)[:count]
    assert measure_motion(found, TIMES[:count], SHAPE).direction == "standing"


def test_unknown_boxes_are_left_out() -> None:
    found = boxes(100 + 100 * TIMES, SIZE)
    found[::7] = np.nan
    assert measure_motion(found, TIMES, SHAPE).direction == "left_to_right"
