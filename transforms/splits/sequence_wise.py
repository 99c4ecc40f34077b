"""The protocol `sequence_wise`: deliberately leaky, to measure what leaking is worth.

It deals out single sequences, as published partitions do, so that participants end up on several
sides. Every count is that of `fixed_test_nested` on the same cohort.
"""

from typing import Final

import numpy as np
import polars as pl

from transforms.settings import SplitSettings
from transforms.splits.nested import split_fixed_test_nested
from transforms.splits.split import SELECTION, TEST, TRAIN, UNUSED, Split, lay_out

PROTOCOL: Final = "sequence_wise"


def split_sequence_wise(
    sequences: pl.DataFrame, participants: pl.DataFrame, settings: SplitSettings
) -> Split:
    """Deal out sequences class by class in an order drawn from the seed.

    Args:
        sequences: columns sequence_id, participant_id, label, session, sync_group.
        participants: what `split_fixed_test_nested` takes.
        settings: as for that.

    Raises:
        RefusalError: `fixed_test_nested`, whose counts are taken, is not possible.
    """
    honest = split_fixed_test_nested(sequences, participants, settings)
    tables = []
    for variant in settings.ratios:
        counts = _count(honest.table.filter(pl.col("variant") == variant))
        sides: dict[str, str] = {}
        for label in sorted(sequences["label"].unique()):
            ids = sequences.filter(pl.col("label") == label)["sequence_id"].sort().to_list()
            # One order for all variants: test and selection are the same, training sets nested.
            order = np.random.default_rng([settings.seed, *label.encode()]).permutation(len(ids))
            dealt = [
                side
                for side in (TEST, SELECTION, TRAIN, UNUSED)
                for _ in range(counts.get((label, side), 0))
            ]
            sides |= {ids[place]: side for place, side in zip(order, dealt, strict=True)}
        tables.append(lay_out(sequences, sides, variant, by="sequence_id"))
    table = pl.concat(tables).sort("variant", "sequence_id")
    return Split(
        table=table,
        disjointness="violated_by_design",
        requested=honest.requested,
        training=honest.training,
        notes=(
            f"leaky by design: {_count_shared(table)} participants are on more than one side; "
            "results say nothing about new people",
        ),
    )


def _count(rows: pl.DataFrame) -> dict[tuple[str, str], int]:
    return {(label, side): n for label, side, n in rows.group_by("label", "side").len().iter_rows()}


def _count_shared(table: pl.DataFrame) -> int:
    used = table.filter(pl.col("side") != UNUSED)
    sides = used.group_by("variant", "participant_id").agg(pl.col("side").n_unique())
    return sides.filter(pl.col("side") > 1)["participant_id"].n_unique()
