"""Sync groups become pairs: one sequence from the front and one from the side, of one participant.

What makes no pair is a reject with its reason. Clocks and frames are not looked at here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

FRONT: Final = "front"
SIDE: Final = "side"
VIEWS: Final = (FRONT, SIDE)
"""In the order in which models and tables have them."""

_START: Final = "start_offset_s"
Row = Mapping[str, Any]  # `Any`: one row of a table holds values of many types


@dataclass(frozen=True)
class Member:
    """One view of a pair.

    Attributes:
        start_offset_s: when its video's first frame was taken, on the group's clock; None where
            nobody said.
    """

    sequence_id: str
    recording_id: str
    start_offset_s: float | None
    fps: float
    file: str
    video_sha256: str | None


@dataclass(frozen=True)
class Pair:
    """Two sequences of one walk, filmed by two cameras."""

    sync_group: str
    participant_id: str
    label: str
    batch_id: str
    session: str | None
    front: Member
    side: Member

    @property
    def declared_offset_s(self) -> float | None:
        """When the side video's first frame was taken, on the front video's clock."""
        if self.front.start_offset_s is None or self.side.start_offset_s is None:
            return None
        return self.side.start_offset_s - self.front.start_offset_s


@dataclass(frozen=True)
class Reject:
    """A sync group, or a clip of one, that is left out; see the schema `CLIP_REJECTS`."""

    sync_group: str
    stage: str
    reason_code: str
    reason: str
    clip_id: str | None = None


def pair_sequences(
    recordings: pl.DataFrame, index: pl.DataFrame, rejects: pl.DataFrame
) -> tuple[list[Pair], list[Reject]]:
    """Return the pairs and what became of all other sync groups, both sorted by the group.

    Views besides front and side do no harm, and are left out.

    Args:
        recordings: of all batches (schema `RECORDINGS`; `start_offset_s` may be absent).
        index: the dataset's sequences (schema `SEQUENCE_INDEX`).
        rejects: why recordings did not become sequences (schema `REJECTS`).
    """
    grouped = recordings.filter(pl.col("sync_group").is_not_null())
    if grouped.is_empty():
        return [], []
    sequences = {row["recording_id"]: row for row in index.iter_rows(named=True)}
    reasons = {row["recording_id"]: str(row["reason"]) for row in rejects.iter_rows(named=True)}
    pairs, refused = [], []
    for group, rows in sorted(
        (str(key[0]), rows.sort("recording_id").to_dicts())
        for key, rows in grouped.group_by("sync_group")
    ):
        found = _pair(group, rows, sequences, reasons)
        if isinstance(found, Pair):
            pairs.append(found)
        else:
            refused.append(found)
    return pairs, refused


def _pair(
    group: str, rows: Sequence[Row], sequences: Mapping[str, Row], reasons: Mapping[str, str]
) -> Pair | Reject:
    members = [row for row in rows if row["view"] in VIEWS]
    for column, code, what in (
        ("batch_id", "two_batches", "recordings of several batches"),
        ("participant_id", "different_participants", "recordings of several participants"),
    ):
        values = sorted({str(row[column]) for row in members})
        if len(values) > 1:
            return Reject(group, "pairing", code, f"{what}: {', '.join(values)}")
    chosen = {}
    for view in VIEWS:
        of_view = [row for row in members if row["view"] == view]
        extracted = [row for row in of_view if row["recording_id"] in sequences]
        if not of_view:
            return Reject(group, "pairing", "missing_view", f"no recording from the {view}")
        if len(extracted) > 1:
            names = ", ".join(row["recording_id"] for row in extracted)
            return Reject(group, "pairing", "two_of_a_view", f"several from the {view}: {names}")
        if not extracted:
            name = of_view[0]["recording_id"]
            reason = f"{name} is no sequence of the dataset: {reasons.get(name, 'no reason given')}"
            return Reject(group, "pairing", "not_extracted", reason)
        chosen[view] = extracted[0]
    sequence = sequences[chosen[FRONT]["recording_id"]]
    return Pair(
        sync_group=group,
        participant_id=sequence["participant_id"],
        label=sequence["label"],
        batch_id=sequence["batch_id"],
        session=sequence["session"],
        front=_member(chosen[FRONT], sequences),
        side=_member(chosen[SIDE], sequences),
    )


def _member(row: Row, sequences: Mapping[str, Row]) -> Member:
    sequence = sequences[row["recording_id"]]
    return Member(
        sequence_id=sequence["sequence_id"],
        recording_id=row["recording_id"],
        start_offset_s=row.get(_START),
        fps=sequence["fps"],
        file=row["file"],
        video_sha256=sequence["video_sha256"],
    )
