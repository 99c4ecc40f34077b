"""How elderly people walk, and what four diseases of the spine and the hip do to it.

The signs are those that clinicians name; how large they are is not published, so the sizes are
ours, chosen so that the groups overlap.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from transforms.synth.draws import draw_between, draw_normal
from transforms.synth.posture import Posture
from transforms.synth.walker import Gait


@dataclass(frozen=True)
class Effects:
    """What a disease adds at severity 1; angles in degrees.

    Attributes:
        forward_lean: of the trunk; negative where it leans back.
        lateral_lean: of the trunk, to the person's worse side.
        lateral_shift_m: of the trunk, to the same side.
        head_pitch: of the neck, forwards.
        rounding_m: of the back.
        crouch: share of the leg's length lost to bent knees.
        base_m: by which the feet are farther apart.
        slowing: share of the natural speed that is lost.
        slower_cadence: share of the natural cadence that is lost; the rest is lost to short steps.
        pelvis_drop: on the sound side while the painful leg carries.
        trunk_lean: over the painful leg meanwhile.
        step_delay: of the sound leg's step, which comes too early, in cycles.
        step_shift: of the painful foot, which does not go far back, in units of its way.
    """

    forward_lean: float = 0.0
    lateral_lean: float = 0.0
    lateral_shift_m: float = 0.0
    head_pitch: float = 0.0
    rounding_m: float = 0.0
    crouch: float = 0.0
    base_m: float = 0.0
    slowing: float = 0.0
    slower_cadence: float = 0.0
    pelvis_drop: float = 0.0
    trunk_lean: float = 0.0
    step_delay: float = 0.0
    step_shift: float = 0.0


EFFECTS: Final = {
    # Adult spinal deformity: sagittal imbalance that bent knees make up for, and coronal imbalance.
    "asd": Effects(
        forward_lean=24.0,
        lateral_lean=9.0,
        lateral_shift_m=0.035,
        head_pitch=8.0,
        rounding_m=0.02,
        crouch=0.05,
        slowing=0.38,
        slower_cadence=0.10,
    ),
    # Dropped head syndrome: the chin sinks to the chest, the trunk leans back to make up for it.
    "dhs": Effects(
        forward_lean=-7.0, head_pitch=62.0, rounding_m=0.03, slowing=0.20, slower_cadence=0.06
    ),
    # Lumbar canal stenosis: stooping relieves it; a slow cadence on a wide base.
    "lcs": Effects(
        forward_lean=15.0,
        head_pitch=6.0,
        crouch=0.03,
        base_m=0.11,
        slowing=0.32,
        slower_cadence=0.24,
    ),
    # Osteoarthritis of one hip: a limp.
    "hipoa": Effects(
        forward_lean=4.0,
        crouch=0.015,
        slowing=0.25,
        slower_cadence=0.08,
        pelvis_drop=10.0,
        trunk_lean=11.0,
        step_delay=0.10,
        step_shift=0.18,
    ),
}
NO_EFFECTS: Final = Effects()


def draw_elderly_gait(
    healthy: Gait, effects: Effects, severity: float, rng: np.random.Generator
) -> Gait:
    """Draw how an elderly person walks who would have walked like `healthy` when young."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    swing = draw_between(rng, 0.6, 0.9)
    # The same disease bends one person forwards and another one aside.
    forwards, aside = (severity * draw_between(rng, 0.4, 1.2) for _ in range(2))
    posture = Posture(
        head_pitch=max(draw_normal(rng, 8.0, 4.0), 0.0) + effects.head_pitch * severity,
        rounding_m=draw_between(rng, 0.0, 0.02) + effects.rounding_m * severity,
        crouch=draw_between(rng, 0.0, 0.02) + effects.crouch * forwards,
        base_m=draw_between(rng, 0.0, 0.03) + effects.base_m * severity,
        limp_side=side,
        pelvis_drop=effects.pelvis_drop * severity,
        trunk_lean=effects.trunk_lean * severity,
        step_shift=effects.step_shift * severity,
    )
    lean = draw_normal(rng, 3.0, 3.5) + effects.forward_lean * forwards
    return replace(
        healthy,
        stride_hz=healthy.stride_hz * (1.0 - effects.slower_cadence * severity),
        arm_swing_left=healthy.arm_swing_left * swing,
        arm_swing_right=healthy.arm_swing_right * swing,
        step_delay=healthy.step_delay + side * effects.step_delay * severity,
        forward_lean=healthy.forward_lean + lean,
        lateral_lean=draw_normal(rng, 0.0, 1.8) + side * effects.lateral_lean * aside,
        lateral_shift_m=healthy.lateral_shift_m + side * effects.lateral_shift_m * aside,
        posture=posture,
    )


def draw_elderly_speed(
    young_m_s: float, effects: Effects, severity: float, rng: np.random.Generator
) -> float:
    """Draw how fast an elderly person walks who would have walked at `young_m_s` when young."""
    return young_m_s * draw_between(rng, 0.84, 0.96) * (1.0 - effects.slowing * severity)
