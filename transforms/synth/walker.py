"""A parametric articulated walker: from a physique, a gait and a path to joints over time.

World axes in metres: x along the walking line, y across it (away from the side camera), z up.
Body axes: forward, left, up. What the body looks like is not decided here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.synth.posture import UPRIGHT, FloatArray, Joints, Posture, lean_trunk

SIDES: Final = (("left", 1.0), ("right", -1.0))
_TURN_S: Final = 0.7
_GRID: Final = 240  # samples of one gait cycle

# One leg over its cycle, which begins with the heel strike and leaves the floor at 0.62 (Perry).
# Forward position is in units of the excursion, heights in units of the stature.
_FORWARD_KEYS: Final = ((0.0, 0.50), (0.62, -0.50), (0.74, -0.30), (0.88, 0.28), (0.96, 0.50))
_LIFT_KEYS: Final = (
    (0.0, 0.006),
    (0.08, 0.0),
    (0.38, 0.0),
    (0.50, 0.018),
    (0.62, 0.062),
    (0.72, 0.080),
    (0.84, 0.036),
    (0.94, 0.012),
)
_PITCH_KEYS: Final = (  # degrees, toes up positive
    (0.0, 20.0),
    (0.09, 0.0),
    (0.38, 0.0),
    (0.50, -18.0),
    (0.62, -52.0),
    (0.74, -38.0),
    (0.88, 8.0),
    (0.96, 20.0),
)


@dataclass(frozen=True)
class Physique:
    """The build of a body, in metres; `girth` scales every thickness."""

    stature_m: float
    leg_fraction: float  # hip height / stature
    shoulder_width_m: float
    hip_width_m: float
    girth: float


@dataclass(frozen=True)
class Gait:
    """How a body walks; angles in degrees, positive to the left or forwards."""

    stride_hz: float
    arm_swing_left: float
    arm_swing_right: float
    elbow_flexion: float
    step_delay: float  # how far the right step is from half the cycle, in cycles
    forward_lean: float
    lateral_lean: float
    lateral_shift_m: float
    shoulder_obliquity: float
    pelvis_obliquity: float
    thorax_rotation: float
    sway_m: float
    posture: Posture = UPRIGHT


@dataclass(frozen=True)
class Variation:
    """How a walk departs from repeating itself exactly; each `(frame,)`.

    Attributes:
        phase: how far the gait is ahead, in cycles.
        swing: factor on the swing of the arms.
        lean_degrees: lean to the left besides the body's own.
        travel_s: how far the body is ahead on its way, in seconds; without it the way is walked
            at an even speed, whatever the legs do.
    """

    phase: FloatArray
    swing: FloatArray
    lean_degrees: FloatArray
    travel_s: FloatArray | None = None


@dataclass(frozen=True)
class Path:
    """Where a body goes: along a line parallel to x, to and fro if `length_m` is given.

    A speed of 0 means standing by.
    """

    x_start_m: float
    y_m: float
    direction: int  # 1: towards positive x, -1: away from it
    speed_m_s: float
    start_s: float
    length_m: float | None
    phase_start: float


def locate(path: Path, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return `(x_m, heading_radians)` per time; heading 0 looks towards positive x."""
    heading = np.full(times_s.shape, 0.0 if path.direction > 0 else np.pi)
    travelled = path.speed_m_s * (times_s - path.start_s)
    if path.length_m is None:
        return path.x_start_m + path.direction * travelled, heading
    turns = travelled / path.length_m
    leg = np.maximum(np.floor(turns), 0.0)
    rest = travelled - leg * path.length_m
    along = np.where(leg % 2 == 0, rest, path.length_m - rest)
    nearest = np.maximum(np.round(turns), 1.0)
    since_turn_s = (turns - nearest) * path.length_m / path.speed_m_s
    blend = np.clip(since_turn_s / _TURN_S + 0.5, 0.0, 1.0)
    heading += np.pi * (nearest - 1.0 + blend * blend * (3.0 - 2.0 * blend))
    return path.x_start_m + path.direction * along, heading


def gait_phase(
    gait: Gait, path: Path, times_s: FloatArray, variation: Variation | None = None
) -> FloatArray:
    """Return the gait phase in [0, 1): 0 is the left heel strike. Constant for those who stand."""
    moving_s = times_s if path.speed_m_s > 0 else np.zeros_like(times_s)
    phase = (path.phase_start + gait.stride_hz * moving_s) % 1.0
    if variation is not None:
        phase = (phase + variation.phase) % 1.0
    return np.where(phase >= 1.0, 0.0, phase)


