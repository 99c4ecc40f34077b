"""The confounder probe: how well sex, age, size, clip length, site and camera predict the label.

What a model says has to be worth more than this, under the same split. The unit is the participant.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.confounders.fitting import (
    PROBE_SETTINGS,
    PROBES,
    Answers,
    answer_majority,
    fit_and_answer,
)
from transforms.confounders.folds import assign_folds
from transforms.confounders.judgement import (
    compare_with_probes,
    count_classes,
    say_what_is_lacking,
    summarise,
)
from transforms.confounders.judging import resample
from transforms.confounders.people import CONFOUNDERS, People, describe_sequences, gather_people
from transforms.confounders.results import Result, answers_of_model
from transforms.errors import InputError
from transforms.labels import LabelScheme, find_scheme

FITTED_SIDES: Final = ("train", "selection")
JUDGED_SIDE: Final = "test"
_FOLDS: Final = 5

Given = dict[str, Answers]  # `<confounder or all>/<probe>`, or `chance` -> answers


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
        selection and judged on test, with `comparisons` by experiment. A judgement has `status`
        `judged` or `cannot be judged` with a `reason`.

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
    return {
        "settings": draws | {"confidence": confidence, "probes": PROBE_SETTINGS},
        "cohort": _judge_cohort(sequences, scheme, draws, confidence),
        "variants": {
            str(variant): _judge_variant(
                sequences,
                scheme,
                split.filter(pl.col("variant") == variant),
                [one for one in results if one.variant == variant],
                draws,
                confidence,
            )
            for variant in sorted(split["variant"].unique())
        },
    }


def predict_side(fitted: People, judged: People) -> Given:
    """Return what each probe, fitted on `fitted`, says of `judged`: of all confounders and each."""
    selections = {"all": CONFOUNDERS} | {name: (name,) for name in CONFOUNDERS}
    given = {
        f"{name}/{probe}": fit_and_answer(fitted, judged, chosen, probe)
        for name, chosen in selections.items()
        for probe in PROBES
    }
    return given | {"chance": answer_majority(fitted, judged)}


def _judge_variant(
    sequences: pl.DataFrame,
    scheme: LabelScheme,
    split: pl.DataFrame,
    results: Sequence[Result],
    draws: dict[str, int],
    confidence: float,
) -> dict[str, Any]:
    sides = sequences.join(split.select("sequence_id", "side"), on="sequence_id")
    fitted = gather_people(sides.filter(pl.col("side").is_in(FITTED_SIDES)), scheme)
    judged = gather_people(sides.filter(pl.col("side") == JUDGED_SIDE), scheme)
    counts = {"fitted_on": count_classes(fitted), "judged_on": count_classes(judged)}
    lacking = say_what_is_lacking(counts)
    if lacking:
        return {"status": "cannot be judged", "reason": lacking} | counts
    models = {one.experiment: answers_of_model(one, judged) for one in results}
    given = predict_side(fitted, judged)
    values = resample(judged.truth, given, scheme=scheme, **draws)
    of_models = resample(judged.truth, models, scheme=scheme, **draws)
    comparisons = {
        name: compare_with_probes(of_models[name], values, confidence) for name in sorted(models)
    }
    return summarise(values, fitted, confidence) | counts | {"comparisons": comparisons}


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
    whole = {name: _join([one[name] for one in given], members) for name in given[0]}
    values = resample(people.truth, whole, scheme=scheme, **draws)
    return summarise(values, people, confidence) | counts | {"folds": fold_count}


def _join(parts: Sequence[Answers], members: NDArray[np.int64]) -> Answers:
    """Return the answers of all folds in the order of the participants."""
    back = np.argsort(members, kind="stable")
    return Answers(
        *(
            np.concatenate([getattr(part, name) for part in parts])[back]
            for name in ("likeliest", "raised", "score")
        )
    )
