"""Who walks: demographics per class, build, gait, and what the diagnosis does to the gait.

The figures per class are those of Table 1 of the Scoliosis1K paper (Zhou et al., 2024). The effects
are the ones the literature names, their size is chosen so that classes overlap.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.synth.draws import draw_between, draw_normal
from transforms.synth.walker import Gait, Physique

SITES: Final = ("site_a", "site_b")


@dataclass(frozen=True)
class ClassStatistics:
    """One class of the published Table 1: means with standard deviations, and counts by sex."""

    age_years: tuple[float, float]
    height_cm: tuple[float, float]
    weight_kg: tuple[float, float]
    female_count: int
    male_count: int
    severity: tuple[float, float]  # ours: 0 none, 1 severe


CLASS_STATISTICS: Final = {
    "positive": ClassStatistics((14.3, 1.0), (161.6, 7.1), (48.3, 8.4), 113, 63, (0.68, 0.15)),
    "neutral": ClassStatistics((14.0, 0.6), (161.4, 6.7), (46.7, 7.8), 49, 33, (0.40, 0.11)),
    "negative": ClassStatistics((15.5, 1.5), (163.7, 9.3), (53.3, 11.1), 479, 313, (0.13, 0.10)),
}


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


def count_females(label: str, participant_count: int) -> int:
    """Return how many of a class's participants are female, at the published ratio."""
    statistics = CLASS_STATISTICS[label]
    total = statistics.female_count + statistics.male_count
    return round(participant_count * statistics.female_count / total)


def draw_identity(participant_id: str, label: str, sex: str, rng: np.random.Generator) -> Identity:
    """Draw one participant of a class."""
    statistics = CLASS_STATISTICS[label]
    height_score = float(np.clip(rng.standard_normal(), -2.5, 2.5))
    # Height and weight go together in adolescents, with a correlation of about 0.6.
    weight_score = float(np.clip(0.6 * height_score + 0.8 * rng.standard_normal(), -2.2, 2.8))
    height_cm = statistics.height_cm[0] + statistics.height_cm[1] * height_score
    weight_kg = statistics.weight_kg[0] + statistics.weight_kg[1] * weight_score
    age_years = draw_normal(rng, *statistics.age_years)
    severity = float(np.clip(draw_normal(rng, *statistics.severity), 0.0, 1.0))
    physique = draw_physique(height_cm / 100, weight_kg, sex, rng)
    return Identity(
        participant_id=participant_id,
        label=label,
        sex=sex,
        age_years=round(age_years, 1),
        height_cm=round(height_cm, 1),
        weight_kg=round(weight_kg, 1),
        site=str(rng.choice(SITES)),
        severity=round(severity, 4),
        physique=physique,
        gait=draw_gait(severity, rng),
        natural_speed_m_s=draw_between(rng, 1.02, 1.38),
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