def pose_walker(
    physique: Physique,
    gait: Gait,
    path: Path,
    times_s: FloatArray,
    variation: Variation | None = None,
) -> Joints:
    """Return the joints of a walker, each `(frame, 3)` in world metres.

    Without a `variation` every stride is like every other.
    """
    stature = physique.stature_m
    posture = gait.posture
    phase = gait_phase(gait, path, times_s, variation)
    phases = {"left": phase, "right": (phase + 0.5 + gait.step_delay) % 1.0}
    activity = min(1.0, path.speed_m_s / 0.9)
    stride_m = path.speed_m_s / gait.stride_hz
    cycle = _leg_cycle(physique, stride_m, activity)
    shifts_m = {side: posture.shift_of(sign) * _excursion(stride_m) for side, sign in SIDES}
    hip_height = _pelvis_height(physique, posture, cycle, shifts_m, phase, phases["right"])

    # The pelvis sways over the standing leg, and its forward side is that of the leading leg.
    beat = np.cos(2 * np.pi * phase)
    over_standing_leg = np.sin(2 * np.pi * phase)
    sway = (gait.sway_m * activity + 0.004) * over_standing_leg
    if activity == 0:
        sway = 0.012 * np.sin(2 * np.pi * 0.31 * times_s + path.phase_start * 2 * np.pi)
    pelvis = _stack(np.zeros_like(sway), sway, hip_height)
    pelvis_yaw = np.radians(-6.0 * activity) * beat
    pelvis_roll = np.radians(
        gait.pelvis_obliquity
        - 2.5 * activity * over_standing_leg
        + posture.pelvis_roll(over_standing_leg)
    )
    body: Joints = {"pelvis": pelvis}

    for side, sign in SIDES:
        half = sign * physique.hip_width_m / 2
        body[f"{side}_hip"] = pelvis + _across(half, pelvis_yaw, pelvis_roll)
        lateral_m = sign * (0.032 * stature + posture.base_m / 2)
        place = (shifts_m[side], lateral_m)
        _add_leg(body, side, sign, physique, cycle, phases[side], place)

    _add_trunk(body, physique, gait, activity, beat)
    for side, sign in SIDES:
        own = gait.arm_swing_left if side == "left" else gait.arm_swing_right
        swing = own if variation is None else own * variation.swing
        angle = np.radians(-3.0 - swing * activity * np.cos(2 * np.pi * (phases[side] + 0.02)))
        _add_arm(body, side, sign, stature, angle - np.radians(3.0), gait, activity)
    posture.hold(body, over_standing_leg)
    if variation is not None:
        lean_trunk(body, np.radians(variation.lean_degrees))
        if variation.travel_s is not None:
            times_s = times_s + variation.travel_s
    return _to_world(body, path, times_s)


def _smooth_cycle(keys: tuple[tuple[float, float], ...], width: float = 0.018) -> FloatArray:
    """Return a periodic curve through `keys`, sampled on the grid and smoothed."""
    places, values = (np.array(column) for column in zip(*keys, strict=True))
    grid = np.arange(_GRID) / _GRID
    curve = np.interp(grid, places, values, period=1.0)
    return _blur_cycle(curve, width)


def _blur_cycle(curve: FloatArray, width: float) -> FloatArray:
    distance = np.minimum(np.arange(_GRID), _GRID - np.arange(_GRID)) / _GRID
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    spectrum = np.fft.rfft(curve) * np.fft.rfft(kernel / kernel.sum())
    return np.fft.irfft(spectrum, _GRID)


def _sample(curve: FloatArray, phase: FloatArray) -> FloatArray:
    return np.interp(phase, np.arange(_GRID) / _GRID, curve, period=1.0)


def _excursion(stride_m: float) -> float:
    # 0.62 of a stride is the way of a foot on the floor; rolling over heel and toes takes a part.
    return 0.62 * stride_m * 0.93


def _leg_cycle(physique: Physique, stride_m: float, activity: float) -> dict[str, FloatArray]:
    excursion = _excursion(stride_m)
    stature = physique.stature_m
    return {
        "forward": (_smooth_cycle(_FORWARD_KEYS) - 0.01) * excursion,
        "up": 0.039 * stature + _smooth_cycle(_LIFT_KEYS) * stature * activity,
        "pitch": np.radians(_smooth_cycle(_PITCH_KEYS)) * activity,
    }


def _leg_length(physique: Physique) -> float:
    return (physique.leg_fraction - 0.039) * physique.stature_m


def _pelvis_height(
    physique: Physique,
    posture: Posture,
    cycle: dict[str, FloatArray],
    shifts_m: dict[str, float],
    left: FloatArray,
    right: FloatArray,
) -> FloatArray:
    """Return the height at which both feet can be reached: the inverted pendulum of walking."""
    leg = _leg_length(physique) * (1.0 - posture.crouch)
    reach = {
        side: np.sqrt(np.maximum((0.997 * leg) ** 2 - (cycle["forward"] + shift_m) ** 2, 0.0))
        + cycle["up"]
        for side, shift_m in shifts_m.items()
    }
    delay = round(float((right[0] - left[0]) % 1.0) * _GRID)
    both = np.minimum(reach["left"], np.roll(reach["right"], -delay))
    highest = 0.039 * physique.stature_m + 0.985 * leg
    return _sample(_blur_cycle(np.minimum(both, highest), 0.03), left)


