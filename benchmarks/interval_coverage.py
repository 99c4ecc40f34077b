"""How often the intervals of metrics.json hold the truth, on simulated cohorts of known truth.

    python benchmarks/interval_coverage.py [--cohorts N] [--resamples N] [--people N [N ...]]

A cohort is drawn from a population: a participant has one of three classes (half negative, a fifth
neutral, the rest positive), one to six sequences, and a way of being misread that they all share.
The truth is the metric on 400,000 participants of the same population. Models of three skills are
judged, and pairs of models on the same participants. `percentile` is the percentile bootstrap,
beside `ours` as `metrics.json` has it; a metric without an interval there is left out. With N
cohorts, a coverage of 95 % is seen within +-1.96 * sqrt(0.95 * 0.05 / N): +-1.4 points for 1,000.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np

from transforms.metrics.bootstrap import draw_weights, percentile_interval
from transforms.metrics.brier import brier_interval
from transforms.metrics.intervals import Interval, correlate, difference_interval, score_interval
from transforms.metrics.judged import Floats, Judged, average_by_participant
from transforms.metrics.metrics import (
    count_people,
    evidence_of,
    gather_evidence,
    measure,
)
from transforms.metrics.operating_points import (
    TARGET_SENSITIVITIES,
    count_needed,
    predictive_intervals,
    predictive_values,
    specificity_at_sensitivity,
)

SHARES: Final = (0.5, 0.2, 0.3)  # negative, neutral, positive
MOST_SEQUENCES: Final = 6
SKILLS: Final = {"weak": 1.5, "fair": 2.5, "near perfect": 3.5}
UNITS: Final = ("participant", "sequence")
PREVALENCE: Final = 0.05
CONFIDENCE: Final = 0.95
_TRUTH_PARTS: Final = 20
_TRUTH_PEOPLE: Final = 20_000

Held = dict[tuple[str, str], list[bool]]  # (metric, method) -> whether the truth was inside


def draw_cohort(
    people: int, skills: tuple[float, ...], random: np.random.Generator
) -> list[Judged]:
    """Return one cohort as models of these skills answer; they find the same people hard."""
    truth = random.choice(3, size=people, p=SHARES)
    participant = np.repeat(np.arange(people), random.integers(1, MOST_SEQUENCES + 1, size=people))
    rows = len(participant)
    common = random.normal(0, 1, (people, 3))[participant] + random.normal(0, 0.7, (rows, 3))
    answers = []
    for skill in skills:
        own = random.normal(0, 1, (people, 3))[participant] + random.normal(0, 0.7, (rows, 3))
        logits = skill * np.eye(3)[truth][participant] + np.sqrt(0.6) * common + np.sqrt(0.4) * own
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers.append(
            Judged(truth[participant], raised / raised.sum(axis=1, keepdims=True), participant)
        )
    return answers


def as_unit(judged: Judged, unit: str) -> Judged:
    """Return the rows of a unit."""
    return average_by_participant(judged) if unit == "participant" else judged


def measure_all(judged: Judged, weights: Floats) -> dict[str, Floats]:
    """Return every metric of metrics.json that has an interval, operating points included."""
    values = measure(judged, weights)
    del values["ece"]  # it has none
    for question, positive in judged.scheme.questions.items():
        inside = np.isin(judged.truth, positive)
        score = judged.probabilities[:, positive].sum(axis=1)
        for name, target in TARGET_SENSITIVITIES.items():
            values[f"{question}/at_{name}"] = specificity_at_sensitivity(
                score, inside, weights, target
            )
    return values


@lru_cache
def find_truth(skill: float, unit: str) -> dict[str, float]:
    """Return every metric on the population."""
    random = np.random.default_rng(2026)
    parts = []
    for _ in range(_TRUTH_PARTS):
        judged = as_unit(draw_cohort(_TRUTH_PEOPLE, (skill,), random)[0], unit)
        parts.append(measure_all(judged, np.ones((1, len(judged.truth)))))
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def our_interval(name: str, value: float, spread: Floats, judged: Judged) -> Interval | None:
    """Return the interval that metrics.json gives; the Brier score's is not made from a spread."""
    question, _, kind = name.rpartition("/")
    if kind.startswith("at_"):
        inside = np.isin(judged.truth, judged.scheme.questions[question])
        target = TARGET_SENSITIVITIES[kind.removeprefix("at_")]
        if count_people(judged, inside) < count_needed(target, CONFIDENCE):
            return None
        evidence = evidence_of(judged, inside, "auroc")
    else:
        evidence = gather_evidence(name, judged)
    return score_interval(value, spread, CONFIDENCE, evidence)


def holds(interval: Interval | None, truth: float) -> bool:
    """Return whether the truth is inside; bounds belong to the interval."""
    return interval is not None and interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


