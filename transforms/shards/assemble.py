"""Many batches become one dataset: merge participants, admit sequences, account for the rest.

Every recording of every batch ends either as one sequence or as one row of the rejects table.
Pixels are not touched here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from transforms.errors import InputError
from transforms.labels import find_scheme
from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    PARTICIPANTS,
    RECORDINGS,
    REJECTS,
    SEQUENCES,
)
from transforms.shards.parquet import read_table
from transforms.shards.webdataset import SEQUENCE_ID

_SEQUENCE_COLUMNS: Final = [
    "sequence_id",
    "participant_id",
    "recording_id",
    "batch_id",
    "label",
    "view",
]
_ACCEPTED: Final = "accepted"


@dataclass(frozen=True)
class Batch:
    """One batch's tables, without pixels and frames."""

    batch_id: str
    intake_dir: Path
    extraction_dir: Path
    participants: pl.DataFrame  # PARTICIPANTS
    recordings: pl.DataFrame  # RECORDINGS
    extracted: pl.DataFrame  # EXTRACTED_RECORDINGS
    sequences: pl.DataFrame  # the identifying columns of SEQUENCES


@dataclass(frozen=True)
class Assembly:
    """What the dataset will hold.

    Attributes:
        batches: in order of their ids.
        sequence_ids: the admitted sequences of each batch, sorted, in the order of `batches`.
        participants: those with at least one admitted sequence (schema `PARTICIPANTS`), sorted.
        absent_participant_count: how many accepted participants are left without a sequence.
        rejects: one row per recording without a sequence (schema `REJECTS`), sorted.
    """

    batches: tuple[Batch, ...]
    sequence_ids: tuple[tuple[str, ...], ...]
    participants: pl.DataFrame
    absent_participant_count: int
    rejects: pl.DataFrame


def assemble_batches(intake_dirs: Sequence[Path], extraction_dirs: Sequence[Path]) -> Assembly:
    """Merge batches under the rules that only show across them.

    A video (by content) that two batches hold is kept once, in the earlier batch, where both name
    the same participant; where they name different ones, no copy of it is kept. A null in a
    participant's row yields to a value another batch states.

    Args:
        intake_dirs: one directory per batch, in any order.
        extraction_dirs: the same batches' extractions, in the same order.

    Raises:
        InputError: batches contradict each other about a participant or are of different kinds of
            cohorts, ids repeat, or an extraction does not belong to its intake.
        IntegrityError: a table is damaged.
    """
    if not intake_dirs:
        raise InputError("no batch to make a dataset of", fix="take a batch in first")
    pairs = zip(intake_dirs, extraction_dirs, strict=True)
    batches = sorted((_read_batch(*pair) for pair in pairs), key=lambda batch: batch.batch_id)
    _refuse_repeats([(batch.batch_id, batch.intake_dir.as_posix()) for batch in batches], "batch")
    for table, column in (("recordings", "recording_id"), ("sequences", "sequence_id")):
        ids = [
            (value, batch.batch_id) for batch in batches for value in getattr(batch, table)[column]
        ]
        _refuse_repeats(ids, column.removesuffix("_id"))
    _require_one_scheme(batches)
    participants = _merge_participants(batches)
    for batch in batches:
        _check_batch(batch, participants)
    conflicts = _find_content_conflicts(batches)
    rejects = _list_rejects(batches, conflicts)
    refused = conflicts["recording_id"]
    kept = [
        batch.sequences.filter(~pl.col("recording_id").is_in(refused.implode()))
        for batch in batches
    ]
    present = pl.concat([rows["participant_id"] for rows in kept])
    admitted = participants.filter(pl.col("participant_id").is_in(present.implode()))
    return Assembly(
        batches=tuple(batches),
        sequence_ids=tuple(tuple(sorted(rows["sequence_id"])) for rows in kept),
        participants=admitted,
        absent_participant_count=participants.height - admitted.height,
        rejects=rejects,
    )


