"""No two strides of a walk are alike: how much, and drawn for one walk.

A recording differs from every other by it, those of the same person included. Two cameras that
film one walk see the same strides, which is what their clocks can be compared by.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.synth.posture import FloatArray
from transforms.synth.walker import Variation

# Stride times of adolescents vary by some two per cent (Hausdorff et al., 1999).
_STRIDE_TIME_CV: Final = 0.02
# Old and ill people walk less evenly; how much is ours. At 0.02 strides differ by less than a frame
# at 25 per second lasts, and two clocks that are one stride apart would look right.
_UNEVEN_STRIDE_TIME_CV: Final = 0.05
_ARM_SWING_CV: Final = 0.08
_LEAN_SD_DEGREES: Final = 0.6


@dataclass(frozen=True)
class Strides:
    """The strides of one walk: a value at the beginning of each, see `Variation`.

    Attributes:
        ahead: how far the gait is ahead, in cycles.
        swing: factor on the swing of the arms.
        lean: lean to the left, in degrees.
        carry: whether the body travels with its strides, instead of at an even speed.
    """

    ahead: tuple[float, ...]
    swing: tuple[float, ...]
    lean: tuple[float, ...]
    carry: bool

    def at(self, times_s: NDArray[np.float64], stride_hz: float) -> Variation:
        """Go from each value to the next without a jump; times count from the walk's beginning."""
        place = times_s * stride_hz
        ahead, swing, lean = (
            _blend(np.array(values), place) for values in (self.ahead, self.swing, self.lean)
        )
        return Variation(ahead, swing, lean, ahead / stride_hz if self.carry else None)


def draw_variation(
    rng: np.random.Generator, stride_hz: float, times_s: NDArray[np.float64]
) -> Variation:
    """Draw one value per stride of a walk that only one camera sees."""
    strides = _draw_strides(rng, times_s[-1] * stride_hz, _STRIDE_TIME_CV, carry=False)
    return strides.at(times_s, stride_hz)


def draw_uneven_strides(rng: np.random.Generator, stride_hz: float, walk_s: float) -> Strides:
    """Draw the strides of a walk of `walk_s` seconds that is now faster, now slower."""
    return _draw_strides(rng, walk_s * stride_hz, _UNEVEN_STRIDE_TIME_CV, carry=True)


def _draw_strides(
    rng: np.random.Generator, stride_count: float, stride_time_cv: float, *, carry: bool
) -> Strides:
    count = int(np.ceil(stride_count)) + 2
    ahead = np.cumsum(rng.normal(0.0, stride_time_cv, count))
    swing = np.maximum(rng.normal(1.0, _ARM_SWING_CV, count), 0.2)
    lean = rng.normal(0.0, _LEAN_SD_DEGREES, count)
    return Strides(tuple(ahead.tolist()), tuple(swing.tolist()), tuple(lean.tolist()), carry)


def _blend(values: FloatArray, place: FloatArray) -> FloatArray:
    """Return the values at places between them, level at each."""
    before = np.floor(place).astype(np.int64)
    share = place - before
    share = share * share * (3.0 - 2.0 * share)
    blended: FloatArray = values[before] * (1.0 - share) + values[before + 1] * share
    return blended
