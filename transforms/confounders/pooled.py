"""The folds of a cross-validation judged together: each person once, by what was fitted elsewhere.

A fold tests so few people that next to nothing can be told apart on it alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from transforms.confounders.judgement import (
    compare_all,
    count_classes,
    say_what_is_lacking,
    summarise,
)
from transforms.confounders.judging import resample
from transforms.confounders.people import gather_people
from transforms.confounders.results import Result, answers_of_model
from transforms.confounders.sides import ProbedSide, join_answers
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

    Args:
        sequences: as `describe_sequences` returns them.
        scheme: of the labels.
        folds: by variant.
        results: of any variants; a system that was not judged on every fold is left out.
        draws: seed and number of the resamples.
        confidence: of the intervals.
    """
    ids = [person for side in folds.values() for person in side.judged.ids]
    if len(set(ids)) < len(ids):
        return {"status": "cannot be judged", "reason": "somebody is tested in two folds"}
    people = gather_people(sequences.filter(pl.col("participant_id").is_in(ids)), scheme)
    counts = {"judged_on": count_classes(people)}
    given = [side.given for side in folds.values() if side.given is not None]
    lacking = say_what_is_lacking(counts) or next(
        (side.lacking for side in folds.values() if side.given is None), None
    )
    if lacking or len(given) < len(folds):
        return {"status": "cannot be judged", "reason": lacking} | counts
    row_of = {person: row for row, person in enumerate(people.ids)}
    values = resample(
        people.truth,
        join_answers(given, np.array([row_of[person] for person in ids])),
        scheme=scheme,
        **draws,
    )
    models = {
        system: answers_of_model(Result(system, "", predictions), people)
        for system, predictions in _pool(results, set(folds)).items()
    }
    return (
        summarise(values, people, confidence)
        | counts
        | {"comparisons": compare_all(people.truth, models, values, scheme, draws, confidence)}
    )


def _pool(results: Sequence[Result], folds: set[str]) -> dict[str, pl.DataFrame]:
    """Return the predictions of each system that was judged on every fold, by its name."""
    systems: dict[str, dict[str, pl.DataFrame]] = {}
    for one in results:
        if one.system and one.variant in folds:
            systems.setdefault(one.system, {})[one.variant] = one.predictions
    return {
        system: pl.concat([found[fold] for fold in sorted(folds)])
        for system, found in sorted(systems.items())
        if set(found) == folds
    }
