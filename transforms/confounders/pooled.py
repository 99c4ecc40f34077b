"""The folds of a cross-validation judged together: each person once, by what was fitted elsewhere.

A fold tests so few people that next to nothing can be told apart on it alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from transforms.confounders.comparison import compare_all
from transforms.confounders.judgement import (
    count_classes,
    say_what_is_lacking,
    summarise,
)
from transforms.confounders.judging import resample
from transforms.confounders.people import gather_people
from transforms.confounders.results import Result, answers_of_model
from transforms.confounders.sides import Given, ProbedSide, join_answers
from transforms.labels import LabelScheme


def judge_folds(
    sequences: pl.DataFrame,
    scheme: LabelScheme,
    folds: Mapping[str, ProbedSide],
    results: Sequence[Result],
    draws: dict[str, int],
    confidence: float,
) -> dict[str, Any]:
    """Return the judgement of all folds together, with `comparisons` by system.

    `not_on_every_fold` names the systems that are in none for want of a fold.

    Args:
        sequences: as `describe_sequences` returns them.
        scheme: of the labels.
        folds: by variant.
        results: of any variants.
        draws: seed and number of the resamples.
        confidence: of the intervals.
    """
    ids = [person for side in folds.values() for person in side.judged.ids]
    if len(set(ids)) < len(ids):
        return {"status": "cannot be judged", "reason": "somebody is tested in two folds"}
    people = gather_people(sequences.filter(pl.col("participant_id").is_in(ids)), scheme)
    counts = {"judged_on": count_classes(people)}
    if lacking := say_what_is_lacking(counts):
        return {"status": "cannot be judged", "reason": lacking} | counts
    given: list[Given] = []
    for name, side in folds.items():
        # Whoever is asked about in any fold, their class has to be known to every fit.
        lacking = say_what_is_lacking({"fitted_on": side.counts["fitted_on"]} | counts)
        if lacking or side.given is None:
            reason = f"{name}: {lacking or side.lacking}"
            return {"status": "cannot be judged", "reason": reason} | counts
        given.append(side.given)
    row_of = {person: row for row, person in enumerate(people.ids)}
    answers = join_answers(given, np.array([row_of[person] for person in ids]))
    values = resample(people.truth, answers, scheme=scheme, **draws)
    pooled, partly = _pool(results, set(folds))
    models = {
        system: answers_of_model(Result(system, "", predictions), people)
        for system, predictions in pooled.items()
    }
    return (
        summarise(values, people, confidence)
        | counts
        | {
            "comparisons": compare_all(people, models, answers, values, draws, confidence),
            "not_on_every_fold": partly,
        }
    )


def _pool(results: Sequence[Result], folds: set[str]) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """Return the predictions of each system judged on every fold, and names of the others."""
    systems: dict[str, dict[str, pl.DataFrame]] = {}
    for one in results:
        if one.system and one.variant in folds:
            systems.setdefault(one.system, {})[one.variant] = one.predictions
    pooled = {
        system: pl.concat([found[fold] for fold in sorted(folds)])
        for system, found in sorted(systems.items())
        if set(found) == folds
    }
    return pooled, sorted(systems.keys() - pooled.keys())
