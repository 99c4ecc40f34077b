"""Look for leaks and broken promises in a split, without trusting who made it.

The audit sees the split table and the sequence index, nothing of the solver or its proof.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import polars as pl

from transforms.errors import SettingsError
from transforms.schemas import SPLIT
from transforms.splits.nested import PROTOCOL, SELECTION, TEST, TRAIN, UNUSED
from transforms.splits.ratios import class_counts, parse_ratio

_ACTIVE: Final = (TRAIN, SELECTION, TEST)
# What one person shares between sequences; no two sides of a variant may share it.
_SHARED: Final = {
    "participant_on_two_sides": ("participant_id",),
    "session_on_two_sides": ("participant_id", "session"),
    "sync_group_on_two_sides": ("participant_id", "sync_group"),
    "same_video_on_two_sides": ("video_sha256",),
}

_SHOWN: Final = 5


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a split.

    Attributes:
        code: a stable name of what is wrong.
        severity: `error` blocks a release, `warning` does not.
        records: the participants, sequences or variants concerned, sorted.
        message: one sentence for a person.
    """

    code: str
    severity: Literal["error", "warning"]
    records: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        shown = ", ".join(self.records[:_SHOWN])
        more = f" and {len(self.records) - _SHOWN} more" if len(self.records) > _SHOWN else ""
        return f"{self.code}: {self.message}" + (f" ({shown}{more})" if shown else "")


def audit_split(split: pl.DataFrame, index: pl.DataFrame) -> list[Finding]:
    """Return everything that is wrong with a split; nothing means clean.

    Args:
        split: the split (schema `SPLIT`).
        index: the sequence index of its dataset (schema `SEQUENCE_INDEX`).

    Returns:
        Findings in a fixed order: the rows themselves, leaks between sides, then what the
        protocol promises.
    """
    findings = list(_check_columns(split))
    if findings:
        return findings
    findings += _check_rows(split, index)
    findings += _check_leaks(split, index)
    if PROTOCOL in split["protocol"].unique():
        nested = split.filter(pl.col("protocol") == PROTOCOL)
        findings += _check_fixed_sides(nested)
        findings += _check_nestedness(nested)
        findings += _check_class_counts(nested)
    return findings


def _check_columns(split: pl.DataFrame) -> Iterator[Finding]:
    missing = sorted(set(SPLIT.names) - set(split.columns))
    if missing:
        yield _error("column_missing", missing, "the split lacks columns of its contract")
    elif split.is_empty():
        yield _error("no_rows", [], "the split assigns no sequence")


def _check_rows(split: pl.DataFrame, index: pl.DataFrame) -> Iterator[Finding]:
    versions = split["dataset_version"].unique().to_list()
    if len(versions) > 1:
        yield _error("mixed_dataset_versions", versions, "rows of several dataset versions")
    odd = split.filter(~pl.col("side").is_in([*_ACTIVE, UNUSED]) | pl.col("side").is_null())
    if not odd.is_empty():
        sides = ", ".join(sorted(str(side) for side in odd["side"].unique()))
        yield _error("unknown_side", odd["sequence_id"].to_list(), f"unknown side: {sides}")
    unknown = split.join(index, on="sequence_id", how="anti")
    if not unknown.is_empty():
        yield _error(
            "sequence_not_in_dataset",
            unknown["sequence_id"].to_list(),
            "the split assigns sequences that the dataset does not have",
        )
    for (variant,), rows in split.group_by("variant", maintain_order=True):
        twice = rows.filter(pl.col("sequence_id").is_duplicated())
        if not twice.is_empty():
            yield _error(
                "sequence_twice",
                twice["sequence_id"].to_list(),
                f"{variant} assigns a sequence more than once",
            )
        absent = index.join(rows, on="sequence_id", how="anti")
        if not absent.is_empty():
            yield _error(
                "sequence_missing",
                absent["sequence_id"].to_list(),
                f"{variant} says nothing of sequences of the dataset",
            )
    joined = split.join(index, on="sequence_id", suffix="_of_index")
    for column in ("label", "participant_id"):
        wrong = joined.filter(pl.col(column) != pl.col(f"{column}_of_index"))
        if not wrong.is_empty():
            yield _error(
                f"{column}_differs_from_dataset",
                wrong["sequence_id"].to_list(),
                f"the split's {column} is not the dataset's",
            )
    labels = index.group_by("participant_id").agg(pl.col("label").n_unique())
    many = labels.filter(pl.col("label") > 1)
    if not many.is_empty():
        yield _error(
            "participant_with_two_labels",
            many["participant_id"].to_list(),
            "sequences of one participant carry different labels",
        )


