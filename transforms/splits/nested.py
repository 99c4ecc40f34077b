"""The protocol `fixed_test_nested`: one test set for all class ratios, nested training sets.

Test and selection participants are the solver's choice. What is left is one queue of sequences per
class, and every variant trains on the front of it: the smaller sets are parts of the larger.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from transforms.splits.ratios import RATIO_LABELS, TrainingPlan, plan_training_sets
from transforms.splits.solver import Assignment, assign_participants

PROTOCOL: Final = "fixed_test_nested"
TRAIN: Final = "train"
SELECTION: Final = "selection"
TEST: Final = "test"
UNUSED: Final = "unused"


@dataclass(frozen=True)
class NestedSplit:
    """A split with what it was asked for and what it made of it.

    Attributes:
        table: columns variant, sequence_id, participant_id, label, side; one row per variant and
            sequence, sorted by both.
        assignment: the solver's sides of all participants, before the ratios.
        available: label -> sequences that are neither tested nor selected on.
        plan: training sequences per variant and label.
    """

    table: pl.DataFrame
    assignment: Assignment
    available: Mapping[str, int]
    plan: TrainingPlan


def held_out_counts(
    totals: Mapping[str, int], test_fraction: float, selection_fraction: float
) -> dict[str, dict[str, int]]:
    """Return label -> side -> sequences to hold out: the fraction, halves up, at least one.

    There is no selection side where its fraction is zero.
    """
    fractions = {TEST: test_fraction}
    if selection_fraction > 0:
        fractions[SELECTION] = selection_fraction
    return {
        label: {
            side: max(1, math.floor(total * fraction + 0.5)) for side, fraction in fractions.items()
        }
        for label, total in totals.items()
    }


def split_fixed_test_nested(
    sequences: pl.DataFrame,
    participants: pl.DataFrame,
    *,
    variants: tuple[str, ...],
    test_fraction: float,
    selection_fraction: float,
    training_size: int | None,
    seed: int,
) -> NestedSplit:
    """Hold out test and selection participants, then train each variant on the rest at its ratio.

    Within a class, whole participants are taken in an order drawn from the seed; the last one
    gives only the sequences still missing, in the order of session, sync group and id. Sequences
    that a variant does not need are `unused` there.

    Args:
        sequences: columns sequence_id, participant_id, label, session, sync_group.
        participants: what `assign_participants` takes, one row per participant of `sequences`.
        variants: names such as `ratio_1_1_8`.
        test_fraction: share of each class's sequences to test on.
        selection_fraction: share to select checkpoints on; 0 for none.
        training_size: sequences of every training set, or None for the largest that all allow.
        seed: decides between assignments that are equally good, and the training order.

    Raises:
        RefusalError: a class has too few participants or sequences; the message shows why.
    """
    totals = {label: sequences.filter(pl.col("label") == label).height for label in RATIO_LABELS}
    requested = held_out_counts(totals, test_fraction, selection_fraction)
    assignment = assign_participants(participants, requested, rest=TRAIN, seed=seed)
    queue = _queue_training_sequences(sequences, assignment, seed)
    available = {label: queue.filter(pl.col("label") == label).height for label in RATIO_LABELS}
    plan = plan_training_sets(variants, available, training_size)
    parts = [
        _lay_out_variant(sequences, queue, assignment, plan.counts[variant], variant)
        for variant in variants
    ]
    table = pl.concat(parts).sort("variant", "sequence_id")
    return NestedSplit(table=table, assignment=assignment, available=available, plan=plan)


def _queue_training_sequences(
    sequences: pl.DataFrame, assignment: Assignment, seed: int
) -> pl.DataFrame:
    """Return the sequences to train on, each with its `place` in its class's queue, from 0."""
    ids = sorted(name for name, side in assignment.sides.items() if side == TRAIN)
    order = np.random.default_rng([seed, *b"training order"]).permutation(len(ids))
    turns = pl.DataFrame(
        {"participant_id": ids, "turn": order}, schema={"participant_id": pl.String, "turn": int}
    )
    return (
        sequences.join(turns, on="participant_id")
        .sort("label", "turn", "session", "sync_group", "sequence_id")
        .with_columns(place=pl.int_range(pl.len()).over("label"))
        .select("sequence_id", "label", "place")
    )


def _lay_out_variant(
    sequences: pl.DataFrame,
    queue: pl.DataFrame,
    assignment: Assignment,
    counts: Mapping[str, int],
    variant: str,
) -> pl.DataFrame:
    limit = pl.col("label").replace_strict(dict(counts), return_dtype=pl.Int64)
    trained = queue.filter(pl.col("place") < limit)["sequence_id"]
    side = pl.col("participant_id").replace_strict(dict(assignment.sides), return_dtype=pl.String)
    is_left_over = (side == TRAIN) & ~pl.col("sequence_id").is_in(trained.implode())
    return sequences.select(
        pl.lit(variant).alias("variant"),
        "sequence_id",
        "participant_id",
        "label",
        pl.when(is_left_over).then(pl.lit(UNUSED)).otherwise(side).alias("side"),
    )
