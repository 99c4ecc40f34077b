"""Build the split of a dataset: `split.parquet` and the proof that it is what was asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import InputError
from transforms.files import canonical_json, write_bytes_atomic
from transforms.labels import SCOLIOSIS_LABELS
from transforms.manifest import directory_version
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX, SPLIT, conform
from transforms.settings import SplitSettings
from transforms.shards.parquet import encode_table, read_table
from transforms.splits.balance import tabulate_balance
from transforms.splits.nested import PROTOCOL, NestedSplit, split_fixed_test_nested

SPLIT_NAME: Final = "split.parquet"
PROOF_NAME: Final = "proof.json"
_SHOWN: Final = 5


def build_splits(dataset: Path, settings: SplitSettings, output: Path) -> dict[str, Any]:
    """Split the dataset in the directory `dataset` and write split and proof into `output`.

    Returns:
        Facts for the manifest: rows per file, the dataset version, protocol, seed, counts.

    Raises:
        IntegrityError: the dataset's tables are missing or damaged.
        InputError: participants and sequences contradict each other.
        RefusalError: the settings cannot be met on this dataset.
    """
    version = directory_version(dataset)
    index = pl.DataFrame(read_table(dataset / "index.parquet", SEQUENCE_INDEX))
    people = pl.DataFrame(read_table(dataset / "participants.parquet", PARTICIPANTS))
    participants = gather_participants(index, people)
    split = split_fixed_test_nested(
        index,
        participants,
        variants=settings.ratios,
        test_fraction=settings.test_fraction,
        selection_fraction=settings.selection_fraction,
        training_size=settings.training_size,
        seed=settings.seed,
    )
    table = split.table.with_columns(dataset_version=pl.lit(version), protocol=pl.lit(PROTOCOL))
    write_bytes_atomic(
        output / SPLIT_NAME, encode_table(conform(table, SPLIT, where=output / SPLIT_NAME))
    )
    proof = {
        "dataset_version": version,
        "protocol": PROTOCOL,
        "settings": settings.model_dump(mode="json"),
    } | _describe_proof(split, participants)
    write_bytes_atomic(output / PROOF_NAME, canonical_json(proof))
    return {
        "rows": {SPLIT_NAME: table.height},
        "dataset_version": version,
        "protocol": PROTOCOL,
        "seed": settings.seed,
        "training_size": split.plan.size,
        "variants": {
            name: variant["sequences"] for name, variant in sorted(proof["variants"].items())
        },
        "solver": {label: entry["status"] for label, entry in proof["held_out"].items()},
    }


def gather_participants(index: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Return one row per participant with sequences: what the solver counts and balances.

    Args:
        index: the sequence index (schema `SEQUENCE_INDEX`).
        people: the participants (schema `PARTICIPANTS`); those without a sequence are left out.

    Raises:
        InputError: a participant of the index is unknown, or a label is not that of the
            participant.
    """
    joined = index.join(people, on="participant_id", how="left", suffix="_of_participant")
    known = joined["label_of_participant"].is_not_null()
    _require_none(joined.filter(~known), "participant is not in the participants table")
    _require_none(
        joined.filter(pl.col("label") != pl.col("label_of_participant")),
        "label of the sequence is not that of its participant",
    )
    _require_none(
        joined.filter(~pl.col("label").is_in(SCOLIOSIS_LABELS)),
        f"label is none of {', '.join(SCOLIOSIS_LABELS)}",
    )
    return (
        joined.group_by("participant_id")
        .agg(
            pl.col("label", "sex", "age_years", "height_cm", "weight_kg").first(),
            pl.len().cast(pl.Int64).alias("sequence_count"),
        )
        .with_columns(
            is_female=pl.col("sex").replace_strict({"F": 1.0, "M": 0.0}, default=None),
        )
        .sort("participant_id")
    )


def _require_none(wrong: pl.DataFrame, what: str) -> None:
    if wrong.is_empty():
        return
    names = sorted(wrong["sequence_id"].to_list())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise InputError(
        what,
        where="index.parquet",
        found=f"{len(names)} sequence(s): {', '.join(names[:_SHOWN])}{more}",
        fix="build silhouette_shards again",
    )


def _describe_proof(split: NestedSplit, participants: pl.DataFrame) -> dict[str, Any]:
    """Return what the split was asked for and what it is, as plain JSON values."""
    proofs = split.assignment.proofs
    held_out = {
        label: {
            "requested": dict(proof.requested),
            "achieved": dict(proof.achieved),
            "deviation": proof.deviation,
            "imbalance": proof.imbalance,
            "imbalance_bound": proof.imbalance_bound,
            "status": proof.status,
        }
        for label, proof in proofs.items()
    }
    requested = {side: _per_label(proofs, side) for side in next(iter(proofs.values())).requested}
    variants = {}
    for variant, counts in split.plan.counts.items():
        rows = split.table.filter(pl.col("variant") == variant)
        variants[variant] = {
            "requested": {"train": dict(counts)} | requested,
            "sequences": _count(rows, pl.len()),
            "participants": _count(rows, pl.col("participant_id").n_unique()),
        }
    return {
        "held_out": held_out,
        "training": {
            "available": dict(split.available),
            "size": split.plan.size,
            "bounded_by": split.plan.bounding_variant,
        },
        "variants": variants,
        "balance": tabulate_balance(participants, split.assignment.sides),
    }


def _per_label(proofs: Mapping[str, Any], side: str) -> dict[str, int]:
    return {label: proof.requested[side] for label, proof in proofs.items()}


def _count(rows: pl.DataFrame, what: pl.Expr) -> dict[str, dict[str, int]]:
    """Return side -> label -> `what`, zeros left out."""
    found: dict[str, dict[str, int]] = {}
    grouped = rows.group_by("side", "label").agg(what.alias("count")).sort("side", "label")
    for side, label, count in grouped.iter_rows():
        found.setdefault(side, {})[label] = count
    return found
