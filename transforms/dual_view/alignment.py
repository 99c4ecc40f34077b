"""The time between two cameras' clocks: declared, or estimated from the motion, or not known.

A walk repeats itself with every step, so an offset that is wrong by a step looks right. What tells
steps apart is that no two take equally long, and that people turn, start and stop. The confidence
says how much better the best offset explains both views than those a step or more away.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.dual_view.motion import RATE_HZ, Motion, Walk, find_step_rate, measure_motion
from transforms.dual_view.pairing import Reject
from transforms.settings import ClipSettings

FloatArray = NDArray[np.float64]

DECLARED: Final = "declared"
ESTIMATED: Final = "estimated"
CONTRADICTED: Final = "offset_contradicted"
"""Reason code of a declared offset that the motion speaks against."""
_MIN_OVERLAP_S: Final = 2.0
_MIN_LIKENESS: Final = 0.3
"""Mean cosine between the views' step phases below which they do not show one walk."""
_STEP_FLOOR: Final = 0.02
_SPEED_FLOOR: Final = 0.04
"""Misfits that two views of one moment have anyway: a tenth of a radian and more in the phase,
a fifth of the usual speed. Without them noise would decide between the steps of an even walker."""
_UNLIKELY: Final = 0.01
"""A declared offset that the motion gives less of the best one's likelihood is wrong, even where
the motion leaves several others: those between two steps."""
_SPEED_SAMPLE_S: Final = 0.8  # apart: nearer ones tell the same
_SAME_PEAK_STEPS: Final = 0.3
_ROUNDS: Final = 5


@dataclass(frozen=True)
class Estimate:
    """What the motion says of the offset.

    Attributes:
        offset_s: the side video's first frame on the front video's clock.
        confidence: 0..1, the share of likelihood that lies within a third of a step.
        likeness: -1..1, mean cosine between both views' step phases there.
        lags_s: `(lag,)` rising, what was tried.
        support: `(lag,)` 0..1, likelihood beside that of the best.
    """

    offset_s: float
    confidence: float
    likeness: float
    lags_s: FloatArray
    support: FloatArray

    def support_near(self, offset_s: float, tolerance_s: float) -> float | None:
        """Return the best support near an offset; None where nothing near was tried."""
        near = np.abs(self.lags_s - offset_s) <= tolerance_s
        return float(self.support[near].max()) if near.any() else None


@dataclass(frozen=True)
class Alignment:
    """An offset to cut clips with."""

    offset_s: float
    source: str
    confidence: float | None


def estimate_offset(front: Walk, side: Walk, max_offset_s: float) -> Estimate | None:
    """Estimate when the side video began on the front video's clock.

    Args:
        front: the view from the front.
        side: the view from the side.
        max_offset_s: how far the clocks may lie apart.

    Returns:
        None where no rhythm is seen, the views hardly overlap or show no common walk.
    """
    step_hz = find_step_rate(side)
    if step_hz is None:
        return None
    motions = [measure_motion(walk, step_hz) for walk in (front, side)]
    if motions[0] is None or motions[1] is None:
        return None
    return _search(motions[0], motions[1], step_hz, max_offset_s)


def choose_offset(
    sync_group: str, declared_s: float | None, estimate: Estimate | None, settings: ClipSettings
) -> Alignment | Reject:
    """Return the offset to use, or why there is none that can be trusted."""
    if declared_s is not None:
        return _judge_declared(sync_group, declared_s, estimate, settings)
    if estimate is None:
        reason = "no offset is declared, and the motion shows none: no common rhythm of steps"
        return Reject(sync_group, "alignment", "offset_unknown", reason)
    if estimate.confidence < settings.min_offset_confidence:
        least = settings.min_offset_confidence
        reason = (
            f"no offset is declared, and the motion leaves several: best {estimate.offset_s:+.2f} s"
            f" with confidence {_write_below(estimate.confidence, least)}, expected at least "
            f"{least:g}"
        )
        return Reject(sync_group, "alignment", "offset_uncertain", reason)
    return Alignment(estimate.offset_s, ESTIMATED, estimate.confidence)


def _write_below(value: float, bound: float) -> str:
    """Return a value below a bound with two digits, or as many as show that it is below."""
    shown = (f"{value:.{digits}f}" for digits in range(2, 17))
    return next((one for one in shown if float(one) < bound), repr(value))


def _judge_declared(
    sync_group: str, declared_s: float, estimate: Estimate | None, settings: ClipSettings
) -> Alignment | Reject:
    support = None
    if estimate is not None:
        support = estimate.support_near(declared_s, settings.max_disagreement_s)
    if estimate is None or support is None:  # no rhythm, or declared farther than was looked
        return Alignment(declared_s, DECLARED, None)
    is_sure = estimate.confidence >= settings.min_offset_confidence
    is_near = abs(estimate.offset_s - declared_s) <= settings.max_disagreement_s
    if support >= _UNLIKELY and (is_near or not is_sure):
        return Alignment(declared_s, DECLARED, None)
    reason = (
        f"declared {declared_s:+.3f} s, but the motion says {estimate.offset_s:+.3f} s (confidence "
        f"{estimate.confidence:.2f}) and gives {support:.3f} of that likelihood to anything within "
        f"{settings.max_disagreement_s:g} s of what is declared"
    )
    return Reject(sync_group, "alignment", CONTRADICTED, reason)


