"""What changed from one release to another, and which part of the version number has to move."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from transforms.progress import NoProgress, Progress
from transforms.release.diff_changes import (
    Change,
    Item,
    compare_presence,
    list_changed,
    list_common_columns,
    list_values,
)
from transforms.release.diff_pixels import compare_pixels
from transforms.release.diff_rule import Level, Verdict, highest, judge_version
from transforms.release.diff_sides import (
    FRAMES_NAME,
    INDEX_NAME,
    PEOPLE_NAME,
    RESULTS,
    SHARDS,
    Side,
    read_side,
)

_LINEAGE: Final = frozenset({"batch_id", "recording_id", "video_sha256", "extraction_key"})
# Where a sequence lies is nobody's concern; its shape is compared with its pixels.
_NOT_COMPARED: Final = frozenset(
    {"sequence_id", "label", "participant_id", "shard", "row", "codec"}
    | {"frame_count", "height_px", "width_px"}
)
_ABSENT: Final = "not there"


@dataclass(frozen=True)
class Difference:
    """All that changed between two releases.

    Attributes:
        older: the release compared with.
        newer: the release asked about.
        changes: ordered by part; empty if nothing differs.
        level: the highest of the changes'.
        verdict: whether `newer`'s version number honours it.
    """

    older: Side
    newer: Side
    changes: tuple[Change, ...]
    level: Level
    verdict: Verdict


def compare_releases(older: Path, newer: Path, *, progress: Progress | None = None) -> Difference:
    """Compare two releases.

    Args:
        older: the release that people have.
        newer: the release that is to follow it.
        progress: advanced per file that is hashed, then per sequence that is compared.

    Raises:
        InputError: one of them is no release.
        IntegrityError: one of them is damaged.
    """
    progress = progress or NoProgress()
    return compare_sides(read_side(older, progress), read_side(newer, progress), progress)


def compare_sides(a: Side, b: Side, progress: Progress) -> Difference:
    """Compare two releases that have been read; see `compare_releases`."""
    changes = [
        *_compare_participants(a, b),
        *_compare_sequences(a, b),
        *_compare_labels(a, b),
        *_compare_splits(a, b),
        *_compare_silhouettes(a, b, progress),
        *_compare_frames(a, b),
        *_compare_schemas(a, b),
        *_compare_metrics(a, b),
        *_compare_documents(a, b),
    ]
    found = tuple(change for change in changes if change.items)
    level = highest([change.level for change in found])
    return Difference(a, b, found, level, judge_version(a.version, b.version, level))


def _compare_participants(a: Side, b: Side) -> list[Change]:
    return [
        *compare_presence("participants", "participants", _people(a), _people(b)),
        *(
            Change("participants", "changed", name, Level.MINOR, list_changed(before, after))
            for name, before, after in list_common_columns(
                a.participants, b.participants, "participant_id", {"participant_id", "label"}
            )
        ),
    ]


def _compare_sequences(a: Side, b: Side) -> list[Change]:
    ids = [side.index["sequence_id"].to_list() for side in (a, b)]
    owners = [list_values(side.index, "sequence_id", "participant_id") for side in (a, b)]
    return [
        *compare_presence("sequences", "sequences", *ids),
        Change("sequences", "changed", "participant_id", Level.MAJOR, list_changed(*owners)),
        *(
            Change("sequences", "changed", name, _level_of(name), list_changed(before, after))
            for name, before, after in list_common_columns(
                a.index, b.index, "sequence_id", _NOT_COMPARED
            )
        ),
    ]


def _level_of(column: str) -> Level:
    return Level.PATCH if column in _LINEAGE else Level.MINOR


def _compare_labels(a: Side, b: Side) -> list[Change]:
    people = [list_values(side.participants, "participant_id", "label") for side in (a, b)]
    rows = [list_values(side.index, "sequence_id", "label") for side in (a, b)]
    return [
        Change("labels", "changed", "of participants", Level.MAJOR, list_changed(*people)),
        Change("labels", "changed", "of sequences", Level.MAJOR, list_changed(*rows)),
    ]


def _compare_splits(a: Side, b: Side) -> list[Change]:
    sides = [_sides_by_split(side.split) for side in (a, b)]
    common_ids = set(a.index["sequence_id"]) & set(b.index["sequence_id"])
    changes = compare_presence("splits", "splits", *sides)
    for name in sorted(sides[0].keys() & sides[1].keys()):
        before, after = (
            {row: found[name].get(row, _ABSENT) for row in common_ids} for found in sides
        )
        changes.append(
            Change("splits", "changed", f"side in {name}", Level.MAJOR, list_changed(before, after))
        )
    return changes


def _sides_by_split(split: pl.DataFrame) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, sequence_id, side in split.select("split", "sequence_id", "side").iter_rows():
        found.setdefault(name, {})[sequence_id] = side
    return found


def _compare_silhouettes(a: Side, b: Side, progress: Progress) -> list[Change]:
    common = set(a.index["sequence_id"]) & set(b.index["sequence_id"])
    result = compare_pixels(a, b, common, progress)
    changed = tuple(Item(name, *result.changed[name]) for name in sorted(result.changed))
    unknown = tuple(Item(name, None, result.unknown[name]) for name in sorted(result.unknown))
    return [
        Change("pixels", "changed", "silhouettes", Level.MAJOR, changed),
        Change("pixels", "changed", "silhouettes that can't be compared", Level.MAJOR, unknown),
    ]


def _compare_frames(a: Side, b: Side) -> list[Change]:
    """Compare the frame ledgers of recordings that both releases have, in their common columns."""
    if a.frames.is_empty() or b.frames.is_empty():
        return []
    columns = [name for name in a.frames.columns if name in b.frames.columns]
    left = a.frames.select(columns).join(b.frames, on="recording_id", how="semi")
    right = b.frames.select(columns).join(a.frames, on="recording_id", how="semi")
    differing = set[str]()
    for one, other in ((left, right), (right, left)):
        lost = one.join(other, on=columns, how="anti", nulls_equal=True)
        differing |= set(lost["recording_id"])
    items = tuple(map(Item, sorted(differing)))
    return [Change("frames", "changed", "ledger of recordings", Level.MINOR, items)]


def _compare_schemas(a: Side, b: Side) -> list[Change]:
    formats = list_changed({"format": a.format}, {"format": b.format})
    codecs = [
        {"codec": ", ".join(sorted(map(str, side.index["codec"].unique())))}
        for side in (a, b)
        if "codec" in side.index.columns
    ]
    changes = [
        Change("schema", "changed", "format of the release", Level.MAJOR, formats),
        *compare_presence("schema", "tables", a.tables, b.tables),
    ]
    if len(codecs) == 2:
        changes.append(
            Change(
                "schema", "changed", "packing of silhouettes", Level.MAJOR, list_changed(*codecs)
            )
        )
    for name in sorted(a.tables.keys() & b.tables.keys()):
        before, after = a.tables[name], b.tables[name]
        words = f"columns of {name}"
        changes += compare_presence("schema", words, before, after)
        changes.append(Change("schema", "changed", words, Level.MAJOR, list_changed(before, after)))
    return changes


def _compare_metrics(a: Side, b: Side) -> list[Change]:
    changes = [
        Change("metrics", change.kind, change.what, Level.PATCH, change.items)
        for change in compare_presence("metrics", "experiments", a.metrics, b.metrics)
    ]
    for name in sorted(a.metrics.keys() & b.metrics.keys()):
        items = list_changed(a.metrics[name], b.metrics[name])
        changes.append(Change("metrics", "changed", f"numbers of {name}", Level.PATCH, items))
    return changes


def _compare_documents(a: Side, b: Side) -> list[Change]:
    texts = [{n: d for n, d in side.hashes.items() if _is_document(n)} for side in (a, b)]
    licences = list_changed({"licence": a.licence}, {"licence": b.licence})
    items = tuple(map(Item, sorted(item.name for item in list_changed(*texts))))
    return [
        Change("licence", "changed", "licence", Level.MAJOR, licences),
        *(
            Change("documents", change.kind, change.what, Level.PATCH, change.items)
            for change in compare_presence("documents", "documents", *texts)
        ),
        Change("documents", "changed", "documents", Level.PATCH, items),
    ]


def _is_document(name: str) -> bool:
    is_table = name in (INDEX_NAME, FRAMES_NAME, PEOPLE_NAME) or name.endswith(".parquet")
    is_result = name.startswith(RESULTS) and name.endswith("/metrics.json")
    return not (is_table or is_result or name.startswith((SHARDS, "webdataset/")))


def _people(side: Side) -> list[str]:
    return side.participants["participant_id"].to_list()
