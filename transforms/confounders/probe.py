"""The confounder probe: how well sex, age, size, clip length, site and camera predict the label.

What a model says has to be worth more than this, under the same split. The unit is the participant.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.confounders.comparison import compare_all
from transforms.confounders.fitting import PROBE_SETTINGS
from transforms.confounders.folds import assign_folds
from transforms.confounders.judgement import (
    count_classes,
    say_what_is_lacking,
    summarise,
)
from transforms.confounders.judging import resample
from transforms.confounders.people import describe_sequences, gather_people
from transforms.confounders.pooled import judge_folds
from transforms.confounders.results import Result, answers_of_model
from transforms.confounders.sides import Given, ProbedSide, join_answers, predict_side, probe_side
from transforms.errors import InputError
from transforms.fold_names import number_of_fold
from transforms.labels import LabelScheme, find_scheme

_FOLDS: Final = 5


def probe_confounders(
    index: pl.DataFrame,
    participants: pl.DataFrame,
    recordings: pl.DataFrame | None,
    split: pl.DataFrame,
    *,
    seed: int,
    resamples: int,
    confidence: float = 0.95,
    results: Sequence[Result] = (),
) -> dict[str, Any]:
    """Return what the confounders alone are worth, as plain JSON values.

    Args:
        index: the sequence index (schema `SEQUENCE_INDEX`).
        participants: the participants (schema `PARTICIPANTS`).
        recordings: the recordings of all batches (schema `RECORDINGS`), for the camera, or None.
        split: the split (schema `SPLIT`).
        seed: of the folds and of the resamples.
        resamples: participants are drawn so often, for the intervals.
        confidence: of the intervals.
        results: models to compare with, each in pairs with the probes on the same participants.

    Returns:
        `settings`; `cohort`: cross-validated over all participants; `variants`: fitted on train and
        selection and judged on test, with `comparisons` by experiment; where the variants are
        folds, `pooled`: what was fitted on each fold, judged on all their test sides together, with
        `comparisons` by system. A judgement has `status` `judged` or `cannot be judged` with a
        `reason`.

    Raises:
        InputError: index, participants, split and results do not belong together, or the labels
            are of no scheme.
    """
    scheme = find_scheme(index["label"].unique(), where="index.parquet")
    sequences = describe_sequences(index, participants, recordings)
    strange = split.join(sequences, on="sequence_id", how="anti")
    if not strange.is_empty():
        raise InputError(
            "a sequence of the split is not in the dataset",
            where="split.parquet",
            found=", ".join(sorted(strange["sequence_id"].unique())[:5]),
            fix="run participant_splits on this dataset again",
        )
    draws = {"seed": seed, "resamples": resamples}
    sides = {
        str(variant): probe_side(sequences, scheme, split.filter(pl.col("variant") == variant))
        for variant in sorted(split["variant"].unique())
    }
    found = {
        "settings": draws | {"confidence": confidence, "probes": PROBE_SETTINGS},
        "cohort": _judge_cohort(sequences, scheme, draws, confidence),
        "variants": {
            variant: _judge_variant(
                side,
                scheme,
                [one for one in results if one.variant == variant],
                draws,
                confidence,
            )
            for variant, side in sides.items()
        },
    }
    folds = {name: side for name, side in sides.items() if number_of_fold(name) is not None}
    if len(folds) < 2 or len(folds) < len(sides):
        return found
    return found | {"pooled": judge_folds(sequences, scheme, folds, results, draws, confidence)}


def _judge_variant(
    side: ProbedSide,
    scheme: LabelScheme,
    results: Sequence[Result],
    draws: dict[str, int],
    confidence: float,
) -> dict[str, Any]:
    judged, given = side.judged, side.given
    if side.lacking or given is None:
        return {"status": "cannot be judged", "reason": side.lacking} | side.counts
    models = {one.experiment: answers_of_model(one, judged) for one in results}
    values = resample(judged.truth, given, scheme=scheme, **draws)
    return (
        summarise(values, side.fitted, confidence)
        | side.counts
        | {"comparisons": compare_all(judged, models, given, values, draws, confidence)}
    )


def _judge_cohort(
    sequences: pl.DataFrame, scheme: LabelScheme, draws: dict[str, int], confidence: float
) -> dict[str, Any]:
    people = gather_people(sequences, scheme)
    counts = {"judged_on": count_classes(people)}
    lacking = say_what_is_lacking(counts)
    if lacking:
        return {"status": "cannot be judged", "reason": lacking} | counts
    fold_count = min(_FOLDS, *(count for count in count_classes(people).values() if count))
    folds = assign_folds(people.truth, fold_count, np.random.default_rng(draws["seed"]))
    fold_of = pl.DataFrame({"participant_id": people.ids, "fold": folds})
    placed = sequences.join(fold_of, on="participant_id")
    given: list[Given] = []
    for fold in range(fold_count):
        fitted = gather_people(placed.filter(pl.col("fold") != fold), scheme)
        judged = gather_people(placed.filter(pl.col("fold") == fold), scheme)
        given.append(predict_side(fitted, judged))
    members = np.concatenate([np.flatnonzero(folds == fold) for fold in range(fold_count)])
    whole = join_answers(given, members)
    values = resample(people.truth, whole, scheme=scheme, **draws)
    return summarise(values, people, confidence) | counts | {"folds": fold_count}
