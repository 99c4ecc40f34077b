from dataclasses import replace

import numpy as np
import pytest

from transforms.synth.draws import generator_for
from transforms.synth.identity import draw_gait
from transforms.synth.posture import UPRIGHT, Joints, Posture
from transforms.synth.walker import Path, Physique, gait_phase, pose_walker

PHYSIQUE = Physique(
    stature_m=1.6, leg_fraction=0.53, shoulder_width_m=0.36, hip_width_m=0.17, girth=1.0
)
GAIT = draw_gait(0.0, generator_for(1))
PATH = Path(0.0, 0.0, 1, 1.1, 0.0, None, 0.0)
TIMES = np.arange(200) / 100


def _pose(**changes: float) -> Joints:
    return pose_walker(PHYSIQUE, replace(GAIT, posture=Posture(**changes)), PATH, TIMES)


def _gap(joints: Joints, upper: str, lower: str, axis: int) -> np.ndarray:
    return (joints[upper] - joints[lower])[:, axis]


def _knee_bend(joints: Joints, side: str) -> np.ndarray:
    hip, knee, ankle = (joints[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
    thigh, shin = hip - knee, ankle - knee
    lengths = np.linalg.norm(thigh, axis=1) * np.linalg.norm(shin, axis=1)
    cosine = (thigh * shin).sum(axis=1) / lengths
    return 180 - np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def test_a_bowed_head_goes_forwards_and_down_at_its_own_length() -> None:
    plain, bowed = _pose(), _pose(head_pitch=50.0)
    assert (_gap(bowed, "crown", "neck", 0) - _gap(plain, "crown", "neck", 0)).min() > 0.1
    assert (_gap(bowed, "crown", "neck", 2) - _gap(plain, "crown", "neck", 2)).max() < -0.05
    lengths = [np.linalg.norm(pose["crown"] - pose["neck"], axis=1) for pose in (plain, bowed)]
    assert lengths[0] == pytest.approx(lengths[1])
    below = [name for name in plain if name not in ("chin", "crown")]
    assert all(np.array_equal(plain[name], bowed[name]) for name in below)


def test_a_crouch_lowers_the_pelvis_and_bends_both_knees() -> None:
    plain, crouched = _pose(), _pose(crouch=0.05)
    assert (plain["pelvis"] - crouched["pelvis"])[:, 2].mean() > 0.03
    for side in ("left", "right"):
        assert _knee_bend(crouched, side).mean() > _knee_bend(plain, side).mean() + 8
        assert np.array_equal(plain[f"{side}_ankle"], crouched[f"{side}_ankle"])


def test_a_wide_base_sets_the_feet_apart() -> None:
    plain, wide = (
        _gap(pose, "left_ankle", "right_ankle", 1) for pose in (_pose(), _pose(base_m=0.1))
    )
    assert wide - plain == pytest.approx(0.1)


def test_a_round_back_stays_behind() -> None:
    plain, rounded = (_gap(pose, "chest", "neck", 0) for pose in (_pose(), _pose(rounding_m=0.03)))
    assert rounded - plain == pytest.approx(-0.03)


@pytest.mark.parametrize(
    ("side", "sound", "sign"), [("left", "right", 1.0), ("right", "left", -1.0)]
)
def test_a_limp_leans_over_the_painful_leg_and_drops_the_other_hip(
    side: str, sound: str, sign: float
) -> None:
    plain = _pose()
    limping = _pose(limp_side=sign, pelvis_drop=10.0, trunk_lean=10.0)
    over = sign * np.sin(2 * np.pi * gait_phase(GAIT, PATH, TIMES))  # 1: the painful leg carries

    def change(upper: str, lower: str, axis: int) -> np.ndarray:
        return _gap(limping, upper, lower, axis) - _gap(plain, upper, lower, axis)

    assert (change(f"{side}_hip", f"{sound}_hip", 2)[over > 0.9] > 0.02).all()
    assert (sign * change("neck", "pelvis", 1)[over > 0.9] > 0.05).all()
    assert np.abs(change("neck", "pelvis", 1)[over < 0]).max() < 1e-12


def test_a_shifted_step_is_longer_on_one_side_and_no_foot_slides() -> None:
    plain, limping = _pose(), _pose(limp_side=1.0, step_shift=0.2)
    ahead = (limping["left_ankle"] - plain["left_ankle"])[:, 0]
    assert np.ptp(ahead) < 1e-9
    assert ahead.mean() > 0.1
    assert np.array_equal(limping["right_ankle"], plain["right_ankle"])


def test_a_limp_without_a_side_and_an_upright_posture_change_nothing() -> None:
    plain = pose_walker(PHYSIQUE, GAIT, PATH, TIMES)
    for posture in (UPRIGHT, Posture(pelvis_drop=10.0, trunk_lean=10.0, step_shift=0.2)):
        same = pose_walker(PHYSIQUE, replace(GAIT, posture=posture), PATH, TIMES)
        assert all(np.array_equal(plain[name], same[name]) for name in plain)
