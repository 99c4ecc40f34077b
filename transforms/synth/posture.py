"""How a body holds itself besides its gait: a bowed head, bent knees, a wide base, a limp.

A neutral posture changes nothing, to the bit: what was drawn before it existed stays as it was.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Joints = dict[str, FloatArray]  # name -> (frame, 3) world metres

_HEAD: Final = ("chin", "crown")
_ARM: Final = ("shoulder", "elbow", "wrist", "hand")
_ABOVE_THE_PELVIS: Final = (
    "waist",
    "neck",
    "chest",
    *_HEAD,
    *(f"{side}_{part}" for side in ("left", "right") for part in _ARM),
)


@dataclass(frozen=True)
class Posture:
    """What a body does in every stride; all zero: nothing.

    Attributes:
        head_pitch: degrees by which the neck is bent forwards.
        rounding_m: how far the middle of the back stays behind the line from pelvis to neck.
        crouch: share of the leg's length by which the pelvis is lower, so that the knees bend.
        base_m: by how much the feet are farther apart.
        limp_side: the painful leg: 1.0 left, -1.0 right, 0.0 none. What follows needs one.
        pelvis_drop: degrees by which the pelvis sinks on the other side while that leg carries.
        trunk_lean: degrees by which the trunk leans over that leg meanwhile.
        step_shift: how far ahead of its usual place that foot is, in units of the excursion.
    """

    head_pitch: float = 0.0
    rounding_m: float = 0.0
    crouch: float = 0.0
    base_m: float = 0.0
    limp_side: float = 0.0
    pelvis_drop: float = 0.0
    trunk_lean: float = 0.0
    step_shift: float = 0.0

    def shift_of(self, sign: float) -> float:
        """Return how far the foot of a side (1.0: left) is ahead, in units of the excursion."""
        return self.step_shift if sign == self.limp_side else 0.0

    def pelvis_roll(self, over_left_leg: FloatArray) -> FloatArray:
        """Return the degrees by which the pelvis is higher on the left because of the limp.

        Args:
            over_left_leg: `(frame,)` 1 while the left leg carries the body, -1 while the right one.
        """
        return self.limp_side * self.pelvis_drop * self._carrying(over_left_leg)

    def hold(self, body: Joints, over_left_leg: FloatArray) -> None:
        """Bend the parts above the pelvis; body axes."""
        if self.rounding_m:
            for name in ("waist", "chest"):
                body[name] = body[name] - np.array([self.rounding_m, 0.0, 0.0])
        if self.head_pitch:
            _bow(body, np.radians(self.head_pitch))
        if self.limp_side and self.trunk_lean:
            lean = self.limp_side * self.trunk_lean * self._carrying(over_left_leg)
            lean_trunk(body, np.radians(lean))

    def _carrying(self, over_left_leg: FloatArray) -> FloatArray:
        """Return 1 in the middle of the painful leg's stance and 0 while the other one carries."""
        carrying: FloatArray = np.maximum(self.limp_side * over_left_leg, 0.0) ** 2
        return carrying


UPRIGHT: Final = Posture()


def lean_trunk(body: Joints, angle: FloatArray) -> None:
    """Lean everything above the pelvis to the left; legs stay where they stand."""
    pelvis = body["pelvis"]
    for name in _ABOVE_THE_PELVIS:
        joint = body[name].copy()
        joint[:, 1] += np.tan(angle) * (joint[:, 2] - pelvis[:, 2])
        body[name] = joint


def _bow(body: Joints, angle: float) -> None:
    """Turn the head forwards about the base of the neck."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    for name in _HEAD:
        body[name] = body["neck"] + (body[name] - body["neck"]) @ turn.T
