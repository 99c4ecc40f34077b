"""Metrics of one model trained with several seeds, and the difference between two such models.

The value is the mean over the seeds; its interval is over resamples of the tested participants, the
same for all seeds. How far the seeds lie apart is told beside it, not inside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.errors import InputError
from transforms.labels import LabelScheme
from transforms.metrics.intervals import (
    Evidence,
    Interval,
    correlate,
    difference_interval,
    score_interval,
)
from transforms.metrics.judged import Floats, Judged, average_by_participant
from transforms.metrics.metrics import gather_evidence, measure, round_off

UNITS: Final = ("sequence", "participant")
_FIELDS: Final = ("value", "low", "high", "per_seed", "seed_sd")


@dataclass(frozen=True)
class Measured:
    """One metric of one model.

    Attributes:
        per_seed: float64 [seed], NaN where undefined.
        spread: the mean over the seeds in each resample, float64 [resample].
        evidence: what it was seen on.
    """

    per_seed: Floats
    spread: Floats
    evidence: Evidence

    @property
    def value(self) -> float:
        """The mean over the seeds, NaN where undefined."""
        return float(self.per_seed.mean())

    def interval(self, confidence: float) -> Interval | None:
        """Return the interval of the mean over the seeds."""
        return score_interval(self.value, self.spread, confidence, self.evidence)


def list_metrics(scheme: LabelScheme) -> tuple[str, ...]:
    """Return the metrics that are combined: better when higher, and all between 0 and 1."""
    return (
        *("accuracy", "macro_recall", "macro_f1"),
        *(
            f"{question}/{kind}"
            for question in scheme.questions
            for kind in ("auroc", "sensitivity", "specificity")
        ),
    )


def require_same_test(tables: Sequence[pl.DataFrame], *, what: str, where: str) -> None:
    """Make sure that tables of `predictions_schema` judge the same sequences of the same people.

    Raises:
        InputError: they do not; `what` says it in a sentence, `where` names whose they are.
    """
    keys = ("sequence_id", "participant_id", "label")
    first, *others = (table.select(keys).sort(keys) for table in tables)
    for other in others:
        if not other.equals(first):
            apart = pl.concat(
                [first.join(other, on=keys, how="anti"), other.join(first, on=keys, how="anti")]
            )
            names = sorted(set(apart["sequence_id"]))
            raise InputError(
                what,
                where=where,
                expected="the same test side",
                found=f"{len(names):,} sequences that are not in both, or with another participant "
                f"or label: {', '.join(names[:3])}",
                fix="judge both on the same dataset version and split",
            )


def measure_seeds(seeds: Sequence[Judged], unit: str, weights: Floats) -> dict[str, Measured]:
    """Return every metric of `list_metrics` over the seeds of a model.

    Args:
        seeds: the judged sequences of each seed, of the same test side.
        unit: one of `UNITS`.
        weights: of the participants in each resample, float64 [resample, participant].
    """
    rows = [average_by_participant(one) if unit == "participant" else one for one in seeds]
    points = [measure(one, np.ones((1, len(one.truth)))) for one in rows]
    spreads = [measure(one, weights[:, one.participant]) for one in rows]
    return {
        metric: Measured(
            per_seed=np.array([point[metric][0] for point in points]),
            spread=np.mean([spread[metric] for spread in spreads], axis=0),
            evidence=gather_evidence(metric, rows[0]),
        )
        for metric in list_metrics(rows[0].scheme)
    }


def describe_measured(measured: Measured, confidence: float) -> dict[str, Any]:
    """Return `value`, `low`, `high`, `per_seed` and `seed_sd`, null where undefined."""
    return _describe(measured.per_seed, measured.interval(confidence))


def describe_difference(
    first: Measured, second: Measured, confidence: float, *, is_paired: bool
) -> dict[str, Any]:
    """Return the same of second minus first, seed by seed.

    Args:
        first: what is subtracted.
        second: what it is subtracted from, of as many seeds.
        confidence: of the interval.
        is_paired: the resamples of both draw the same participants.
    """
    one, other = first.interval(confidence), second.interval(confidence)
    interval = None
    if one is not None and other is not None:
        correlation = correlate(first.spread, second.spread) if is_paired else 0.0
        interval = difference_interval((first.value, one), (second.value, other), correlation)
    return _describe(second.per_seed - first.per_seed, interval)


def _describe(per_seed: Floats, interval: Interval | None) -> dict[str, Any]:
    # What is undefined is so for all seeds: only the truth decides it, and they share that.
    if np.isnan(per_seed).any():
        return dict.fromkeys(_FIELDS)
    low, high = interval or (None, None)
    return {
        "value": round_off(float(per_seed.mean())),
        "low": None if low is None else round_off(low),
        "high": None if high is None else round_off(high),
        "per_seed": [round_off(float(one)) for one in per_seed],
        "seed_sd": round_off(float(per_seed.std(ddof=1))) if len(per_seed) > 1 else None,
    }