def _search(front: Motion, side: Motion, step_hz: float, max_offset_s: float) -> Estimate | None:
    """Hold the side view against the front view at every lag."""
    reach = int(np.floor(max_offset_s * RATE_HZ))
    lags = np.arange(-reach, reach + 1)
    # Samples of the side move by the lag and by what the grids' beginnings differ.
    shifts = lags + round((side.start_s - front.start_s) * RATE_HZ)
    overlap_s = _correlate(np.abs(front.steps), np.abs(side.steps), shifts).real / RATE_HZ
    product = _correlate(front.steps, side.steps, shifts).real / RATE_HZ
    likeness = np.minimum(product / np.maximum(overlap_s, 1e-9), 1.0)
    speed_misfit, speed_s = _compare_speeds(front, side, shifts)
    is_open = overlap_s >= _MIN_OVERLAP_S
    if not np.any(is_open & (likeness >= _MIN_LIKENESS)):
        return None
    support = _weigh(
        [
            (1.0 - likeness + _STEP_FLOOR, overlap_s * step_hz),
            (speed_misfit + _SPEED_FLOOR, speed_s / _SPEED_SAMPLE_S),
        ],
        is_open,
    )
    best = int(np.argmax(support))
    if likeness[best] < _MIN_LIKENESS:
        return None
    is_near = np.abs(lags - lags[best]) <= _SAME_PEAK_STEPS / step_hz * RATE_HZ
    return Estimate(
        offset_s=_refine(likeness, lags, best) / RATE_HZ,
        confidence=float(support[is_near].sum() / support.sum()),
        likeness=float(likeness[best]),
        lags_s=lags / RATE_HZ,
        support=support,
    )


def _weigh(channels: list[tuple[FloatArray, FloatArray]], is_open: NDArray[np.bool_]) -> FloatArray:
    """Return each lag's likelihood beside that of the best one.

    Two lags are compared by as many independent samples as both of them have: that more of two
    even walks overlaps at one lag speaks for neither.

    Args:
        channels: misfit and number of independent samples, each `(lag,)`.
        is_open: `(lag,)` which lags may be at all.
    """

    def compare(reference: int) -> FloatArray:
        gain = np.zeros(len(is_open))
        for misfit, samples in channels:
            common = np.minimum(samples, samples[reference])
            gain -= 0.5 * common * np.log(misfit / misfit[reference])
        return np.where(is_open, gain, -np.inf)

    total = sum(np.median(samples[is_open]) * np.log(misfit) for misfit, samples in channels)
    best = int(np.argmin(np.where(is_open, total, np.inf)))
    for _ in range(_ROUNDS):
        better = int(np.argmax(compare(best)))
        if better == best:
            break
        best = better
    return np.exp(np.minimum(compare(best), 0.0))


def _compare_speeds(
    front: Motion, side: Motion, shifts: NDArray[np.int_]
) -> tuple[FloatArray, FloatArray]:
    """Return mean square differences and how long both are known, per shift."""
    ours, theirs = front.is_speed_known, side.is_speed_known
    count = _correlate(ours, theirs, shifts).real
    squares = (
        _correlate(ours * front.speed**2, theirs, shifts)
        + _correlate(ours, theirs * side.speed**2, shifts)
        - 2 * _correlate(ours * front.speed, theirs * side.speed, shifts)
    ).real
    return np.maximum(squares / np.maximum(count, 1.0), 0.0), np.maximum(count, 0.0) / RATE_HZ


def _correlate(
    front: NDArray[np.inexact], side: NDArray[np.inexact], shifts: NDArray[np.int_]
) -> NDArray[np.complex128]:
    """Return the sum over `front[n] * conj(side[n - shift])` per shift; 0 without overlap."""
    size = 1 << (len(front) + len(side) + int(np.abs(shifts).max())).bit_length()
    spectrum = np.fft.fft(front, size) * np.conj(np.fft.fft(side, size))
    sums: NDArray[np.complex128] = np.fft.ifft(spectrum)[shifts % size]
    return sums


def _refine(likeness: FloatArray, lags: NDArray[np.int_], best: int) -> float:
    """Return the place of the peak of likeness at the best lag, between samples."""
    while 0 < best < len(lags) - 1 and likeness[best] < max(likeness[best - 1 : best + 2]):
        best += 1 if likeness[best + 1] > likeness[best - 1] else -1
    if not 0 < best < len(lags) - 1:
        return float(lags[best])
    left, middle, right = likeness[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(lags[best] + (0.5 * (left - right) / bend if bend else 0.0))
