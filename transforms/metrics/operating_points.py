"""What a screening programme would get: chosen sensitivities, and the meaning of an answer.

Three questions of a model whose score ranks people: how specific is it where it finds 95 % or 99 %
of those it should find, what a threshold that was fixed on other people gives, and how often its
answer is right where so many people are ill.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.metrics.bootstrap import NO_INTERVAL
from transforms.metrics.intervals import Interval, score_interval
from transforms.metrics.judged import Floats, Judged
from transforms.metrics.metrics import (
    count_people,
    describe_value,
    evidence_of,
    measure,
    round_off,
    undefined_entry,
)

TARGET_SENSITIVITIES: Final[Mapping[str, float]] = {"sensitivity_95": 0.95, "sensitivity_99": 0.99}
LIKELIEST: Final = "likeliest_class"
FIXED_BEFORE: Final = "_by_selection"
PREVALENCES: Final = (0.01, 0.02, 0.05, 0.1)
_NO_SPREAD: Final = np.zeros(0)
_NOBODY: Final = "nobody would be given this answer"
_ROUNDING: Final = 1e-9  # 19 of 20 are 95 %, whatever the processor makes of 0.95 * 20

Summary = dict[str, Any]  # `Any`: JSON


def find_threshold(score: Floats, is_positive: NDArray[np.bool_], target: float) -> float:
    """Return the highest score at or above which at least `target` of the positives lie.

    Everybody from the threshold upwards is named positive, people with equal scores alike. A sample
    reaches only steps of one positive row, so that more than `target` may be found: of fewer than
    20 (at 99 %: 100), all. NaN where there is no positive.
    """
    if not is_positive.any():
        return float("nan")
    falling = -np.sort(-score[is_positive])
    needed = int(np.ceil(target * len(falling) - _ROUNDING))
    return float(falling[max(needed, 1) - 1])


def specificity_at_sensitivity(
    score: Floats, is_positive: NDArray[np.bool_], weights: Floats, target: float
) -> Floats:
    """Return the specificity at the threshold of `find_threshold`, sought anew in each weighting.

    Args:
        score: float64 [row], higher meaning more likely positive.
        is_positive: bool [row].
        weights: whole numbers, float64 [weighting, row].
        target: the sensitivity aimed at.

    Returns:
        float64 [weighting], NaN where a side of the question has no weight.
    """
    order = np.argsort(-score, kind="stable")
    ranked = weights[:, order]
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))  # one per distinct score
    # (weighting, threshold)
    found = np.add.reduceat(ranked * is_positive[order], starts, axis=1).cumsum(axis=1)
    alarms = np.add.reduceat(ranked * ~is_positive[order], starts, axis=1).cumsum(axis=1)
    positives, others = found[:, -1], alarms[:, -1]
    place = (found >= target * positives[:, None] - _ROUNDING).argmax(axis=1)
    false_alarms = alarms[np.arange(len(weights)), place]
    specificity = np.full(len(weights), np.nan)
    is_defined = (positives > 0) & (others > 0)
    np.divide(others - false_alarms, others, out=specificity, where=is_defined)
    return specificity


def predictive_values(
    sensitivity: float, specificity: float, prevalence: float
) -> tuple[float, float]:
    """Return the positive and the negative predictive value, NaN where nobody gets the answer."""
    ill, well = prevalence, 1 - prevalence
    alarms = sensitivity * ill + (1 - specificity) * well
    clears = specificity * well + (1 - sensitivity) * ill
    return (
        sensitivity * ill / alarms if alarms > 0 else float("nan"),
        specificity * well / clears if clears > 0 else float("nan"),
    )


def predictive_intervals(
    sensitivity: tuple[float, Interval], specificity: tuple[float, Interval], prevalence: float
) -> tuple[Interval | None, Interval | None]:
    """Return the intervals of both predictive values, from those of the two rates.

    Either value follows from one ratio of two rates that were seen on different participants, whose
    interval follows from theirs (Donner and Zou 2012). None where the rate below the line is 0.

    Args:
        sensitivity: the value and its interval.
        specificity: the value and its interval.
        prevalence: share of people who are inside the positive set.
    """
    odds = (1 - prevalence) / prevalence
    alarms = _divide(_complement(specificity), sensitivity)
    misses = _divide(_complement(sensitivity), specificity)
    return (
        None if alarms is None else (1 / (1 + odds * alarms[1]), 1 / (1 + odds * alarms[0])),
        None if misses is None else (1 / (1 + misses[1] / odds), 1 / (1 + misses[0] / odds)),
    )


def count_needed(target: float, confidence: float) -> int:
    """Return of how many participants a sample can show at all that `target` of them are found.

    Of fewer, the share who are found may be below `target` even where the sample misses nobody, and
    so nothing is known of the specificity there.
    """
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return int(np.ceil(quantile**2 * target / (1 - target)))


def summarise_operating_points(
    judged: Judged, weights: Floats, confidence: float, *, selection: Judged | None = None
) -> Summary:
    """Return question -> point -> threshold, sensitivity, specificity and predictive values.

    Args:
        judged: the rows.
        weights: of the rows in each resample, float64 [resample, row].
        confidence: of the intervals.
        selection: other people, on whom thresholds are fixed; None where there are none.
    """
    ones = np.ones((1, len(judged.truth)))
    points, spreads = measure(judged, ones), measure(judged, weights)
    summary: Summary = {}
    for question, positive in judged.scheme.questions.items():
        inside = np.isin(judged.truth, positive)
        if inside.all() or not inside.any():
            missing = "outside" if inside.all() else "inside"
            reason = f"nobody {missing} the positive set {question} among the tested"
            summary[question] = {"reason": reason}
            continue
        sensitivity, specificity = (
            _rate(judged, inside, kind, points[name], spreads[name], confidence)
            for kind in ("sensitivity", "specificity")
            for name in [f"{question}/{kind}"]
        )
        summary[question] = {
            LIKELIEST: {
                "threshold": None,
                "sensitivity": _describe_rate(sensitivity),
                "specificity": _describe_rate(specificity),
                "predictive_values": _describe_answers(sensitivity, specificity),
            }
        }
        score = judged.probabilities[:, positive].sum(axis=1)
        for name, target in TARGET_SENSITIVITIES.items():
            summary[question][name] = _describe_target(
                judged, inside, score, weights, target, confidence
            )
            summary[question][name + FIXED_BEFORE] = _describe_fixed(
                selection, positive, target, score, inside, weights, judged, confidence
            )
    return summary


def _describe_target(
    judged: Judged,
    inside: NDArray[np.bool_],
    score: Floats,
    weights: Floats,
    target: float,
    confidence: float,
) -> Summary:
    threshold = find_threshold(score, inside, target)
    point, spread = (
        specificity_at_sensitivity(score, inside, one, target)
        for one in (np.ones((1, len(score))), weights)
    )
    people, needed = count_people(judged, inside), count_needed(target, confidence)
    if people < needed:
        reason = (
            f"no interval: {people} participants cannot show a sensitivity of {target:.0%}; "
            f"it takes {needed}"
        )
        specificity = _Rate(float(point[0]), None, spread, reason)
    else:
        specificity = _rate(judged, inside, "auroc", point, spread, confidence)
    return {
        "threshold": round_off(threshold),
        "target_sensitivity": target,
        "reached_sensitivity": round_off(float((score[inside] >= threshold).mean())),
        "specificity": _describe_rate(specificity),
        # Of the sensitivity aimed at: what this sample happens to reach above it is luck.
        "predictive_values": _describe_answers(
            _Rate(target, (target, target), _NO_SPREAD), specificity
        ),
    }


def _describe_fixed(
    selection: Judged | None,
    positive: tuple[int, ...],
    target: float,
    score: Floats,
    inside: NDArray[np.bool_],
    weights: Floats,
    judged: Judged,
    confidence: float,
) -> Summary:
    """Describe the threshold that finds `target` of the selection side, as it does on these rows.

    It is known before these rows are seen, so resamples leave it where it is.
    """
    if selection is None or not np.isin(selection.truth, positive).any():
        return {"reason": "nobody inside the positive set on the selection side"}
    others = np.isin(selection.truth, positive)
    threshold = find_threshold(selection.probabilities[:, positive].sum(axis=1), others, target)
    is_named = score >= threshold
    both = np.concatenate([np.ones((1, len(score))), weights])
    rates = {}
    for kind, side, hits in (
        ("sensitivity", inside, is_named),
        ("specificity", ~inside, ~is_named),
    ):
        whole, right = both @ side, both @ (side & hits)
        shares = np.divide(right, whole, out=np.full(len(both), np.nan), where=whole > 0)
        rates[kind] = _rate(judged, inside, kind, shares[:1], shares[1:], confidence)
    return {
        "threshold": round_off(threshold),
        "target_sensitivity": target,
        "selection_participants": count_people(selection, others),
        **{kind: _describe_rate(rate) for kind, rate in rates.items()},
        "predictive_values": _describe_answers(rates["sensitivity"], rates["specificity"]),
    }


@dataclass(frozen=True)
class _Rate:
    """A rate, its interval or why there is none, and its resamples."""

    value: float
    interval: Interval | None
    spread: Floats
    reason: str = NO_INTERVAL


def _rate(
    judged: Judged,
    inside: NDArray[np.bool_],
    kind: str,
    point: Floats,
    spread: Floats,
    confidence: float,
) -> _Rate:
    value = float(point[0])
    evidence = evidence_of(judged, inside, kind)
    return _Rate(value, score_interval(value, spread, confidence, evidence), spread)


def _describe_rate(rate: _Rate) -> Summary:
    return describe_value(rate.value, rate.spread, rate.interval, reason=rate.reason)


def _describe_answers(sensitivity: _Rate, specificity: _Rate) -> list[Summary]:
    """Return the predictive values at each prevalence."""
    answers: list[Summary] = []
    for prevalence in PREVALENCES:
        values = predictive_values(sensitivity.value, specificity.value, prevalence)
        intervals: tuple[Interval | None, Interval | None] = (None, None)
        if sensitivity.interval is not None and specificity.interval is not None:
            intervals = predictive_intervals(
                (sensitivity.value, sensitivity.interval),
                (specificity.value, specificity.interval),
                prevalence,
            )
        ppv, npv = (
            undefined_entry(_NOBODY)
            if np.isnan(value)
            else describe_value(value, _NO_SPREAD, interval, reason=specificity.reason)
            for value, interval in zip(values, intervals, strict=True)
        )
        answers.append({"prevalence": prevalence, "ppv": ppv, "npv": npv})
    return answers


def _complement(rate: tuple[float, Interval]) -> tuple[float, Interval]:
    value, (low, high) = rate
    return 1 - value, (1 - high, 1 - low)


def _divide(above: tuple[float, Interval], below: tuple[float, Interval]) -> Interval | None:
    """Return the interval of a ratio of two independent rates."""
    (a, (a_low, a_high)), (b, (b_low, b_high)) = above, below
    if b_low <= 0:
        return None
    product = a * b

    def root(of_above: float, of_below: float) -> float:
        square = of_above * of_below * (2 * a - of_above) * (2 * b - of_below)
        return float(np.sqrt(max(product**2 - square, 0.0)))

    low = (product - root(a_low, b_high)) / (b_high * (2 * b - b_high))
    high = (product + root(a_high, b_low)) / (b_low * (2 * b - b_low))
    return max(low, 0.0), high
