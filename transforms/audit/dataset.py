"""Audit what a split stands on: the sequence index and the participants, before any side.

No sides are looked at here, so these checks also serve a dataset that has not been split.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

from transforms.audit.findings import Check, Finding, error, warning
from transforms.splits.imported import find_unidentified_batches

GROUP: Final = "dataset"
# Where the file of a sequence that was never a video is known, this column names it.
SOURCE: Final = "source_key"


def check_dataset(index: pl.DataFrame, participants: pl.DataFrame | None) -> Iterator[Check]:
    """Yield the checks of index (schema `SEQUENCE_INDEX`) and participants.

    Args:
        index: the sequence index.
        participants: columns participant_id and label; None where they are not at hand.
    """
    twice = index.filter(pl.col("sequence_id").is_duplicated())
    yield Check(
        GROUP,
        "every sequence is listed once",
        index.height,
        "sequences",
        _found("sequence_listed_twice", twice["sequence_id"], "the index lists a sequence twice"),
    )
    people = index.group_by("participant_id").agg(pl.col("label").n_unique().alias("labels"))
    yield Check(
        GROUP,
        "all sequences of a participant have one label",
        people.height,
        "participants",
        _found(
            "participant_with_two_labels",
            people.filter(pl.col("labels") > 1)["participant_id"],
            "sequences of one participant carry different labels",
        ),
    )
    yield _check_participants(index, participants)
    yield _check_identities(index)
    yield _check_sources(index)


def name_sources(index: pl.DataFrame) -> pl.Expr:
    """Return the column `SOURCE`: the extraction key of sequences that were never a video.

    A key that all sequences of a batch share names how the batch was made, not the file that a
    sequence came from, and is left out.
    """
    keys = index.group_by("batch_id").agg(pl.col("extraction_key").n_unique().alias("keys"))
    several = keys.filter(pl.col("keys") > 1)["batch_id"]
    names_file = pl.col("video_sha256").is_null() & pl.col("batch_id").is_in(several.implode())
    return pl.when(names_file).then("extraction_key").alias(SOURCE)


def _check_participants(index: pl.DataFrame, participants: pl.DataFrame | None) -> Check:
    claim, unit = "labels are those of the participants table", "participants"
    if participants is None:
        return Check(GROUP, claim, None, unit, reason="no participants table was given")
    missing = sorted({"participant_id", "label"} - set(participants.columns))
    if missing:
        text = "the participants table lacks columns of its contract"
        return Check(GROUP, claim, 0, unit, (error("participants_column_missing", missing, text),))
    twice = participants.filter(pl.col("participant_id").is_duplicated())
    known = participants.select("participant_id", "label").unique("participant_id", keep="first")
    pairs = index.select("participant_id", "label").unique()
    joined = pairs.join(known, on="participant_id", how="left", suffix="_of_table", coalesce=True)
    strangers = index.join(known, on="participant_id", how="anti")
    differs = joined.filter(pl.col("label") != pl.col("label_of_table"))
    findings = (
        *_found(
            "participant_listed_twice",
            twice["participant_id"],
            "the participants table lists a participant more than once",
        ),
        *_found(
            "participant_not_in_table",
            strangers["participant_id"],
            "the participants table does not have these participants of the index",
        ),
        *_found(
            "label_differs_from_participants_table",
            differs["participant_id"],
            "the index gives sequences another label than the participants table",
        ),
    )
    return Check(GROUP, claim, known.height, unit, findings)


def _check_identities(index: pl.DataFrame) -> Check:
    """Participants whose ids are those of their sequences may be one person several times."""
    nameless = find_unidentified_batches(index)
    findings: tuple[Finding, ...] = ()
    if nameless:
        people = index.filter(pl.col("batch_id").is_in(nameless))["participant_id"].n_unique()
        text = (
            f"{people} participants were taken in without a list of people: their ids are those of "
            "their sequences, and nobody can show that a person is on one side only"
        )
        findings = (warning("participants_unverifiable", nameless, text),)
    claim = "ids tell participants from sequences"
    return Check(GROUP, claim, index["participant_id"].n_unique(), "participants", findings)


def _check_sources(index: pl.DataFrame) -> Check:
    """One file belongs to one participant: else one of the two is somebody else."""
    sources = index.select(
        "participant_id", "label", pl.coalesce("video_sha256", name_sources(index)).alias("source")
    ).drop_nulls("source")
    files = sources.group_by("source").agg(
        pl.col("participant_id").n_unique().alias("people"),
        pl.col("label").n_unique().alias("labels"),
    )
    findings: list[Finding] = []
    shared = files.filter((pl.col("people") > 1) & (pl.col("labels") == 1))
    if not shared.is_empty():
        text = "sequences of different participants were made from one file"
        findings.append(warning("source_of_two_participants", shared["source"].to_list(), text))
    findings += _found(
        "source_with_two_labels",
        files.filter(pl.col("labels") > 1)["source"],
        "sequences with different labels were made from one file",
    )
    claim = "every source file belongs to one participant"
    return Check(GROUP, claim, files.height, "source files", tuple(findings))


def _found(code: str, records: pl.Series, message: str) -> tuple[Finding, ...]:
    return () if records.is_empty() else (error(code, records.to_list(), message),)
