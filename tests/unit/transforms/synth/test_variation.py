from dataclasses import replace

import numpy as np
import pytest

from transforms.synth.draws import generator_for
from transforms.synth.identity import Identity, draw_identity
from transforms.synth.variation import draw_uneven_strides, draw_variation
from transforms.synth.walker import Path, Variation, locate, pose_walker

WALK_S, FPS = 7.0, 50
LONGEST_OFFSET = FPS  # frames


def _path(person: Identity) -> Path:
    return Path(0.0, 0.0, 1, person.natural_speed_m_s, 0.0, None, 0.2)


def _leg_opening(person: Identity, times_s: np.ndarray, variation: Variation | None) -> np.ndarray:
    joints = pose_walker(person.physique, person.gait, _path(person), times_s, variation)
    return np.abs(joints["left_ankle"] - joints["right_ankle"])[:, 0]


def _margin(person: Identity, *, uneven: bool) -> float:
    """Return by how much the right offset of two cameras fits better than one a step away."""
    times_s = np.arange(WALK_S * FPS) / FPS
    variation = None
    if uneven:
        strides = draw_uneven_strides(generator_for(2, 0), person.gait.stride_hz, WALK_S)
        variation = strides.at(times_s, person.gait.stride_hz)
    whole = _leg_opening(person, times_s, variation)
    part = whole[LONGEST_OFFSET:-LONGEST_OFFSET]
    fits = np.array(
        [
            np.corrcoef(part, whole[start : start + part.size])[0, 1]
            for start in range(2 * LONGEST_OFFSET + 1)
        ]
    )
    away = np.abs(np.arange(fits.size) - LONGEST_OFFSET) > 0.3 * FPS
    return float(fits[~away].max() - fits[away].max())


@pytest.mark.parametrize("label", ["asd", "dhs", "lcs"])
def test_uneven_strides_tell_an_offset_of_one_step(label: str) -> None:
    people = [draw_identity("p0", label, "F", generator_for(3, index)) for index in range(3)]
    assert min(_margin(person, uneven=True) for person in people) > 0.008
    assert np.median([_margin(person, uneven=True) for person in people]) > 0.02


def test_even_strides_do_not() -> None:
    person = draw_identity("p0", "dhs", "F", generator_for(3, 0))
    person = replace(person, gait=replace(person.gait, step_delay=0.0))
    assert _margin(person, uneven=False) < 0.008  # a step is no whole number of frames


def test_cameras_that_start_apart_see_the_same_strides() -> None:
    strides = draw_uneven_strides(generator_for(1), 0.9, WALK_S)
    times_s = np.arange(100) / 25
    early, late = strides.at(times_s, 0.9), strides.at(times_s + 0.4, 0.9)
    assert np.allclose(early.phase[10:], late.phase[:-10])
    assert np.allclose(early.swing[10:], late.swing[:-10])


def test_who_carries_on_unevenly_travels_with_the_legs() -> None:
    times_s = np.arange(WALK_S * FPS) / FPS
    strides = draw_uneven_strides(generator_for(1), 0.9, WALK_S)
    variation = strides.at(times_s, 0.9)
    assert variation.travel_s is not None
    path = Path(0.0, 0.0, 1, 1.0, 0.0, None, 0.0)
    speed = np.gradient(locate(path, times_s + variation.travel_s)[0], times_s)
    cadence = np.gradient(0.9 * times_s + variation.phase, times_s)
    assert np.corrcoef(speed, cadence)[0, 1] > 0.999
    assert 0.02 < speed.std() < 0.15
    assert speed.min() > 0.5


def test_one_camera_sees_an_even_way() -> None:
    assert draw_variation(generator_for(1), 0.9, np.arange(50) / 25).travel_s is None
