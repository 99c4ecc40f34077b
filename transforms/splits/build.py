"""Build the split of a dataset: `split.parquet` and the proof that it is what was asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import InputError
from transforms.files import canonical_json, write_bytes_atomic
from transforms.labels import find_scheme
from transforms.manifest import directory_version
from transforms.schemas import PARTICIPANTS, REJECTS, SEQUENCE_INDEX, SPLIT, conform
from transforms.settings import SplitSettings
from transforms.shards.parquet import encode_table, read_table
from transforms.splits.imported import import_split
from transforms.splits.participants import gather_participants
from transforms.splits.proof import describe_proof
from transforms.splits.protocols import PROTOCOLS
from transforms.splits.solving.solver import status_of
from transforms.splits.split import Split

SPLIT_NAME: Final = "split.parquet"
PROOF_NAME: Final = "proof.json"
REJECTS_NAME: Final = "rejects.parquet"


def build_splits(
    dataset: Path, settings: SplitSettings, output: Path, *, partitions: Path | None = None
) -> dict[str, Any]:
    """Split the dataset in the directory `dataset` and write split and proof into `output`.

    Args:
        dataset: published shards; only their tables are read.
        settings: the protocol and what it is asked for.
        output: an existing directory.
        partitions: where the files of the protocol `imported` lie.

    Returns:
        Facts for the manifest: rows per file, the dataset version, protocol, seed, counts.

    Raises:
        IntegrityError: the dataset's tables are missing or damaged.
        InputError: participants and sequences contradict each other, or an imported split is not
            one of this dataset.
        RefusalError: the settings cannot be met on this dataset.
    """
    version = directory_version(dataset)
    index = pl.DataFrame(read_table(dataset / "index.parquet", SEQUENCE_INDEX))
    people = pl.DataFrame(read_table(dataset / "participants.parquet", PARTICIPANTS))
    participants = gather_participants(index, people)
    split = _make_split(dataset, index, participants, settings, partitions)
    table = split.table.with_columns(
        dataset_version=pl.lit(version), protocol=pl.lit(settings.protocol)
    )
    write_bytes_atomic(
        output / SPLIT_NAME, encode_table(conform(table, SPLIT, where=output / SPLIT_NAME))
    )
    proof = {
        "dataset_version": version,
        "protocol": settings.protocol,
        "settings": settings.model_dump(mode="json"),
    } | describe_proof(split, index, participants)
    write_bytes_atomic(output / PROOF_NAME, canonical_json(proof))
    return {
        "rows": {SPLIT_NAME: table.height},
        "dataset_version": version,
        "protocol": settings.protocol,
        "seed": settings.seed,
        "participant_disjointness": split.disjointness,
        "variants": {
            name: variant["sequences"] for name, variant in sorted(proof["variants"].items())
        },
        "solver": _summarise(split),
    }


def _make_split(
    dataset: Path,
    index: pl.DataFrame,
    participants: pl.DataFrame,
    settings: SplitSettings,
    partitions: Path | None,
) -> Split:
    if settings.protocol == "imported":
        if partitions is None or settings.partition is None:
            raise InputError(
                "no split to import",
                where="splits.partition",
                expected="a JSON file below partitions/",
                found=settings.partition,
            )
        rejects = dataset / REJECTS_NAME
        return import_split(
            partitions / settings.partition,
            index,
            participants,
            rejects=pl.DataFrame(read_table(rejects, REJECTS)) if rejects.exists() else None,
            naming=settings.partition_naming,
            participants_known=settings.participants_known,
        )
    _require_diagnoses(index)
    return PROTOCOLS[settings.protocol](index, participants, settings)


def _require_diagnoses(index: pl.DataFrame) -> None:
    found = set(index["label"].unique())
    if not found:
        return
    scheme = find_scheme(found, where="index.parquet")
    if unknown := sorted(found - set(scheme.diagnoses)):
        raise InputError(
            f"label is none of {', '.join(scheme.diagnoses)}",
            where="index.parquet",
            found=", ".join(unknown),
            fix="build silhouette_shards again",
        )


def _summarise(split: Split) -> Mapping[str, int]:
    """Return how many of the problems are solved to proof."""
    statuses = [status_of(problem.goals) for problem in split.problems]
    return {name: statuses.count(name) for name in sorted(set(statuses))}
