"""Who walks: demographics, build, gait, and what a curved spine does to the gait.

The effects of scoliosis are the ones the literature names, their size is chosen so that classes
overlap; `deformity` holds those of the elderly.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.synth.deformity import (
    EFFECTS,
    NO_EFFECTS,
    Effects,
    draw_elderly_gait,
    draw_elderly_speed,
)
from transforms.synth.demographics import ELDERLY, STATISTICS, ClassStatistics
from transforms.synth.draws import draw_between, draw_normal
from transforms.synth.walker import Gait, Physique

SITES: Final = ("site_a", "site_b")


@dataclass(frozen=True)
class Identity:
    """One participant: what the tables say and how the body is built and moves."""

    participant_id: str
    label: str
    sex: str  # F | M
    age_years: float
    height_cm: float
    weight_kg: float
    site: str
    severity: float
    physique: Physique
    gait: Gait
    natural_speed_m_s: float


def draw_identity(participant_id: str, label: str, sex: str, rng: np.random.Generator) -> Identity:
    """Draw one participant of a class or of a group of patients."""
    effects = EFFECTS.get(label)
    return _draw_person(participant_id, label, sex, STATISTICS[label], effects, rng)


def draw_elderly(participant_id: str, label: str, sex: str, rng: np.random.Generator) -> Identity:
    """Draw an elderly person without a disease, whatever the label says."""
    return _draw_person(participant_id, label, sex, ELDERLY, NO_EFFECTS, rng)


def _draw_person(
    participant_id: str,
    label: str,
    sex: str,
    statistics: ClassStatistics,
    effects: Effects | None,  # None: an adolescent, see `draw_gait`
    rng: np.random.Generator,
) -> Identity:
    height_score = float(np.clip(rng.standard_normal(), -2.5, 2.5))
    # Height and weight go together in adolescents, with a correlation of about 0.6.
    weight_score = float(np.clip(0.6 * height_score + 0.8 * rng.standard_normal(), -2.2, 2.8))
    height_cm = statistics.height_cm[0] + statistics.height_cm[1] * height_score
    weight_kg = statistics.weight_kg[0] + statistics.weight_kg[1] * weight_score
    age_years = draw_normal(rng, *statistics.age_years)
    severity = float(np.clip(draw_normal(rng, *statistics.severity), 0.0, 1.0))
    physique = draw_physique(height_cm / 100, weight_kg, sex, rng)
    site = str(rng.choice(SITES))
    gait = draw_gait(severity if effects is None else 0.0, rng)
    speed_m_s = draw_between(rng, 1.02, 1.38)
    if effects is not None:
        gait = draw_elderly_gait(gait, effects, severity, rng)
        speed_m_s = draw_elderly_speed(speed_m_s, effects, severity, rng)
    return Identity(
        participant_id=participant_id,
        label=label,
        sex=sex,
        age_years=round(age_years, 1),
        height_cm=round(height_cm, 1),
        weight_kg=round(weight_kg, 1),
        site=site,
        severity=round(severity, 4),
        physique=physique,
        gait=gait,
        natural_speed_m_s=speed_m_s,
    )


def draw_physique(
    stature_m: float, weight_kg: float, sex: str, rng: np.random.Generator
) -> Physique:
    """Draw the proportions of a body of known stature and weight."""
    mass_index = weight_kg / stature_m**2
    shoulders, hips = (0.222, 0.112) if sex == "F" else (0.236, 0.104)
    return Physique(
        stature_m=stature_m,
        leg_fraction=draw_normal(rng, 0.530, 0.007),
        shoulder_width_m=stature_m * draw_normal(rng, shoulders, 0.007),
        hip_width_m=stature_m * draw_normal(rng, hips, 0.004),
        girth=float(np.clip((mass_index / 19.0) ** 0.55, 0.8, 1.3)),
    )


def draw_gait(severity: float, rng: np.random.Generator) -> Gait:
    """Draw a person's own gait and add what a curve of this severity (0 to 1) does to it.

    The trunk leans and shifts to one side and forwards, the shoulders and the pelvis tilt against
    each other, the thorax turns, one arm swings less, and the steps come unevenly.
    """
    side = 1.0 if rng.random() < 0.35 else -1.0  # most thoracic curves are convex to the right
    swing = draw_normal(rng, 25.0, 4.0)
    weaker_swing = swing * (1.0 - 0.75 * severity * draw_between(rng, 0.7, 1.0))
    spread = draw_normal(rng, 0.0, 1.5)
    left, right = (weaker_swing, swing) if side > 0 else (swing, weaker_swing)
    return Gait(
        stride_hz=draw_between(rng, 0.88, 1.04),
        arm_swing_left=left + spread,
        arm_swing_right=right - spread,
        elbow_flexion=draw_between(rng, 14.0, 32.0),
        step_delay=draw_normal(rng, 0.0, 0.008) + side * 0.075 * severity,
        forward_lean=draw_normal(rng, 2.0, 1.3) + 15.0 * severity,
        lateral_lean=draw_normal(rng, 0.0, 0.8) + side * 8.0 * severity,
        lateral_shift_m=draw_normal(rng, 0.0, 0.005) + side * 0.05 * severity,
        shoulder_obliquity=draw_normal(rng, 0.0, 1.0) + side * 12.0 * severity,
        pelvis_obliquity=draw_normal(rng, 0.0, 0.7) - side * 6.0 * severity,
        thorax_rotation=draw_normal(rng, 0.0, 1.5) - side * 12.0 * severity,
        sway_m=draw_between(rng, 0.012, 0.024),
    )
