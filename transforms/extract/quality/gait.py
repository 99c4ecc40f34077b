"""How a person walks, as far as the gates need it: the rhythm of the steps and the direction.

The rhythm is read from normalised silhouettes, the direction from the track's boxes. Nothing here
judges; see `transforms.extract.quality.sequence_gates`.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["left_to_right", "right_to_left", "towards", "away", "standing"]
FloatArray = NDArray[np.float64]

_STEP_S: Final = (0.28, 1.2)
"""Time from one heel strike to the next: 50 to 214 steps per minute."""
_RATE_HZ: Final = 50
_TREND_S: Final = 1.0
"""Slower changes are perspective and turns; a step fits, and most of a stride."""
_NOISE_S: Final = 0.06
_MAX_GAP_S: Final = 0.25
"""Frames missing for no longer are bridged by a straight line: less than half a step."""
_LONGEST_GAP_S: Final = 3.0
"""Longer gaps are cut to this, which no lag reaches over: timestamps may say anything."""
_LONGEST_S: Final = 600.0
"""Of longer walks the beginning is looked at."""
_MIN_OVERLAP: Final = 0.35
"""A lag at which less than this share of the time overlaps with itself says nothing."""
_NEARLY_BEST: Final = 0.85
"""The shortest period this near to the best one is taken: its multiples fit as well as itself."""
_MIN_SWING: Final = 0.015
"""Of the legs' area, root mean square. Measured on true masks: 0.02 to 0.13 walking, 0.01 and
less standing, but for one who swayed before the front camera."""
_MIN_ENERGY: Final = 0.1
"""A third of the usual amplitude: below it the walker has stopped."""
_MIN_SAMPLES: Final = 8

# Rows of the normalised silhouette, whose 64 are as high as the body.
_TRUNK: Final = slice(13, 38)
_LEGS: Final = slice(43, None)
_FEET: Final = slice(54, None)

_MOTION_RATE_HZ: Final = 10
_MOTION_WINDOW_S: Final = 0.7
_MIN_SPEED: Final = 0.15
"""Body heights per second, about 0.25 m/s: slower is swaying and jitter of the boxes."""
_MIN_MOVING_FRACTION: Final = 0.25
_BORDER_PX: Final = 2.0


@dataclass(frozen=True)
class Rhythm:
    """The steps of a sequence.

    Attributes:
        steps_per_min: cadence, two steps to a gait cycle.
        gait_cycles: cycles seen; long gaps and times without stepping left out.
        confidence: 0..1, how well the legs repeat themselves after a step.
    """

    steps_per_min: float
    gait_cycles: float
    confidence: float


@dataclass(frozen=True)
class Motion:
    """How the body moves as a whole.

    Attributes:
        direction: where it goes for most of the time it goes anywhere.
        lateral_speed: body heights per second, positive to the picture's right, while moving.
        depth_speed: the same, positive towards the camera, for a lens of usual width.
        moving_fraction: share of the time in which it moves.
    """

    direction: Direction
    lateral_speed: float
    depth_speed: float
    moving_fraction: float


@dataclass(frozen=True)
class _Signal:
    """A signal on a uniform grid of times."""

    values: FloatArray  # (sample,) without trend
    weights: FloatArray  # (sample,) 0 in long gaps, 1 elsewhere


def find_rhythm(
    silhouettes: NDArray[np.uint8], times_s: FloatArray, direction: Direction
) -> Rhythm | None:
    """Estimate the cadence; None where the sequence is too short or nothing repeats.

    From the side the legs open and close once per step. From the front the feet lift on alternate
    sides, once per stride; from everywhere the legs show less of themselves once per step. Periods
    are found by autocorrelation, so frames may be missing and come at uneven times.
    Measured on synthetic walks of 54 to 162 steps per minute: half of the errors are below 0.5 %
    from the side and 1.2 % from the front.

    Args:
        silhouettes: `(frame, 64, 64)` uint8, normalised.
        times_s: `(frame,)` rising.
        direction: of `measure_motion`; one who stays in place may be seen from any side.
    """
    is_new = np.diff(times_s, prepend=-np.inf) > 0
    times_s, silhouettes = times_s[is_new], silhouettes[is_new]
    if len(times_s) < _MIN_SAMPLES or times_s[-1] - times_s[0] < 2 * _STEP_S[0]:
        return None
    legs = measure_legs(silhouettes)
    area, spread, asymmetry = (_resample(times_s, values) for values in legs)
    if area.values.std() < _MIN_SWING * legs[0].mean():
        return None
    periods = np.arange(round(_STEP_S[0] * _RATE_HZ), round(_STEP_S[1] * _RATE_HZ) + 1)
    by_area = _score_periods(area, periods)
    from_side = (by_area + _score_periods(spread, periods)) / 2
    from_front = (by_area + _score_periods(asymmetry, 2 * periods)) / 2
    views = {
        "left_to_right": (from_side,),
        "right_to_left": (from_side,),
        "towards": (from_front,),
        "away": (from_front,),
        "standing": (from_side, from_front),
    }[direction]
    found = [peak for peak in (_first_peak(scores) for scores in views) if peak is not None]
    if not found:
        return None
    place, score = max(found, key=lambda peak: peak[1])
    step_s = (float(periods[0]) + place) / _RATE_HZ
    return Rhythm(60.0 / step_s, _stepping_s(area) / (2 * step_s), min(score, 1.0))


def measure_motion(
    boxes: NDArray[np.float32], times_s: FloatArray, frame_shape: tuple[int, int]
) -> Motion:
    """Tell where a person goes.

    The distance follows from the box's height for a lens whose focal length is the picture's width
    (a field of view of 53 degrees), so that both components are in body heights per second.

    Args:
        boxes: `(frame, 4)` float32 x0, y0, x1, y1.
        times_s: `(frame,)` rising.
        frame_shape: height and width of the picture.
    """
    usable = _lies_inside(boxes, frame_shape) & (np.diff(times_s, prepend=-np.inf) > 0)
    boxes, times_s = boxes[usable].astype(np.float64), times_s[usable]
    if len(boxes) < 2 or times_s[-1] - times_s[0] < _MOTION_WINDOW_S:
        return Motion("standing", 0.0, 0.0, 0.0)
    sizes_px = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    centres_px = (boxes[:, 0] + boxes[:, 2]) / 2
    times_s, grid, weights = _even_times(times_s, _MOTION_RATE_HZ)
    reach = round(_MOTION_WINDOW_S * _MOTION_RATE_HZ)
    centres, sizes = (
        _smooth(np.interp(grid, times_s, values), reach, weights)
        for values in (centres_px, sizes_px)
    )
    is_known = _smooth(weights, reach) > 1 - 0.5 / reach  # no gap in the window
    sizes = np.maximum(sizes, 1.0)
    lateral = np.gradient(centres, 1 / _MOTION_RATE_HZ) / sizes
    # The distance is width / size body heights; what shortens it is the way towards the camera.
    depth = -np.gradient(max(frame_shape) / sizes, 1 / _MOTION_RATE_HZ)
    lateral, depth = lateral[is_known], depth[is_known]
    if not len(lateral):
        return Motion("standing", 0.0, 0.0, 0.0)
    is_moving = np.hypot(lateral, depth) >= _MIN_SPEED
    fraction = float(is_moving.mean())
    if fraction < _MIN_MOVING_FRACTION:
        return Motion("standing", 0.0, 0.0, fraction)
    lateral, depth = lateral[is_moving], depth[is_moving]
    is_lateral = np.abs(lateral) > np.abs(depth)
    counts: dict[Direction, int] = {
        "left_to_right": int(np.count_nonzero(is_lateral & (lateral > 0))),
        "right_to_left": int(np.count_nonzero(is_lateral & (lateral < 0))),
        "towards": int(np.count_nonzero(~is_lateral & (depth > 0))),
        "away": int(np.count_nonzero(~is_lateral & (depth < 0))),
    }
    direction = max(counts, key=lambda name: counts[name])
    return Motion(direction, float(np.median(lateral)), float(np.median(depth)), fraction)


def _lies_inside(boxes: NDArray[np.float32], frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell boxes that no edge of the picture cuts; all of them where too few are whole."""
    height, width = frame_shape
    low, high = boxes[:, :2] > _BORDER_PX, boxes[:, 2:] < np.array([width, height]) - _BORDER_PX
    inside = np.all(low & high, axis=1)
    if np.count_nonzero(inside) < _MIN_SAMPLES:
        inside = np.all(np.isfinite(boxes), axis=1)
    return np.asarray(inside, dtype=np.bool_)


