"""The protocol `k_fold`: every participant is tested once, in folds as even as can be.

In this order: participants of each class, participants, sequences of each class, sequences,
seconds (to one part in a hundred); then sex, age, height, weight and site. The folds are one
problem for all classes. Where models tell less apart than people are diagnosed with, diagnoses are
the classes that are spread, and what models tell apart right after them.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from transforms.errors import RefusalError
from transforms.labels import find_scheme
from transforms.settings import SplitSettings
from transforms.splits.features import balance_goals
from transforms.splits.hold_out import assign_participants
from transforms.splits.nested import held_out_counts
from transforms.splits.solving.goals import Goal, Integers, Problem, even_goal
from transforms.splits.solving.solver import GoalProof, solve
from transforms.splits.split import SELECTION, TEST, TRAIN, SolvedProblem, Split, lay_out

PROTOCOL: Final = "k_fold"
_EVEN: Final = ("sequence_count", "duration_s")  # goals of their own here
_SECONDS_TOLERANCE: Final = 0.01  # to the last second, nothing would be left to balance


def split_k_fold(
    sequences: pl.DataFrame, participants: pl.DataFrame, settings: SplitSettings
) -> Split:
    """Give every participant one fold; a variant tests one of them and trains on the others.

    Where a selection side is asked for, each variant takes it from what it would train on.

    Args:
        sequences: columns sequence_id, participant_id, label.
        participants: columns participant_id, label and `features.BALANCED`.
        settings: folds, selection fraction and seed.

    Raises:
        RefusalError: a class cannot be both trained and tested, or there are fewer participants
            than folds.
    """
    members = participants.sort("label", "participant_id")
    _require_enough(members, settings.folds)
    folds, goals = assign_folds(members, settings.folds, settings.seed)
    ids = members["participant_id"].to_list()
    problems = [_describe_folds(members, folds, goals, settings.variants)]
    tables = []
    for number, variant in enumerate(settings.variants):
        sides = {
            name: TEST if fold == number else TRAIN for name, fold in zip(ids, folds, strict=True)
        }
        if settings.selection_fraction > 0:
            chosen, solved = _select(members, sides, variant, settings)
            sides |= chosen
            problems += solved
        tables.append(lay_out(sequences, sides, variant))
    short = [
        f"class {label} has {count} participants: {settings.folds - count} folds test none of it"
        for label, count in members.group_by("label").len().sort("label").iter_rows()
        if count < settings.folds
    ]
    return Split(
        table=pl.concat(tables).sort("variant", "sequence_id"),
        disjointness="proved",
        problems=tuple(problems),
        notes=tuple(short),
    )


def assign_folds(
    members: pl.DataFrame, fold_count: int, seed: int
) -> tuple[Integers, tuple[GoalProof, ...]]:
    """Return the fold of each participant, from 0, and what is proved of the folds.

    Args:
        members: columns participant_id, label and `features.BALANCED`, in the order of their
            labels and ids.
        fold_count: how many folds.
        seed: decides between assignments that are equally good.
    """
    random = np.random.default_rng([seed, *PROTOCOL.encode()])
    labels = members["label"].to_list()
    # In a random order within each class and by turns over all of them: as even as can be already.
    keys = random.permutation(members.height)
    order = sorted(range(members.height), key=lambda one: (labels[one], keys[one]))
    start = np.empty(members.height, np.int64)
    start[order] = np.arange(members.height) % fold_count
    solution = solve(_state_problem(members, fold_count), start, random)
    return solution.sides, solution.goals


def _state_problem(members: pl.DataFrame, fold_count: int) -> Problem:
    classes = members["label"].unique().sort()
    of_class = np.stack([(members["label"] == label).to_numpy() for label in classes], axis=1)
    of_class = of_class.astype(np.int64)
    ones = np.ones((members.height, 1), np.int64)
    counts = members["sequence_count"].to_numpy().astype(np.int64)[:, None]
    seconds = np.rint(members["duration_s"].to_numpy()).astype(np.int64)[:, None]
    even = {"participants of each class": of_class}
    told_apart = _tell_apart(members["label"])
    kinds = told_apart.unique().sort()
    if len(kinds) < len(classes):
        of_kind = np.stack([(told_apart == kind).to_numpy() for kind in kinds], axis=1)
        even["participants of what models tell apart"] = of_kind.astype(np.int64)
    even |= {
        "participants": ones,
        "sequences of each class": of_class * counts,
        "sequences": counts,
    }
    goals: list[Goal] = [even_goal(name, one, fold_count) for name, one in even.items()]
    goals.append(even_goal("seconds", seconds, fold_count, tolerance=_SECONDS_TOLERANCE))
    expected = np.full(fold_count, members.height / fold_count)
    goals += [goal for goal in balance_goals(members, expected) if goal.name not in _EVEN]
    return Problem(goals=tuple(goals), min_items=(1,) * fold_count)


def _tell_apart(labels: pl.Series) -> pl.Series:
    """Return the class that models see for each diagnosis."""
    scheme = find_scheme(labels, where="participants")
    return labels.replace_strict(scheme.class_of, return_dtype=pl.String)


def _select(
    members: pl.DataFrame, sides: Mapping[str, str], variant: str, settings: SplitSettings
) -> tuple[Mapping[str, str], list[SolvedProblem]]:
    """Return the sides of those who are not tested, and what was solved for it."""
    side = pl.col("participant_id").replace_strict(dict(sides), return_dtype=pl.String)
    # A diagnosis may be too rare for every side; what models tell apart must not be.
    rest = members.with_columns(label=_tell_apart(members["label"])).filter(side == TRAIN)
    totals = dict(rest.group_by("label").agg(pl.col("sequence_count").sum()).iter_rows())
    wanted = {
        label: {SELECTION: counts[TEST]}
        for label, counts in held_out_counts(totals, settings.selection_fraction, 0.0).items()
    }
    chosen = assign_participants(rest, wanted, rest=TRAIN, seed=settings.seed)
    return chosen.sides, [
        SolvedProblem(label, (variant,), {label: one.requested}, {label: one.achieved}, one.goals)
        for label, one in chosen.proofs.items()
    ]


def _describe_folds(
    members: pl.DataFrame, folds: Integers, goals: tuple[GoalProof, ...], variants: tuple[str, ...]
) -> SolvedProblem:
    counted = (
        members.with_columns(fold=pl.Series([variants[fold] for fold in folds], dtype=pl.String))
        .group_by("label", "fold")
        .agg(pl.col("sequence_count").sum())
    )
    found = {(label, fold): int(count) for label, fold, count in counted.iter_rows()}
    labels = sorted(members["label"].unique())
    achieved = {label: {fold: found.get((label, fold), 0) for fold in variants} for label in labels}
    return SolvedProblem("all classes", variants, {}, achieved, goals)


def _require_enough(members: pl.DataFrame, fold_count: int) -> None:
    if members.height < fold_count:
        raise RefusalError(
            "fewer participants than folds",
            where="splits.folds",
            expected=f"at most {members.height}",
            found=fold_count,
        )
    for label, count in _tell_apart(members["label"]).value_counts().sort("label").iter_rows():
        if count < 2:
            raise RefusalError(
                f"class {label} cannot be both trained and tested",
                where="splits",
                expected="at least 2 participants of every class",
                found=count,
                fix="add participants of this class, or leave it out of the dataset",
            )