def _read_batch(intake_dir: Path, extraction_dir: Path) -> Batch:
    participants = _read(intake_dir / "participants.parquet", PARTICIPANTS)
    recordings = _read(intake_dir / "recordings.parquet", RECORDINGS)
    extracted = _read(extraction_dir / "recordings.parquet", EXTRACTED_RECORDINGS)
    sequences = _read(extraction_dir / "sequences.parquet", SEQUENCES, _SEQUENCE_COLUMNS)
    names = pl.concat([recordings["batch_id"], sequences["batch_id"]]).unique().sort().to_list()
    if len(names) > 1:
        raise InputError(
            "tables of different batches",
            where=f"{intake_dir}, {extraction_dir}",
            expected="one batch id",
            found=", ".join(names),
            fix="pass intake and extraction directories in the same order",
        )
    return Batch(
        batch_id=names[0] if names else intake_dir.name,
        intake_dir=intake_dir,
        extraction_dir=extraction_dir,
        participants=participants,
        recordings=recordings,
        extracted=extracted,
        sequences=sequences,
    )


def _read(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pl.DataFrame:
    return pl.DataFrame(read_table(path, schema, columns))


def _refuse_repeats(ids: list[tuple[str, str]], noun: str) -> None:
    seen: dict[str, str] = {}
    for value, place in ids:
        if value in seen:
            raise InputError(
                f"{noun} id appears twice",
                where=value,
                expected="ids that are unique over all batches",
                found=f"{seen[value]} and {place}",
                fix="rename one of them and take its batch in again",
            )
        seen[value] = place


def _require_one_scheme(batches: Sequence[Batch]) -> None:
    found = {
        batch.batch_id: find_scheme(batch.participants["label"], where=batch.intake_dir).name
        for batch in batches
        if not batch.participants.is_empty()
    }
    if len(set(found.values())) > 1:
        raise InputError(
            "batches of different kinds of cohorts",
            expected="diagnoses of one kind in all batches of a dataset",
            found=", ".join(f"{scheme} in {batch_id}" for batch_id, scheme in found.items()),
            fix="make a dataset of each kind, in a workspace of its own",
        )


def _merge_participants(batches: Sequence[Batch]) -> pl.DataFrame:
    merged: dict[str, dict[str, object]] = {}
    source: dict[tuple[str, str], str] = {}  # which batch stated a value
    conflicts = []
    for batch in batches:
        for row in batch.participants.iter_rows(named=True):
            participant_id = row["participant_id"]
            known = merged.setdefault(participant_id, dict.fromkeys(row))
            for column, value in row.items():
                if known[column] is None and value is not None:
                    known[column] = value
                    source[participant_id, column] = batch.batch_id
                elif value is not None and known[column] != value:
                    conflicts.append(
                        f"{participant_id}: {column} is {known[column]!r} in "
                        f"{source[participant_id, column]} and {value!r} in {batch.batch_id}"
                    )
    if conflicts:
        raise InputError(
            f"batches contradict each other about {len(conflicts)} value(s):\n  "
            + "\n  ".join(conflicts)
            + "\n",
            fix="make participants.csv of these batches agree and take them in again",
        )
    schema = pl.DataFrame(PARTICIPANTS.empty_table()).schema
    return pl.DataFrame(list(merged.values()), schema=schema).sort("participant_id")


def _check_batch(batch: Batch, participants: pl.DataFrame) -> None:
    """Hold a batch's extraction against its intake."""
    taken_in = _accepted(batch.recordings)
    extracted = set(batch.extracted["recording_id"])
    finished = _accepted(batch.extracted)
    sequences = Counter(batch.sequences["recording_id"])
    for wrong, what in (
        (taken_in ^ extracted, "extraction covers other recordings than intake accepted"),
        (finished ^ set(sequences), "accepted recordings and sequences differ"),
        ({name for name, count in sequences.items() if count > 1}, "recording has two sequences"),
        (
            {name for name in batch.sequences["sequence_id"] if not SEQUENCE_ID.fullmatch(name)},
            "sequence id must be letters, digits, - and _ (at most 80)",
        ),
    ):
        if wrong:
            raise InputError(
                what,
                where=batch.batch_id,
                found=", ".join(sorted(wrong)[:5]),
                fix=f"run the extraction of {batch.batch_id} again",
            )
    labels = dict(participants.select("participant_id", "label").iter_rows())
    claims = _claims(batch.recordings)
    for row in batch.sequences.iter_rows(named=True):
        participant_id = row["participant_id"]
        found = (participant_id, row["label"])
        expected = (claims[row["recording_id"]], labels.get(participant_id))
        if found != expected:
            raise InputError(
                "sequence and intake name another participant or label",
                where=f"{batch.batch_id}, sequence {row['sequence_id']}",
                expected=expected,
                found=found,
                fix=f"run the extraction of {batch.batch_id} again",
            )


def _accepted(table: pl.DataFrame) -> set[str]:
    return set(table.filter(pl.col("verdict") == _ACCEPTED)["recording_id"])


def _claims(recordings: pl.DataFrame) -> dict[str, str]:
    return dict(recordings.select("recording_id", "participant_id").iter_rows())


def _find_content_conflicts(batches: Sequence[Batch]) -> pl.DataFrame:
    """Return recording_id, reason_code, reason of sequences refused for what other batches hold.

    Every claim counts, also that of a recording that failed otherwise: a video that two people are
    said to be in proves one of the claims wrong.
    """
    holders: dict[str, list[tuple[str, str, str]]] = {}
    for batch in batches:
        rows = batch.recordings.filter(pl.col("video_sha256").is_not_null()).sort("recording_id")
        for digest, recording_id, participant_id in rows.select(
            "video_sha256", "recording_id", "participant_id"
        ).iter_rows():
            holders.setdefault(digest, []).append((batch.batch_id, recording_id, participant_id))
    with_sequence = {name for batch in batches for name in batch.sequences["recording_id"]}
    refused = []
    for claims in holders.values():
        if len({batch_id for batch_id, _, _ in claims}) < 2:
            continue  # within one batch, intake has judged
        people = sorted({participant_id for _, _, participant_id in claims})
        candidates = [claim for claim in claims if claim[1] in with_sequence]
        if len(people) > 1:
            code, losers = "conflicting_participants", candidates
            reason = f"the same video is filed under participants {', '.join(people)}"
        else:
            code, losers = "duplicate_video", candidates[1:]
            first = candidates[0] if candidates else claims[0]
            reason = f"the same video as recording {first[1]} of {first[0]}"
        refused += [(recording_id, code, reason) for _, recording_id, _ in losers]
    columns = dict.fromkeys(("recording_id", "reason_code", "reason"), pl.String)
    return pl.DataFrame(refused, schema=columns, orient="row")


def _list_rejects(batches: Sequence[Batch], conflicts: pl.DataFrame) -> pl.DataFrame:
    parts = [pl.DataFrame(REJECTS.empty_table())]
    for batch in batches:
        known = batch.recordings.select("recording_id", "participant_id", "batch_id")
        judged = (
            (batch.recordings.filter(pl.col("verdict") != _ACCEPTED), "intake"),
            (batch.extracted.filter(pl.col("verdict") != _ACCEPTED), "extraction"),
            (conflicts, "assembly"),
        )
        for table, stage in judged:
            reasons = table.select(
                "recording_id",
                stage=pl.lit(stage),
                reason_code="reason_code",
                reason=pl.coalesce("reason", "reason_code"),
            )
            parts.append(known.join(reasons, on="recording_id").select(REJECTS.names))
    return pl.concat(parts).sort("batch_id", "recording_id")