def _check_leaks(split: pl.DataFrame, index: pl.DataFrame) -> Iterator[Finding]:
    # The index says who is in a sequence: a split that renames participants must not hide a leak.
    scenes = index.select("sequence_id", "participant_id", "session", "sync_group", "video_sha256")
    sides = split.filter(pl.col("side") != UNUSED).select("variant", "sequence_id", "side")
    used = sides.join(scenes, on="sequence_id")
    for code, key in _SHARED.items():
        crossing = (
            used.drop_nulls(list(key))
            .group_by("variant", *key)
            .agg(pl.col("side").n_unique().alias("sides"))
            .filter(pl.col("sides") > 1)
        )
        if not crossing.is_empty():
            names = crossing.select(pl.concat_str(list(key), separator="/")).to_series().to_list()
            variants = ", ".join(sorted(crossing["variant"].unique()))
            yield _error(code, names, f"on more than one side of {variants}")


def _check_fixed_sides(split: pl.DataFrame) -> Iterator[Finding]:
    """Test and selection must be the same sequences in every variant, and test every class."""
    variants = sorted(split["variant"].unique())
    for side in (TEST, SELECTION):
        rows = split.filter(pl.col("side") == side)
        times = rows.unique(["variant", "sequence_id"]).group_by("sequence_id").len()
        partial = times.filter(pl.col("len") < len(variants))
        if not partial.is_empty():
            yield _error(
                f"{side}_differs_between_variants",
                partial["sequence_id"].to_list(),
                f"in the {side} set of some variants only",
            )
    tested = split.filter(pl.col("side") == TEST).select("variant", "label").unique()
    expected = split.select("variant", "label").unique()
    untested = expected.join(tested, on=["variant", "label"], how="anti")
    if not untested.is_empty():
        names = [f"{variant}/{label}" for variant, label in untested.iter_rows()]
        yield _error("class_not_tested", names, "a class has no sequence in the test set")


def _check_nestedness(split: pl.DataFrame) -> Iterator[Finding]:
    """Sorted by size, each class's training set must hold the one before it."""
    trained = split.filter(pl.col("side") == TRAIN)
    for (label,), rows in sorted(trained.group_by("label"), key=lambda group: str(group[0][0])):
        sets = sorted(
            (
                (set(part["sequence_id"]), str(variant))
                for (variant,), part in rows.group_by("variant")
            ),
            key=lambda entry: (len(entry[0]), entry[1]),
        )
        for (small, small_name), (large, large_name) in pairwise(sets):
            if outside := small - large:
                yield _error(
                    "training_not_nested",
                    outside,
                    f"{label} sequences of {small_name} are not in {large_name}",
                )


def _check_class_counts(split: pl.DataFrame) -> Iterator[Finding]:
    """Training sets must be equally large and divided as their names say."""
    trained = split.filter(pl.col("side") == TRAIN)
    sizes: dict[str, int] = {}
    for variant in sorted(split["variant"].unique()):
        try:
            weights = parse_ratio(variant)
        except SettingsError:
            yield _error("variant_not_a_ratio", [variant], "the name says no class ratio")
            continue
        counts = trained.filter(pl.col("variant") == variant).group_by("label").len()
        found = dict.fromkeys(weights, 0) | dict(counts.iter_rows())
        sizes[variant] = sum(found.values())
        expected = class_counts(weights, sizes[variant])
        if found != expected:
            yield _error(
                "class_counts_not_the_ratio",
                [variant],
                f"trains on {_say(found)}, the ratio at {sizes[variant]} is {_say(expected)}",
            )
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{variant} {size}" for variant, size in sizes.items())
        yield _error("training_size_differs", list(sizes), f"training sizes differ: {said}")


def _say(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))


def _error(code: str, records: Iterable[str], message: str) -> Finding:
    return Finding(code, "error", tuple(sorted(set(records))), message)
