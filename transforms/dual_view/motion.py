"""What one camera saw of a walk, as signals that another camera sees as well.

Two things are the same from everywhere: when the legs pass each other, and how fast the body moves
along its way. Nothing is compared here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.dual_view.pairing import FRONT
from transforms.extract.quality.gait import find_rhythm, measure_legs

FloatArray = NDArray[np.float64]

RATE_HZ: Final = 100
_MAX_GAP_S: Final = 0.3
_MAX_WALK_S: Final = 120.0
"""Of longer walks the beginning is looked at."""
_MIN_FRAMES: Final = 12
_PHASE_STEPS: Final = 0.5
"""Standard deviation of the window in which a step's phase is measured, in steps: wide enough for
its noise, and narrow enough that one stride differs from the next."""
_MIN_STRENGTH: Final = 0.25
"""Of a step, beside the usual one: below it, there is no phase to speak of."""
_MIN_KNOWN: Final = 0.6
_SPEED_S: Final = (0.25, 0.15)
"""Windows of way and speed: the rhythm of the steps is to be gone, a turn is to stay."""
_MAX_SPEED: Final = 1.5  # beside the usual: more is a box that jumps
_SPREAD_TURN: Final = -0.082
_TOP_TURN: Final = -0.013
"""Share of a step by which the legs' spread and the head's top from the side are ahead of the
head's top from the front. Measured on 40 synthetic walks: standard deviation 0.013."""


@dataclass(frozen=True)
class Walk:
    """One view of a walk: its kept frames.

    Attributes:
        view: front or side.
        times_s: `(frame,)` float64, rising, since the video's first frame.
        silhouettes: `(frame, 64, width)` uint8.
        boxes: `(frame, 4)` float64 x0, y0, x1, y1 in pixels of the video.
    """

    view: str
    times_s: FloatArray
    silhouettes: NDArray[np.uint8]
    boxes: FloatArray


@dataclass(frozen=True)
class Motion:
    """A walk's signals on an even grid of `RATE_HZ`.

    Attributes:
        start_s: time of the first sample.
        steps: `(sample,)` complex128, its angle the phase of the step, its length 0..1 how much
            there is of one; 0 where unknown.
        speed: `(sample,)` along the way, 1 is the walk's usual one.
        is_speed_known: `(sample,)` 0 or 1.
    """

    start_s: float
    steps: NDArray[np.complex128]
    speed: FloatArray
    is_speed_known: FloatArray


def find_step_rate(side: Walk) -> float | None:
    """Return the steps per second that the side view shows; None where it shows no rhythm."""
    rhythm = find_rhythm(side.silhouettes, side.times_s, "left_to_right")
    return None if rhythm is None else rhythm.steps_per_min / 60.0


def measure_motion(walk: Walk, step_hz: float) -> Motion | None:
    """Return the signals of one view; None where it has too few frames."""
    is_used = (np.diff(walk.times_s, prepend=-np.inf) > 0) & np.isfinite(walk.boxes).all(axis=1)
    is_used &= walk.times_s - walk.times_s[:1] <= _MAX_WALK_S
    if np.count_nonzero(is_used) < _MIN_FRAMES:
        return None
    times_s, boxes = walk.times_s[is_used], walk.boxes[is_used]
    heights = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    usual = float(np.median(heights))
    if walk.view == FRONT:
        # What comes nearer grows: in its own heights the head bobs evenly, and the distance is the
        # inverse of the height.
        waves = [(boxes[:, 1] / heights, 0.0)]
        way = usual / heights
    else:
        _, spread, _ = measure_legs(walk.silhouettes[is_used])
        waves = [(spread, _SPREAD_TURN), (boxes[:, 1] / usual, _TOP_TURN)]
        way = (boxes[:, 0] + boxes[:, 2]) / (2 * usual)
    grid, weights = _lay_grid(times_s)
    phasors = np.zeros(len(grid), np.complex128)
    for values, turn in waves:
        phasor = _demodulate(np.interp(grid, times_s, values), grid, weights, step_hz)
        size = max(float(np.sqrt(np.mean(np.abs(phasor) ** 2))), 1e-12)
        phasors += phasor * np.exp(-2j * np.pi * turn) / size
    is_known = _smooth(weights, _PHASE_STEPS / step_hz) > _MIN_KNOWN
    speed, is_speed_known = _measure_speed(np.interp(grid, times_s, way), weights)
    return Motion(
        float(grid[0]), _limit(phasors) * is_known, speed, is_speed_known.astype(np.float64)
    )


def _lay_grid(times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return an even grid over the times and its weights: 0 in long gaps, 1 elsewhere."""
    first, last = np.ceil(times_s[0] * RATE_HZ), np.floor(times_s[-1] * RATE_HZ)
    grid = np.arange(first, max(last, first) + 1) / RATE_HZ
    after = np.clip(np.searchsorted(times_s, grid), 1, len(times_s) - 1)
    return grid, (np.diff(times_s)[after - 1] <= _MAX_GAP_S).astype(np.float64)


def _demodulate(
    values: FloatArray, grid: FloatArray, weights: FloatArray, step_hz: float
) -> NDArray[np.complex128]:
    """Return the part of a signal that repeats about once a step, as a turning phasor."""
    carrier = np.exp(2j * np.pi * step_hz * grid)
    wave = values - _smooth(values, 0.6 / step_hz, weights)
    width_s = _PHASE_STEPS / step_hz
    even, odd = (_smooth(wave * part, width_s, weights) for part in (carrier.real, -carrier.imag))
    phasor: NDArray[np.complex128] = (even + 1j * odd) * carrier
    return phasor


def _limit(phasors: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return phasors of length 1 at most, and 0 where one hardly steps."""
    size = np.abs(phasors)
    strength = np.minimum(size / max(float(np.quantile(size, 0.75)), 1e-12), 1.0)
    limited: NDArray[np.complex128] = np.where(
        strength > _MIN_STRENGTH, strength * np.exp(1j * np.angle(phasors)), 0.0
    )
    return limited


def _measure_speed(way: FloatArray, weights: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return how fast the body moves, whichever way; the perspective of the cameras differs."""
    if len(way) < 2:
        return np.zeros_like(way), np.zeros(len(way), np.bool_)
    rate = np.abs(np.gradient(_smooth(way, _SPEED_S[0], weights), 1 / RATE_HZ))
    speed = _smooth(rate, _SPEED_S[1], weights)
    is_known = _smooth(weights, _SPEED_S[0]) > 0.9
    usual = float(np.quantile(speed[is_known], 0.6)) if is_known.any() else 0.0
    return np.minimum(speed / max(usual, 1e-12), _MAX_SPEED), is_known


def _smooth(values: FloatArray, width_s: float, weights: FloatArray | None = None) -> FloatArray:
    """Return the running mean under a Gaussian of that standard deviation, by weight."""
    reach = int(np.ceil(4 * width_s * RATE_HZ))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (width_s * RATE_HZ)) ** 2)
    weights = np.ones_like(values) if weights is None else weights
    sums, mass = (
        np.convolve(series, kernel)[reach : reach + len(values)]
        for series in (values * weights, weights)
    )
    return np.asarray(sums / np.maximum(mass, 1e-9), dtype=np.float64)
