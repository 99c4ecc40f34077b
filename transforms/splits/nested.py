"""The protocol `fixed_test_nested`: one test set for all class ratios, nested training sets.

Test and selection participants are the solver's choice. What is left is one queue of sequences per
class, and every variant trains on the front of it: the smaller sets are parts of the larger.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from transforms.settings import SplitSettings
from transforms.splits.hold_out import Assignment, assign_participants
from transforms.splits.ratios import RATIO_LABELS, plan_training_sets, require_ratio_labels
from transforms.splits.split import (
    SELECTION,
    TEST,
    TRAIN,
    UNUSED,
    SolvedProblem,
    Split,
    lay_out,
)

PROTOCOL: Final = "fixed_test_nested"


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
    sequences: pl.DataFrame, participants: pl.DataFrame, settings: SplitSettings
) -> Split:
    """Hold out test and selection participants, then train each variant on the rest at its ratio.

    Within a class, whole participants are taken in an order drawn from the seed; the last one
    gives only the sequences still missing, in the order of session, sync group and id. Sequences
    that a variant does not need are `unused` there.

    Args:
        sequences: columns sequence_id, participant_id, label, session, sync_group.
        participants: what `assign_participants` takes, one row per participant of `sequences`.
        settings: fractions, ratios, training size and seed.

    Raises:
        RefusalError: the labels are not those of scoliosis, or a class has too few participants or
            sequences; the message shows why.
    """
    require_ratio_labels(sequences["label"])
    totals = {label: sequences.filter(pl.col("label") == label).height for label in RATIO_LABELS}
    requested = held_out_counts(totals, settings.test_fraction, settings.selection_fraction)
    assignment = assign_participants(participants, requested, rest=TRAIN, seed=settings.seed)
    queue = _queue_training_sequences(sequences, assignment, settings.seed)
    available = {label: queue.filter(pl.col("label") == label).height for label in RATIO_LABELS}
    plan = plan_training_sets(settings.ratios, available, settings.training_size)
    held_out = {
        side: {label: counts[side] for label, counts in requested.items()}
        for side in requested[RATIO_LABELS[0]]
    }
    table = pl.concat(
        _lay_out_variant(sequences, queue, assignment, plan.counts[variant], variant)
        for variant in settings.ratios
    ).sort("variant", "sequence_id")
    return Split(
        table=table,
        disjointness="proved",
        notes=_name_torn(table, sequences),
        problems=tuple(
            SolvedProblem(
                name=label,
                variants=settings.ratios,
                requested={label: proof.requested},
                achieved={label: proof.achieved},
                goals=proof.goals,
            )
            for label, proof in assignment.proofs.items()
        ),
        requested={
            variant: {TRAIN: dict(plan.counts[variant]), **held_out} for variant in settings.ratios
        },
        training={
            "available": available,
            "size": plan.size,
            "bounded_by": plan.bounding_variant,
        },
    )


def _name_torn(table: pl.DataFrame, sequences: pl.DataFrame) -> tuple[str, ...]:
    """Return a note for every variant whose exact counts are had by training on part of a visit."""
    visits = sequences.select("sequence_id", "session")
    used = table.filter(pl.col("side").is_in([TRAIN, UNUSED])).join(visits, on="sequence_id")
    torn = (
        used.group_by("variant", "participant_id", "session")
        .agg(pl.col("side").n_unique())
        .filter(pl.col("side") > 1)
        .group_by("variant")
        .len()
        .sort("variant")
    )
    return tuple(
        f"{variant} trains on part of {count} session(s) only, so that its counts are exact"
        for variant, count in torn.iter_rows()
    )


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
    is_left_over = (pl.col("side") == TRAIN) & ~pl.col("sequence_id").is_in(trained.implode())
    return lay_out(sequences, assignment.sides, variant).with_columns(
        side=pl.when(is_left_over).then(pl.lit(UNUSED)).otherwise("side")
    )
