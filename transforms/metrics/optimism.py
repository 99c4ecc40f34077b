"""The optimism gap: how much better a model looks on a leaky split than on a participant-wise one.

Comparing two splits and two sets of predictions. Building the splits and training the models is
the caller's business. Whatever comes of the sequence-wise side is named LEAKY, in keys as in
words, so that no number of it can be taken for a result.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.errors import InputError, IntegrityError, RefusalError
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import Judged, read_predictions
from transforms.metrics.seeds import (
    UNITS,
    Measured,
    describe_difference,
    describe_measured,
    measure_seeds,
    require_same_test,
)
from transforms.settings import EvaluationSettings

HONEST: Final = "participant_wise"
LEAKY: Final = "sequence_wise_LEAKY"
GAP: Final = "gap"
SIDES: Final = (HONEST, LEAKY)
SHOWN: Final = {HONEST: "participant-wise", LEAKY: "sequence-wise, LEAKY"}
ACTIVE: Final = ("train", "selection", "test")  # the sides of a split that take part

Gap = dict[str, Any]  # `Any`: JSON


def describe_splits(splits: Mapping[str, pl.DataFrame], variant: str) -> dict[str, dict[str, Any]]:
    """Return what each split holds, after making sure that their difference measures leakage only.

    Args:
        splits: a table of schema `SPLIT` for each name of `SIDES`.
        variant: the variant that is trained.

    Raises:
        InputError: a split lacks the variant, or the counts per side and label are not equal.
        IntegrityError: the participant-wise split shares participants between its sides.
        RefusalError: nobody of the leaky test side is known from its training.
    """
    # `Any`: JSON.
    chosen = {name: table.filter(pl.col("variant") == variant) for name, table in splits.items()}
    found = {name: _describe_split(rows) for name, rows in chosen.items()}
    for name, facts in found.items():
        if not facts["sequences"].get("test") or not facts["sequences"].get("train"):
            raise InputError(
                "no sequence to train or to test on", where=f"{SHOWN[name]} split, {variant}"
            )
    if found[HONEST]["sequences"] != found[LEAKY]["sequences"]:
        raise InputError(
            "the two splits hold other numbers of sequences, so they cannot be compared",
            where=variant,
            expected=found[HONEST]["sequences"],
            found=found[LEAKY]["sequences"],
        )
    if found[HONEST]["known_test_participants"]:
        raise IntegrityError(
            "the participant-wise split is not participant-disjoint",
            where=variant,
            expected="no participant on two sides",
            found=f"{found[HONEST]['known_test_participants']:,} tested and trained on",
            fix="build participant_splits again",
        )
    if not found[LEAKY]["known_test_participants"]:
        raise RefusalError(
            "there is no leak to measure: nobody of the sequence-wise test side is trained on",
            where=variant,
            expected="participants with several sequences",
            found=f"{chosen[LEAKY]['participant_id'].n_unique():,} participants with "
            f"{chosen[LEAKY].height:,} sequences",
            fix="the gap needs a cohort in which people walk more than once",
        )
    return found


def _describe_split(rows: pl.DataFrame) -> dict[str, Any]:
    sides = {side: rows.filter(pl.col("side") == side) for side in ACTIVE}
    seen = pl.concat([sides["train"], sides["selection"]])["participant_id"].unique()
    known = sides["test"].filter(pl.col("participant_id").is_in(seen.implode()))
    return {
        "sequences": {
            side: dict(sorted(one.group_by("label").len().iter_rows()))
            for side, one in sides.items()
        },
        "participants": {side: one["participant_id"].n_unique() for side, one in sides.items()},
        "known_test_participants": known["participant_id"].n_unique(),
        "known_test_sequences": known.height,
    }


def measure_gap(
    predictions: Mapping[str, Sequence[pl.DataFrame]], settings: EvaluationSettings
) -> dict[str, dict[str, Gap]]:
    """Return unit -> metric -> the value on each side of `SIDES` and their difference, `GAP`.

    Each of the three is `{"value", "low", "high", "per_seed", "seed_sd"}`: the mean over the seeds
    with its interval, then the seeds one by one and their standard deviation. The value is None
    where it is undefined, the interval where most resamples are, the deviation for one seed.

    Args:
        predictions: for each name of `SIDES` a table of `predictions_schema` per seed, in the same
            order of seeds.
        settings: resamples, confidence and seed of the intervals.

    Raises:
        InputError: there is no seed, the sides have other numbers of them, or the seeds of a side
            were judged on other sequences.
    """
    counts = {name: len(predictions[name]) for name in SIDES}
    if not counts[HONEST] or counts[HONEST] != counts[LEAKY]:
        raise InputError("both sides need the same seeds, at least one", found=counts)
    judged = {name: [read_predictions(table) for table in predictions[name]] for name in SIDES}
    for name in SIDES:
        require_same_test(
            predictions[name], what="the seeds were judged on other sequences", where=SHOWN[name]
        )
    gaps: dict[str, dict[str, Gap]] = {}
    for unit in UNITS:
        sides = {
            name: _measure_side(judged[name], unit, settings, stream)
            for stream, name in enumerate(SIDES)
        }
        gaps[unit] = {
            metric: _compare(sides[HONEST][metric], sides[LEAKY][metric], settings.confidence)
            for metric in sides[HONEST]
        }
    return gaps


def _measure_side(
    seeds: Sequence[Judged], unit: str, settings: EvaluationSettings, stream: int
) -> dict[str, Measured]:
    """Return every metric; the resamples are the same for all seeds and others for each stream."""
    people = int(seeds[0].participant.max()) + 1
    # Of the same numbers drawn from the same seed, the sides would be resampled in pairs.
    draw = int(np.random.default_rng([settings.seed, stream]).integers(2**32))
    return measure_seeds(seeds, unit, draw_weights(people, settings.bootstrap_resamples, draw))


def _compare(honest: Measured, leaky: Measured, confidence: float) -> Gap:
    return {
        HONEST: describe_measured(honest, confidence),
        LEAKY: describe_measured(leaky, confidence),
        GAP: describe_difference(honest, leaky, confidence, is_paired=False),
    }
