"""What `proof.json` says of a split: what was asked, what was reached, and how alike sides are."""

from typing import Any

import polars as pl

from transforms.splits.balance import tabulate_balance
from transforms.splits.split import UNUSED, Split


def describe_proof(split: Split, index: pl.DataFrame, participants: pl.DataFrame) -> dict[str, Any]:
    """Return everything that is known of a split as plain JSON values; `docs/splits.md` lists it.

    Args:
        split: the split.
        index: the sequence index of its dataset.
        participants: as `participants.gather_participants` returns them.
    """
    variants = split.table["variant"].unique().sort()
    seconds = index.select("sequence_id", seconds=pl.col("frame_count") / pl.col("fps"))
    rows = split.table.join(seconds, on="sequence_id")
    proof: dict[str, Any] = {
        "participant_disjointness": split.disjointness,
        "notes": list(split.notes),
        "problems": [problem.describe() for problem in split.problems],
        "variants": {
            variant: _describe_variant(split, variant, rows.filter(pl.col("variant") == variant))
            for variant in variants
        },
        "balance": [
            {"variant": variant} | row
            for variant in variants
            for row in tabulate_balance(
                participants, split.table.filter(pl.col("variant") == variant)
            )
        ],
    }
    if split.training is not None:
        proof["training"] = dict(split.training)
    return proof


def _describe_variant(split: Split, variant: str, rows: pl.DataFrame) -> dict[str, Any]:
    requested = split.requested.get(variant, {})
    return {
        "requested": {side: dict(labels) for side, labels in requested.items()},
        "sequences": _count(rows, pl.len()),
        "participants": _count(rows, pl.col("participant_id").n_unique()),
        "seconds": _count(rows, pl.col("seconds").sort().sum().round(0).cast(pl.Int64)),
        "shared_participants": _count_shared(rows),
    }


def _count(rows: pl.DataFrame, what: pl.Expr) -> dict[str, dict[str, int]]:
    """Return side -> label -> `what`, zeros left out."""
    found: dict[str, dict[str, int]] = {}
    grouped = rows.group_by("side", "label").agg(what.alias("count")).sort("side", "label")
    for side, label, count in grouped.iter_rows():
        found.setdefault(side, {})[label] = count
    return found


def _count_shared(rows: pl.DataFrame) -> int:
    used = rows.filter(pl.col("side") != UNUSED)
    sides = used.group_by("participant_id").agg(pl.col("side").n_unique())
    return sides.filter(pl.col("side") > 1).height