def measure_legs(silhouettes: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return per frame the legs' area, their spread and how far the feet are off the trunk."""
    body = silhouettes >= 128
    legs, feet, trunk = (
        np.count_nonzero(body[:, rows], axis=1).astype(np.float64)
        for rows in (_LEGS, _FEET, _TRUNK)
    )
    columns = np.arange(body.shape[2], dtype=np.float64)
    area = legs.sum(axis=1)
    centre = _centre(legs, columns)
    variance = (legs @ columns**2) / np.maximum(area, 1.0) - centre**2
    spread = np.sqrt(np.maximum(variance, 0.0))
    return area, spread, _centre(feet, columns) - _centre(trunk, columns)


def _centre(masses: FloatArray, columns: FloatArray) -> FloatArray:
    centre: FloatArray = (masses @ columns) / np.maximum(masses.sum(axis=1), 1.0)
    return centre


def _even_times(times_s: FloatArray, rate_hz: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the times with long gaps cut, an even grid over them, and its weights: 0 in gaps."""
    intervals = np.minimum(np.diff(times_s), _LONGEST_GAP_S)
    times_s = np.concatenate([[0.0], np.cumsum(intervals)])
    grid = np.arange(0.0, min(float(times_s[-1]), _LONGEST_S) + 1e-9, 1 / rate_hz)
    after = np.clip(np.searchsorted(times_s, grid), 1, len(times_s) - 1)
    return times_s, grid, (intervals[after - 1] <= _MAX_GAP_S).astype(np.float64)


def _resample(times_s: FloatArray, values: FloatArray) -> _Signal:
    """Bring a signal to even times, bridge short gaps, take out what is slower than steps."""
    times_s, grid, weights = _even_times(times_s, _RATE_HZ)
    even = np.interp(grid, times_s, values)
    trend = _smooth(even, round(_TREND_S * _RATE_HZ), weights)
    return _Signal(_smooth(even - trend, round(_NOISE_S * _RATE_HZ), weights), weights)


def _stepping_s(signal: _Signal) -> float:
    """Return for how long the legs move about as much as they do at most."""
    energy = _smooth(signal.values**2, round(_TREND_S * _RATE_HZ), signal.weights)
    is_stepping = energy >= _MIN_ENERGY * np.quantile(energy, 0.75)
    return float(signal.weights[is_stepping].sum()) / _RATE_HZ


def _smooth(values: FloatArray, reach: int, weights: FloatArray | None = None) -> FloatArray:
    """Return the running mean over `reach` samples, those of weight 0 left out."""
    weights = np.ones_like(values) if weights is None else weights
    sums, counts = (
        np.concatenate([[0.0], np.cumsum(series)]) for series in (values * weights, weights)
    )
    places = np.arange(len(values))
    low = np.maximum(places - reach // 2, 0)
    high = np.minimum(places + reach // 2 + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1e-9))


def _score_periods(signal: _Signal, periods: NDArray[np.int_]) -> FloatArray:
    """Return per period how much better the signal fits itself after it than after half of it.

    Half of the true period is where the signal fits worst; half of twice the period is where it
    fits best. Thus the strides of an uneven walker are not taken for steps. 0 where the signal is
    too short to say.
    """
    length = len(signal.values)
    size = 1 << (2 * length - 1).bit_length()
    power = signal.values**2 * signal.weights
    of_values, of_weights, of_power = (
        np.fft.rfft(series, size)
        for series in (signal.values * signal.weights, signal.weights, power)
    )
    products, before, behind, overlap = (
        np.fft.irfft(spectrum, size)[:length]
        for spectrum in (
            of_values * of_values.conj(),
            of_power.conj() * of_weights,
            of_weights.conj() * of_power,
            of_weights * of_weights.conj(),
        )
    )
    likeness = products / np.sqrt(np.maximum(before * behind, 1e-9))
    lags = np.arange(length)
    whole = np.interp(periods, lags, likeness)
    half = np.interp(periods / 2, lags, likeness)
    is_known = np.interp(periods, lags, overlap, right=0.0) >= _MIN_OVERLAP * overlap[0]
    return np.where(is_known, (whole - half) / 2, 0.0)


def _first_peak(scores: FloatArray) -> tuple[float, float] | None:
    """Return place (between samples) and height of the first of the best peaks, None without."""
    inner = scores[1:-1]
    is_peak = (inner >= scores[:-2]) & (inner > scores[2:]) & (inner > 0)
    places = np.flatnonzero(is_peak) + 1
    if not len(places):
        return None
    place = places[np.argmax(scores[places] >= _NEARLY_BEST * scores[places].max())]
    left, middle, right = scores[place - 1 : place + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend else 0.0
    return float(place + shift), float(middle)
