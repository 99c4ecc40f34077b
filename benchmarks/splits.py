"""Participant-wise splits: how exact, how fast, and what scikit-learn's splitters make of it.

    python benchmarks/splits.py [--rounds N] [--people N]

On a cohort of Scoliosis1K's shape (1,050 participants, 1,493 sequences, demographics drawn): the
four published training sets, the four of one test set, and five folds; then five folds of the
dual-view cohort's shape, and a cohort of 100,000 participants. `missed` is the sum over classes and
sides of |achieved - requested| sequences; for folds, of what lies more than one unit from even.
scikit-learn's group splitters run on the same cohort, as many times with other seeds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.settings import SplitSettings
from transforms.splits.folds import assign_folds
from transforms.splits.hold_out import assign_participants
from transforms.splits.paper_exact import PUBLISHED_COUNTS
from transforms.splits.protocols import PROTOCOLS
from transforms.splits.solving.solver import GoalProof, status_of

SHAPE: Final = {"negative": (792, 800), "neutral": (82, 200), "positive": (176, 493)}
DEFORMITY: Final = {"asd": (27, 4673), "dhs": (9, 2959), "hipoa": (2, 373), "lcs": (6, 1026)}
RATIOS: Final = tuple(PUBLISHED_COUNTS)


def draw_people(counts: dict[str, list[int]], seed: int) -> pl.DataFrame:
    """Return participants with drawn demographics, in the order of their labels and ids."""
    random = np.random.default_rng(seed)
    labels = [label for label, ones in sorted(counts.items()) for _ in ones]
    sequences = np.array([one for _, ones in sorted(counts.items()) for one in ones])
    size = len(labels)
    return pl.DataFrame(
        {
            "participant_id": [f"{label}-{n:06}" for n, label in enumerate(labels)],
            "label": labels,
            "sequence_count": sequences,
            "is_female": (random.random(size) < 0.6).astype(float),
            "age_years": random.normal(14.5, 1.2, size).round(1),
            "height_cm": random.normal(161.0, 7.0, size).round(1),
            "weight_kg": random.normal(48.0, 8.0, size).round(1),
            "site": random.choice(["north", "south", "west"], size),
            "duration_s": (random.normal(12.0, 2.0, size) * sequences).round(2),
        }
    )


def spread(participants: int, sequences: int, seed: int, most: int = 6) -> list[int]:
    """Return sequence counts of so many participants that add up."""
    random = np.random.default_rng([participants, seed])
    counts = np.ones(participants, dtype=int)
    while counts.sum() < sequences:
        chosen = random.integers(participants)
        counts[chosen] += counts[chosen] < most
    return counts.tolist()


def list_sequences(people: pl.DataFrame) -> pl.DataFrame:
    """Return one row per sequence, as the protocols take them."""
    rows = people.select("participant_id", "label", "sequence_count").rows()
    names = [(f"{who}-s{n}", who, label) for who, label, count in rows for n in range(count)]
    table = pl.DataFrame(names, schema=["sequence_id", "participant_id", "label"], orient="row")
    empty = pl.lit(None, dtype=pl.String)
    return table.with_columns(session=empty, sync_group=empty)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def report(name: str, seconds: list[float], missed: list[int], proofs: list[str]) -> None:
    print(
        f"{name:44}{statistics.median(seconds):9.2f} s  at most {max(seconds):6.2f} s"
        f"   missed {statistics.median(missed):6.0f} (most {max(missed)})   {', '.join(proofs)}",
        flush=True,
    )


def describe(statuses: list[str]) -> list[str]:
    return [f"{statuses.count(one)} {one}" for one in sorted(set(statuses))]


def measure_variants(rounds: int) -> None:
    """The eight variants, one by one."""
    for protocol in ("paper_exact", "fixed_test_nested"):
        for variant in RATIOS:
            seconds, missed, statuses = [], [], []
            for seed in range(rounds):
                people = draw_people({k: spread(*v, seed) for k, v in SHAPE.items()}, seed)
                settings = SplitSettings(
                    protocol=protocol,
                    ratios=(variant,) if protocol == "paper_exact" else RATIOS,
                    selection_fraction=0.0,
                    test_fraction=0.2,
                    seed=seed,
                )
                sequences = list_sequences(people)
                split, took = timed(
                    lambda: PROTOCOLS[protocol](sequences, people, settings)  # noqa: B023
                )
                wanted = split.requested[variant]["train"]
                if protocol == "paper_exact":
                    assert wanted == PUBLISHED_COUNTS[variant]
                rows = split.table.filter(
                    (pl.col("variant") == variant) & (pl.col("side") == "train")
                )
                found = dict(rows.group_by("label").len().iter_rows())
                seconds.append(took)
                missed.append(
                    sum(abs(found[label] - count) for label, count in wanted.items())
                    + sum(problem.goals[0].value for problem in split.problems)
                )
                statuses += [status_of(problem.goals) for problem in split.problems]
            counts = "/".join(str(wanted[label]) for label in ("positive", "neutral", "negative"))
            report(f"{protocol} {counts}", seconds, missed, describe(statuses))


def excess(goals: tuple[GoalProof, ...], name: str, folds: int) -> int:
    """Return how many units lie further from even than whole units must."""
    (goal,) = (goal for goal in goals if goal.name == name)
    return (goal.value - goal.bound) // folds


def measure_folds(name: str, people: pl.DataFrame, seeds: int) -> None:
    seconds, missed, unproved = [], [], set()
    for seed in range(seeds):
        (_, goals), took = timed(lambda: assign_folds(people, 5, seed))  # noqa: B023
        seconds.append(took)
        missed.append(
            excess(goals, "participants of each class", 5)
            + excess(goals, "sequences of each class", 5)
        )
        unproved |= {
            f"{goal.name} {goal.value} (bound {goal.bound})" for goal in goals if not goal.is_proved
        }
    report(name, seconds, missed, sorted(unproved) or ["every goal proved"])


def measure_sklearn(people: pl.DataFrame, rounds: int) -> None:
    """Deviation of scikit-learn's group splitters on the same cohort and requests."""
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    sequences = list_sequences(people)
    labels, groups = sequences["label"].to_numpy(), sequences["participant_id"].to_numpy()
    totals = {label: int((labels == label).sum()) for label in SHAPE}
    seconds, missed = [], []
    for seed in range(rounds):
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        parts, took = timed(lambda: list(folds.split(labels, labels, groups)))  # noqa: B023
        gaps = [
            abs(int((labels[test] == label).sum()) - total / 5)
            for _, test in parts
            for label, total in totals.items()
        ]
        seconds.append(took)
        missed.append(int(sum(max(0.0, gap - 0.8) for gap in gaps)))
    report("StratifiedGroupKFold, 5 folds", seconds, missed, [])
    for variant, wanted in PUBLISHED_COUNTS.items():
        seconds, missed = [], []
        for seed in range(rounds):
            gap = 0
            start = time.perf_counter()
            for label, count in wanted.items():
                mine = np.flatnonzero(labels == label)
                draw = GroupShuffleSplit(1, train_size=count / len(mine), random_state=seed)
                train, _ = next(draw.split(mine, groups=groups[mine]))
                gap += abs(len(train) - count)
            seconds.append(time.perf_counter() - start)
            missed.append(gap)
        report(f"GroupShuffleSplit per class, {variant}", seconds, missed, [])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9, help="cohorts and seeds")
    parser.add_argument("--people", type=int, default=100_000)
    arguments = parser.parse_args()
    measure_variants(arguments.rounds)
    people = draw_people({k: spread(*v, 0) for k, v in SHAPE.items()}, 0)
    measure_folds("k_fold, 5 folds, 1,050 participants", people, arguments.rounds)
    measure_sklearn(people, arguments.rounds)
    spine = draw_people({label: [1] * count for label, (count, _) in DEFORMITY.items()}, 1)
    shares = np.random.default_rng(1).lognormal(0, 0.3, spine.height)
    spine = spine.with_columns(share=pl.Series(shares)).with_columns(
        duration_s=pl.col("share")
        / pl.col("share").sum().over("label")
        * pl.col("label").replace_strict({label: total for label, (_, total) in DEFORMITY.items()})
    )
    measure_folds("k_fold, 5 folds, dual-view shape", spine, arguments.rounds)
    random = np.random.default_rng(0)
    shares_of = {"negative": 0.8, "neutral": 0.08, "positive": 0.12}
    many = {
        label: (1 + random.poisson(0.4, int(share * arguments.people))).tolist()
        for label, share in shares_of.items()
    }
    people = draw_people(many, 2)
    measure_folds(f"k_fold, 5 folds, {people.height:,} participants", people, 3)
    requested = {label: {"test": sum(ones) // 5} for label, ones in many.items()}
    assignment, took = timed(lambda: assign_participants(people, requested, rest="train", seed=0))
    proofs = list(assignment.proofs.values())
    report(
        f"a fifth held out, {people.height:,} participants",
        [took],
        [sum(proof.deviation for proof in proofs)],
        describe([proof.status for proof in proofs]),
    )


if __name__ == "__main__":
    main()
