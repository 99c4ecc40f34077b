from dataclasses import replace

import numpy as np
import pytest

from transforms.synth.walker import Gait, Path, Physique, gait_phase, locate, pose_walker

PHYSIQUE = Physique(
    stature_m=1.6, leg_fraction=0.53, shoulder_width_m=0.36, hip_width_m=0.17, girth=1.0
)
GAIT = Gait(
    stride_hz=0.95,
    arm_swing_left=25.0,
    arm_swing_right=25.0,
    elbow_flexion=20.0,
    step_delay=0.0,
    forward_lean=0.0,
    lateral_lean=0.0,
    lateral_shift_m=0.0,
    shoulder_obliquity=0.0,
    pelvis_obliquity=0.0,
    thorax_rotation=0.0,
    sway_m=0.02,
)
PATH = Path(
    x_start_m=0.0,
    y_m=0.0,
    direction=1,
    speed_m_s=1.2,
    start_s=0.0,
    length_m=None,
    phase_start=0.0,
)
TIMES = np.arange(300) / 100


def _length(joints: dict[str, np.ndarray], first: str, second: str) -> np.ndarray:
    return np.linalg.norm(joints[first] - joints[second], axis=1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_limbs_keep_their_length(side: str) -> None:
    joints = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    for first, second in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
        length = _length(joints, f"{side}_{first}", f"{side}_{second}")
        assert np.ptp(length) < 0.012, (first, second)


@pytest.mark.parametrize("side", ["left", "right"])
def test_feet_stay_above_the_floor_and_do_not_slide_while_they_carry(side: str) -> None:
    joints = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    assert joints[f"{side}_heel"][:, 2].min() > -0.01
    phase = (
        gait_phase(GAIT, PATH, TIMES)
        if side == "left"
        else (gait_phase(GAIT, PATH, TIMES) + 0.5) % 1.0
    )
    flat = (phase > 0.12) & (phase < 0.36)
    speed = np.gradient(joints[f"{side}_ankle"][:, 0], TIMES)
    assert np.abs(speed[flat]).max() < 0.15 * PATH.speed_m_s


def test_legs_open_to_both_sides_of_the_pelvis() -> None:
    joints = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    ahead = joints["left_ankle"][:, 0] - joints["right_ankle"][:, 0]
    assert ahead.max() > 0.5
    assert ahead.min() < -0.5


def test_arms_swing_against_the_legs() -> None:
    joints = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    leg = joints["left_ankle"][:, 0] - joints["left_hip"][:, 0]
    arm = joints["left_hand"][:, 0] - joints["left_shoulder"][:, 0]
    assert np.corrcoef(leg, arm)[0, 1] < -0.8


@pytest.mark.parametrize(
    ("change", "from_joint", "to_joint", "axis"),
    [
        ({"forward_lean": 15.0}, "pelvis", "neck", 0),
        ({"lateral_lean": 8.0}, "pelvis", "neck", 1),
        ({"lateral_shift_m": 0.05}, "pelvis", "chest", 1),
        ({"shoulder_obliquity": 12.0}, "right_shoulder", "left_shoulder", 2),
        ({"pelvis_obliquity": 6.0}, "right_hip", "left_hip", 2),
        ({"thorax_rotation": 12.0}, "left_shoulder", "right_shoulder", 0),
    ],
)
def test_each_effect_moves_what_it_names(
    change: dict[str, float], from_joint: str, to_joint: str, axis: int
) -> None:
    plain = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    changed = pose_walker(PHYSIQUE, replace(GAIT, **change), PATH, TIMES)
    offsets = [(joints[to_joint] - joints[from_joint])[:, axis] for joints in (plain, changed)]
    assert (offsets[1] - offsets[0]).mean() > 0.015


def test_each_arm_has_its_own_swing() -> None:
    joints = pose_walker(PHYSIQUE, replace(GAIT, arm_swing_left=6.0), PATH, TIMES)
    left, right = (
        np.ptp((joints[f"{side}_hand"] - joints[f"{side}_shoulder"])[:, 0])
        for side in ("left", "right")
    )
    assert left < 0.4 * right


def test_a_step_delay_makes_the_steps_uneven() -> None:
    def heel_strikes(gait: Gait, side: str) -> np.ndarray:
        lead = pose_walker(PHYSIQUE, gait, PATH, TIMES)
        forward = lead[f"{side}_ankle"][:, 0] - lead["pelvis"][:, 0]
        peaks = (forward[1:-1] > forward[:-2]) & (forward[1:-1] >= forward[2:])
        return TIMES[1:-1][peaks & (forward[1:-1] > 0.1)]

    uneven = replace(GAIT, step_delay=0.08)
    even_gap = heel_strikes(GAIT, "right")[0] - heel_strikes(uneven, "right")[0]
    assert even_gap == pytest.approx(0.08 / GAIT.stride_hz, abs=0.02)
    assert heel_strikes(GAIT, "left")[0] == pytest.approx(heel_strikes(uneven, "left")[0], abs=0.02)


def test_who_stands_by_does_not_walk() -> None:
    still = replace(PATH, speed_m_s=0.0, x_start_m=2.0, y_m=1.3)
    joints = pose_walker(PHYSIQUE, GAIT, still, TIMES)
    assert np.ptp(joints["left_ankle"][:, 0]) < 1e-9
    assert joints["pelvis"][:, 0] == pytest.approx(2.0, abs=0.05)
    assert 0.001 < np.ptp(joints["pelvis"][:, 1]) < 0.05


def test_the_way_back_is_mirrored() -> None:
    there = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    back = pose_walker(PHYSIQUE, GAIT, replace(PATH, direction=-1), TIMES)
    assert np.allclose(back["left_toe"][:, :2], -there["left_toe"][:, :2])
    assert np.allclose(back["left_toe"][:, 2], there["left_toe"][:, 2])


def test_a_long_walk_goes_to_and_fro() -> None:
    path = replace(PATH, speed_m_s=1.0, length_m=2.0)
    x, heading = locate(path, np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]))
    assert x == pytest.approx([0.0, 1.0, 2.0, 1.0, 0.0, 1.0])
    assert np.cos(heading[[1, 3, 5]]) == pytest.approx([1.0, -1.0, 1.0])


def test_phase_counts_strides_and_stays_below_one() -> None:
    phase = gait_phase(GAIT, replace(PATH, phase_start=0.999999999999), TIMES)
    assert ((phase >= 0.0) & (phase < 1.0)).all()
    assert (np.diff(phase) < -0.5).sum() == round(3 * GAIT.stride_hz)
