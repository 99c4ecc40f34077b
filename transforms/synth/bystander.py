"""The other person in some recordings: a clinician who stands by, or somebody who crosses."""

from collections.abc import Sequence

import numpy as np

from transforms.synth.body import Outfit, Rgb
from transforms.synth.draws import draw_between
from transforms.synth.identity import draw_gait, draw_physique
from transforms.synth.outfit import draw_coat
from transforms.synth.walker import Gait, Path, Physique

_CROSSING_SPEED_M_S = 1.5


def draw_bystander(
    rng: np.random.Generator, walk: Path, *, duration_s: float, surfaces: Sequence[Rgb]
) -> tuple[Physique, Gait, Path, Outfit]:
    """Draw an adult who stands by, or who passes behind or, briefly, before the participant.

    Args:
        rng: for everything about the person.
        walk: the participant's path, which the other one meets or stays off.
        duration_s: length of the recording.
        surfaces: the colours of the room.
    """
    sex = "F" if rng.random() < 0.5 else "M"
    stature_m = draw_between(rng, 1.58, 1.84)
    physique = draw_physique(stature_m, stature_m**2 * draw_between(rng, 20, 27), sex, rng)
    gait = draw_gait(0.0, rng)
    kind = rng.choice(["stands", "crosses_behind", "crosses_before"], p=(0.5, 0.3, 0.2))
    way_m = walk.speed_m_s * duration_s if walk.length_m is None else walk.length_m
    if kind == "stands":
        path = Path(
            x_start_m=walk.x_start_m + walk.direction * way_m * draw_between(rng, 0.2, 0.8),
            y_m=draw_between(rng, 1.0, 1.6),
            direction=1 if rng.random() < 0.5 else -1,
            speed_m_s=0.0,
            start_s=0.0,
            length_m=None,
            phase_start=0.3,
        )
    else:
        # Comes from where the participant goes, so that they meet, once, about half-way.
        path = Path(
            x_start_m=walk.x_start_m + walk.direction * (way_m + 0.6),
            y_m=draw_between(rng, 1.1, 1.7) if kind == "crosses_behind" else -1.1,
            direction=-walk.direction,
            speed_m_s=_CROSSING_SPEED_M_S,
            start_s=duration_s * draw_between(rng, 0.15, 0.4),
            length_m=None,
            phase_start=draw_between(rng, 0.0, 1.0),
        )
    return physique, gait, path, draw_coat(rng, surfaces)
