"""No two strides of a walk are alike: how much, and drawn for one walk.

A recording differs from every other by it, those of the same person included.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.synth.walker import FloatArray, Variation

# Stride times of adolescents vary by some two per cent (Hausdorff et al., 1999).
_STRIDE_TIME_CV: Final = 0.02
_ARM_SWING_CV: Final = 0.08
_LEAN_SD_DEGREES: Final = 0.6


def draw_variation(
    rng: np.random.Generator, stride_hz: float, times_s: NDArray[np.float64]
) -> Variation:
    """Draw one value per stride and go from each to the next without a jump."""
    place = times_s * stride_hz
    count = int(np.ceil(place[-1])) + 2
    ahead = np.cumsum(rng.normal(0.0, _STRIDE_TIME_CV, count))
    swing = np.maximum(rng.normal(1.0, _ARM_SWING_CV, count), 0.2)
    lean = rng.normal(0.0, _LEAN_SD_DEGREES, count)
    return Variation(*(_blend(values, place) for values in (ahead, swing, lean)))


def _blend(values: FloatArray, place: FloatArray) -> FloatArray:
    """Return the values at places between them, level at each."""
    before = np.floor(place).astype(np.int64)
    share = place - before
    share = share * share * (3.0 - 2.0 * share)
    blended: FloatArray = values[before] * (1.0 - share) + values[before + 1] * share
    return blended
