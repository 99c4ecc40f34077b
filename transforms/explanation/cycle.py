"""Where in the gait cycle each frame of a sequence is.

From the front the feet swing from side to side once per cycle. From the side the legs open and
close once per step, and a silhouette does not tell left from right: the cycle's two halves are
alike by construction there.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.extract.quality.gait import Rhythm, find_rhythm, measure_legs

PHASE_COUNT: Final = 8

_FRONTAL: Final = frozenset({"front", "back"})
_LATERAL: Final = frozenset({"side", "left", "right"})
_WINDOW_PERIODS: Final = 1.0
"""Standard deviation of the window in which the swing is followed: walkers speed up and slow
down, and over many cycles a fixed period would lose its place."""

FloatArray = NDArray[np.float64]


class Cycle(NamedTuple):
    """Where in the gait cycle each frame of a walk is.

    Attributes:
        turns: `(frame,)` in [0, 1). 0 is where the feet are furthest to the picture's right of the
            trunk (front) or the legs furthest apart (side).
        has_halves_alike: seen from the side, where left and right steps cannot be told apart.
    """

    turns: FloatArray
    has_halves_alike: bool

    @property
    def phases(self) -> NDArray[np.int64]:
        """The phase 0..7 of each frame, eighths of the cycle."""
        return np.floor(self.turns * PHASE_COUNT).astype(np.int64) % PHASE_COUNT


def follow_cycle(silhouettes: NDArray[np.uint8], times_s: FloatArray, view: str) -> Cycle | None:
    """Return the gait cycle of a walk; None where no rhythm is found.

    For an unknown view the one whose rhythm is clearer is taken.

    Args:
        silhouettes: `(frame, 64, 44)` uint8, normalised.
        times_s: `(frame,)` rising.
        view: of the recording.
    """
    found = _find_rhythm(silhouettes, times_s, view)
    if found is None:
        return None
    rhythm, is_frontal = found
    _, spread, asymmetry = measure_legs(silhouettes)
    steps_hz = rhythm.steps_per_min / 60
    if is_frontal:
        angles = _follow_swing(asymmetry, times_s, steps_hz / 2)
    else:
        angles = np.unwrap(_follow_swing(spread, times_s, steps_hz)) / 2
    return Cycle(angles / (2 * np.pi) % 1.0, not is_frontal)


def _find_rhythm(
    silhouettes: NDArray[np.uint8], times_s: FloatArray, view: str
) -> tuple[Rhythm, bool] | None:
    frontal = None if view in _LATERAL else find_rhythm(silhouettes, times_s, "towards")
    lateral = None if view in _FRONTAL else find_rhythm(silhouettes, times_s, "left_to_right")
    if frontal and (lateral is None or frontal.confidence > lateral.confidence):
        return frontal, True
    return (lateral, False) if lateral else None


def _follow_swing(signal: FloatArray, times_s: FloatArray, rate_hz: float) -> FloatArray:
    """Return the angle in radians of a swing of about `rate_hz` at each time, 0 at its maximum."""
    lags = times_s[:, None] - times_s[None, :]
    weights = np.exp(-0.5 * (lags * rate_hz / _WINDOW_PERIODS) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    centred = signal[None, :] - (weights @ signal)[:, None]
    turning = np.exp(2j * np.pi * rate_hz * lags)
    return np.asarray(np.angle((weights * centred * turning).sum(axis=1)))