def _add_leg(
    body: Joints,
    side: str,
    sign: float,
    physique: Physique,
    cycle: dict[str, FloatArray],
    phase: FloatArray,
    place: tuple[float, float],  # of the foot: how far ahead, how far to the left
) -> None:
    stature = physique.stature_m
    hip = body[f"{side}_hip"]
    forward = _sample(cycle["forward"], phase) + place[0]
    ankle = _stack(forward, np.full(phase.shape, place[1]), _sample(cycle["up"], phase))
    body[f"{side}_knee"] = _bend_knee(hip, ankle, _leg_length(physique) / 2)
    pitch = _sample(cycle["pitch"], phase)
    sole = np.array([0.0, 0.0, -0.024 * stature])
    along = _stack(np.cos(pitch), np.full(pitch.shape, 0.12 * sign), np.sin(pitch))
    body[f"{side}_ankle"] = ankle
    body[f"{side}_heel"] = ankle + sole - 0.028 * stature * along
    body[f"{side}_toe"] = ankle + sole + 0.105 * stature * along


def _bend_knee(hip: FloatArray, ankle: FloatArray, segment_m: float) -> FloatArray:
    """Return the knee, forward of the line from hip to ankle, both segments `segment_m` long."""
    line = ankle - hip
    length = np.linalg.norm(line, axis=1, keepdims=True)
    rise = np.sqrt(np.maximum(segment_m**2 - (length / 2) ** 2, 0.0))
    along = line / length
    forward = np.array([1.0, 0.0, 0.0]) - along[:, :1] * along
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    knee: FloatArray = hip + line / 2 + rise * forward
    return knee


def _add_trunk(
    body: Joints, physique: Physique, gait: Gait, activity: float, beat: FloatArray
) -> None:
    trunk_m = (0.818 - physique.leg_fraction) * physique.stature_m
    ahead = np.radians(gait.forward_lean)
    aside = np.radians(gait.lateral_lean)
    direction = np.array([np.sin(ahead), np.sin(aside), np.cos(ahead) * np.cos(aside)])
    direction /= np.linalg.norm(direction)
    shift = np.array([0.0, gait.lateral_shift_m, 0.0])
    # A back that leans also rounds: the middle stays behind the line from pelvis to neck.
    rounding = np.array([-0.0012 * max(gait.forward_lean, 0.0), 0.0, 0.0])
    pelvis = body["pelvis"]
    body["waist"] = pelvis + 0.45 * trunk_m * direction + 0.8 * shift + rounding
    body["neck"] = pelvis + trunk_m * direction + shift
    body["chest"] = pelvis + 0.88 * trunk_m * direction + shift + rounding
    yaw = np.radians(gait.thorax_rotation) + np.radians(7.0 * activity) * beat
    roll = np.full(yaw.shape, np.radians(gait.shoulder_obliquity))
    for side, sign in SIDES:
        half = sign * physique.shoulder_width_m / 2
        body[f"{side}_shoulder"] = (
            pelvis + 0.95 * trunk_m * direction + shift + _across(half, yaw, roll)
        )
    # The head half rights itself so that the eyes look ahead.
    tilt = np.array([np.sin(0.6 * ahead), 0.5 * np.sin(aside), 1.0])
    tilt /= np.linalg.norm(tilt)
    stature = physique.stature_m
    body["chin"] = body["neck"] + 0.068 * stature * tilt + np.array([0.012 * stature, 0, 0])
    body["crown"] = body["neck"] + 0.125 * stature * tilt + np.array([0.010 * stature, 0, 0])


def _add_arm(
    body: Joints,
    side: str,
    sign: float,
    stature: float,
    angle: FloatArray,
    gait: Gait,
    activity: float,
) -> None:
    abduction = np.radians(7.0) * sign
    flexion = np.radians(gait.elbow_flexion) * (1.0 + 0.5 * activity * np.sin(angle))
    upper = _stack(np.sin(angle), np.full(angle.shape, np.sin(abduction)), -np.cos(angle))
    bent = angle + flexion
    lower = _stack(np.sin(bent), np.full(angle.shape, 0.3 * np.sin(abduction)), -np.cos(bent))
    body[f"{side}_elbow"] = body[f"{side}_shoulder"] + 0.172 * stature * upper
    body[f"{side}_wrist"] = body[f"{side}_elbow"] + 0.150 * stature * lower
    body[f"{side}_hand"] = body[f"{side}_wrist"] + 0.055 * stature * lower


def _across(half_m: float, yaw: FloatArray, roll: FloatArray) -> FloatArray:
    """Return the offset of a joint `half_m` to the left after turning by yaw and roll."""
    return half_m * _stack(-np.sin(yaw), np.cos(yaw) * np.cos(roll), np.sin(roll))


def _stack(forward: FloatArray, left: FloatArray, up: FloatArray) -> FloatArray:
    return np.stack([forward, left, up], axis=1)  # (frame, 3) float64


def _to_world(body: Joints, path: Path, times_s: FloatArray) -> Joints:
    x_m, heading = locate(path, times_s)
    cosine, sine = np.cos(heading), np.sin(heading)
    world = {}
    for name, point in body.items():
        forward, left, up = point.T
        world[name] = _stack(
            x_m + forward * cosine - left * sine, path.y_m + forward * sine + left * cosine, up
        )
    return world