def simulate_one(
    people: int, skill: float, unit: str, cohorts: int, resamples: int
) -> tuple[dict[str, float], Held]:
    """Return the truth of one model, and which intervals of how many cohorts held it."""
    truth = dict(find_truth(skill, unit))
    random = np.random.default_rng([people, round(10 * skill)])
    held: Held = defaultdict(list)
    for seed in range(cohorts):
        judged = as_unit(draw_cohort(people, (skill,), random)[0], unit)
        drawn = draw_weights(people, resamples, seed)
        weights = drawn[:, judged.participant]
        points = measure_all(judged, np.ones((1, len(judged.truth))))
        spreads = measure_all(judged, weights)
        intervals = {}
        for name, point in points.items():
            if np.isnan(point[0]):
                continue
            intervals[name] = (
                brier_interval(judged, drawn, CONFIDENCE)
                if name == "brier"
                else our_interval(name, float(point[0]), spreads[name], judged)
            )
            if intervals[name] is None:
                continue
            plain = percentile_interval(spreads[name], CONFIDENCE)
            held[name, "percentile"].append(holds(plain, truth[name]))
            held[name, "ours"].append(holds(intervals[name], truth[name]))
        for name, found, right in judge_predictive_values(points, intervals, truth):
            held[name, "ours"].append(holds(found, right))
            truth[name] = right
    return truth, held


def judge_predictive_values(
    points: dict[str, Floats], intervals: dict[str, Interval | None], truth: dict[str, float]
) -> Iterator[tuple[str, Interval | None, float]]:
    """Yield name, interval and truth of the predictive values of the likeliest class."""
    names = [f"any_abnormality/{kind}" for kind in ("sensitivity", "specificity")]
    rates = [(float(points[name][0]), intervals.get(name)) for name in names]
    right = predictive_values(truth[names[0]], truth[names[1]], PREVALENCE)
    (sensitivity, found), (specificity, cleared) = rates
    if found is None or cleared is None:
        return
    both = predictive_intervals((sensitivity, found), (specificity, cleared), PREVALENCE)
    for name, interval, one in zip(("ppv", "npv"), both, right, strict=True):
        yield f"any_abnormality/{name}_at_{PREVALENCE:g}", interval, one


def simulate_pair(
    people: int, skills: tuple[float, float], unit: str, cohorts: int, resamples: int
) -> tuple[dict[str, float], Held]:
    """Return the true differences of two models, and which intervals held them."""
    one_truth, other_truth = (find_truth(skill, unit) for skill in skills)
    truth = {name: other_truth[name] - one_truth[name] for name in one_truth}
    random = np.random.default_rng([people, *(round(10 * skill) for skill in skills)])
    held: Held = defaultdict(list)
    for seed in range(cohorts):
        pair = [as_unit(one, unit) for one in draw_cohort(people, skills, random)]
        weights = draw_weights(people, resamples, seed)[:, pair[0].participant]
        points = [measure(one, np.ones((1, len(one.truth)))) for one in pair]
        spreads = [measure(one, weights) for one in pair]
        for name in points[0].keys() - {"ece", "brier"}:
            values = [float(point[name][0]) for point in points]
            if np.isnan(values).any():
                continue
            one, other = (
                our_interval(name, values[place], spreads[place][name], pair[place])
                for place in range(2)
            )
            if one is None or other is None:
                continue
            correlation = correlate(spreads[0][name], spreads[1][name])
            ours = difference_interval((values[0], one), (values[1], other), correlation)
            plain = percentile_interval(spreads[1][name] - spreads[0][name], CONFIDENCE)
            held[name, "ours"].append(holds(ours, truth[name]))
            held[name, "percentile"].append(holds(plain, truth[name]))
    return truth, held


def report(title: str, truth: dict[str, float], held: Held, seconds: float) -> None:
    """Print one table."""
    print(f"\n{title} ({seconds:.0f} CPU-s)\n")
    print("| metric | truth | ours | percentile |\n|---|---|---|---|")
    for name in sorted({metric for metric, _ in held}):
        cells = [held.get((name, method)) for method in ("ours", "percentile")]
        shown = " | ".join(f"{100 * np.mean(one):.1f} %" if one else "" for one in cells)
        print(f"| {name} | {truth[name]:.3f} | {shown} |", flush=True)


def main() -> None:
    """Print the coverage of every metric for each size, skill and unit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=1_000)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--people", type=int, nargs="+", default=[60, 150, 300])
    options = parser.parse_args()
    totals: dict[tuple[str, str], list[float]] = defaultdict(list)
    for people in options.people:
        for unit in UNITS:
            for word, skill in SKILLS.items():
                start = time.process_time()
                truth, held = simulate_one(people, skill, unit, options.cohorts, options.resamples)
                for (_, method), ones in held.items():
                    where = f"{people} participants, per {unit}"
                    totals[where, method].append(float(np.mean(ones)))
                title = f"{people} participants, per {unit}, {word} model"
                report(title, truth, held, time.process_time() - start)
            for skills in ((1.5, 1.5), (2.5, 3.5)):
                start = time.process_time()
                truth, held = simulate_pair(
                    people, skills, unit, options.cohorts, options.resamples
                )
                title = f"{people} participants, per {unit}, skill {skills[1]} minus {skills[0]}"
                report(f"difference: {title}", truth, held, time.process_time() - start)
    print("\n| metrics of one model | method | lowest | mean | highest |\n|---|---|---|---|---|")
    for (where, method), shares in totals.items():
        low, mean, high = (100 * one for one in (min(shares), np.mean(shares), max(shares)))
        print(f"| {where} | {method} | {low:.1f} % | {mean:.1f} % | {high:.1f} % |")


if __name__ == "__main__":
    main()
