"""Audit the rows of a split table: complete, unambiguous, and in agreement with the dataset."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from transforms.audit.findings import Check, Finding, error, name_some
from transforms.schemas import SPLIT
from transforms.splits.split import SELECTION, TEST, TRAIN, UNUSED

GROUP: Final = "rows"
_SIDES: Final = (TRAIN, SELECTION, TEST, UNUSED)


def check_columns(split: pl.DataFrame) -> Check:
    """Return whether there is anything to audit; the other checks need what this one finds."""
    findings: list[Finding] = []
    missing = sorted(set(SPLIT.names) - set(split.columns))
    if missing:
        text = "the split lacks columns of its contract"
        findings.append(error("column_missing", missing, text))
    elif split.is_empty():
        findings.append(error("no_rows", [], "the split assigns no sequence"))
    claim = "the split has the columns of its contract"
    return Check(GROUP, claim, split.height, "rows", tuple(findings))


def check_rows(split: pl.DataFrame, index: pl.DataFrame) -> Iterator[Check]:
    """Yield the checks of a split's rows against an index with unique sequences."""
    rows = split.height
    claim = "one dataset version and one protocol"
    yield Check(GROUP, claim, rows, "rows", tuple(_find_mixtures(split)))
    yield Check(GROUP, "every side is known", rows, "rows", tuple(_find_odd_sides(split)))
    variants = split["variant"].n_unique()
    claim = "every variant assigns every sequence once"
    yield Check(GROUP, claim, variants, "variants", tuple(_find_gaps(split, index)))
    claim = "label and participant of every row are the dataset's"
    yield Check(GROUP, claim, rows, "rows", tuple(_find_differences(split, index)))


def _find_mixtures(split: pl.DataFrame) -> Iterator[Finding]:
    versions = split["dataset_version"].unique().to_list()
    if len(versions) > 1:
        yield error("mixed_dataset_versions", versions, "rows of several dataset versions")
    protocols = split["protocol"].unique().to_list()
    if len(protocols) > 1:
        yield error("mixed_protocols", protocols, "rows of several protocols")


def _find_odd_sides(split: pl.DataFrame) -> Iterator[Finding]:
    odd = split.filter(~pl.col("side").is_in(_SIDES) | pl.col("side").is_null())
    if not odd.is_empty():
        sides = name_some(sorted(str(side) for side in odd["side"].unique()))
        yield error("unknown_side", odd["sequence_id"].to_list(), f"unknown side: {sides}")


def _find_gaps(split: pl.DataFrame, index: pl.DataFrame) -> Iterator[Finding]:
    unknown = split.join(index, on="sequence_id", how="anti")
    if not unknown.is_empty():
        yield error(
            "sequence_not_in_dataset",
            unknown["sequence_id"].to_list(),
            "the split assigns sequences that the dataset does not have",
        )
    places = split.group_by("variant", "sequence_id").len()
    twice = places.filter(pl.col("len") > 1)
    if not twice.is_empty():
        variants = name_some(sorted(twice["variant"].unique()))
        text = f"{variants}: a sequence is assigned more than once"
        yield error("sequence_twice", twice["sequence_id"].to_list(), text)
    # One finding for all variants: a row for each gap of each would not stay linear.
    known = places.join(index, on="sequence_id", how="semi")
    covered = known.group_by("variant").len()
    all_variants = split["variant"].unique()
    whole = covered.filter(pl.col("len") == index.height)["variant"]
    short = sorted(set(all_variants) - set(whole))
    if short:
        times = known.group_by("sequence_id").len()
        everywhere = times.filter(pl.col("len") == len(all_variants))
        absent = index.join(everywhere, on="sequence_id", how="anti")["sequence_id"].to_list()
        text = f"{name_some(short)}: nothing is said of sequences of the dataset"
        yield error("sequence_missing", absent, text)


def _find_differences(split: pl.DataFrame, index: pl.DataFrame) -> Iterator[Finding]:
    of_index = index.select("sequence_id", "label", "participant_id")
    joined = split.join(of_index, on="sequence_id", suffix="_of_index")
    for column in ("label", "participant_id"):
        wrong = joined.filter(pl.col(column).ne_missing(pl.col(f"{column}_of_index")))
        if not wrong.is_empty():
            yield error(
                f"{column}_differs_from_dataset",
                wrong["sequence_id"].to_list(),
                f"the split's {column} is not the dataset's",
            )
