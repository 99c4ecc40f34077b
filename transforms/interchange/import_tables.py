"""An imported tree as the tables that intake and extraction leave of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.intake.probe import Fault
from transforms.intake.problems import Problem, problems_frame
from transforms.interchange.sequence_files import SIZE_PX, SequenceContent
from transforms.interchange.sequence_list import Listed
from transforms.interchange.tree import Candidate
from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    FRAMES,
    MASKS,
    PARTICIPANTS,
    PROBLEMS,
    RECORDINGS,
    SEQUENCES,
    TRACKS,
    conform,
)
from transforms.shards.codec import GREY
from transforms.shards.parquet import encode_shard, write_table

# Part of each sequence's lineage: a change of what is made of the same files needs another.
_IMPORT_VERSION: Final = 1

_Row = Mapping[str, Any]  # `Any`: one row of a table, columns of several types


@dataclass(frozen=True)
class Imported:
    """One candidate with what the list says of it and what its files hold.

    Attributes:
        candidate: where it lies and what its names say.
        listed: whose it is; the frame rate is never None.
        content: what was read; its fault counts where the candidate has none.
    """

    candidate: Candidate
    listed: Listed
    content: SequenceContent = field(default_factory=SequenceContent)

    @property
    def fault(self) -> Fault | None:
        """Why it does not become a sequence, if so."""
        return self.candidate.fault or self.content.fault

    @property
    def problems(self) -> list[Problem]:
        """What a person should look at: the fault, or what was done to what was taken."""
        return [
            Problem(
                file=self.candidate.place,
                row=None,
                column=None,
                value=fault.found,
                expected=fault.expected,
                code=fault.code,
                message=fault.message,
            )
            for fault in ((self.fault,) if self.fault else self.content.notes)
        ]

    def refused(self, fault: Fault) -> "Imported":
        """Return it with a fault, unless it has one already."""
        if self.fault:
            return self
        return replace(self, candidate=replace(self.candidate, fault=fault))


def write_import_tables(
    sequences: Sequence[Imported], problems: Sequence[Problem], batch_id: str, output: Path
) -> None:
    """Write `intake/` and `extraction/` below `output`.

    Args:
        sequences: all candidates, taken or not, sorted by sequence id.
        problems: what is wrong besides the candidates' own faults.
        batch_id: the name of the batch they make up.
        output: an empty folder.
    """
    taken = [one for one in sequences if one.fault is None]
    intake, extraction = output / "intake", output / "extraction"
    intake.mkdir()
    extraction.mkdir()
    everything = [*problems, *(problem for one in sequences for problem in one.problems)]
    recordings = [_describe_recording(one, batch_id) for one in sequences]
    write_table(_participants(taken), intake / "participants.parquet")
    write_table(_table(recordings, RECORDINGS), intake / "recordings.parquet")
    found = conform(problems_frame(everything), PROBLEMS, where="problems")
    write_table(found, intake / "problems.parquet")

    rows = pa.Table.from_pylist([_describe_sequence(one, batch_id) for one in taken], SEQUENCES)
    (extraction / "sequences.parquet").write_bytes(encode_shard(rows))
    extracted = [_describe_extracted(one) for one in taken]
    write_table(_table(extracted, EXTRACTED_RECORDINGS), extraction / "recordings.parquet")
    frames = pa.concat_tables([FRAMES.empty_table(), *map(_describe_frames, taken)])
    write_table(frames.combine_chunks(), extraction / "frames.parquet")
    for name, schema in (("tracks", TRACKS), ("masks", MASKS)):
        write_table(schema.empty_table(), extraction / f"{name}.parquet")


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    empty = dict.fromkeys(schema.names)
    return pa.Table.from_pylist([empty | row for row in rows], schema)


def _participants(taken: Sequence[Imported]) -> pa.Table:
    labels = {one.listed.participant_id: one.candidate.label for one in taken}
    rows = [
        {"participant_id": participant_id, "label": label}
        for participant_id, label in sorted(labels.items())
    ]
    return _table(rows, PARTICIPANTS)


def _describe_recording(one: Imported, batch_id: str) -> dict[str, Any]:
    fault = one.fault
    row = _identify(one, batch_id) | {
        "file": one.candidate.place,
        "verdict": "rejected" if fault else "accepted",
        "reason_code": fault.code if fault else None,
        "reason": fault.say() if fault else None,
    }
    if fault:
        return row
    count = len(one.content.drop_reasons)
    fps = _fps(one)
    return row | {
        "width_px": SIZE_PX,
        "height_px": SIZE_PX,
        "fps": fps,
        "frame_count": count,
        "duration_s": count / fps,
    }


def _identify(one: Imported, batch_id: str) -> dict[str, Any]:
    return {
        "recording_id": one.candidate.sequence_id,
        "batch_id": batch_id,
        "participant_id": one.listed.participant_id,
        "label": one.candidate.label,
        "view": one.candidate.view,
        "session": one.listed.session,
    }


def _describe_extracted(one: Imported) -> dict[str, Any]:
    kept = len(_kept(one))
    count = len(one.content.drop_reasons)
    return {
        "recording_id": one.candidate.sequence_id,
        "participant_id": one.listed.participant_id,
        "verdict": "accepted",
        "frame_count": count,
        "kept_frame_count": kept,
        "kept_fraction": kept / count,
        "extraction_key": _key(one),
    }


def _describe_sequence(one: Imported, batch_id: str) -> _Row:
    kept = _kept(one)
    return _identify(one, batch_id) | {
        "sequence_id": one.candidate.sequence_id,
        "sync_group": None,
        "fps": _fps(one),
        "frame_count": len(kept),
        "height_px": SIZE_PX,
        "width_px": SIZE_PX,
        "codec": GREY,
        "frame_index": kept.tolist(),
        "pts_s": (kept / _fps(one)).tolist(),
        "quality_score": None,
        "video_sha256": None,
        "extraction_key": _key(one),
        "silhouettes": one.content.encoded,
    }


def _describe_frames(one: Imported) -> pa.Table:
    reasons = one.content.drop_reasons
    is_kept = pl.Series([reason is None for reason in reasons])
    index = np.arange(len(reasons), dtype=np.int32)
    frames = pl.DataFrame(
        {
            "recording_id": [one.candidate.sequence_id] * len(reasons),
            "frame_index": index,
            "pts_s": index / _fps(one),
            "status": ["dropped" if reason else "kept" for reason in reasons],
            "reason": pl.Series(reasons, dtype=pl.String),
        }
    ).with_columns(sequence_index=pl.when(is_kept).then(is_kept.cum_sum().cast(pl.Int32) - 1))
    unknown = [name for name in FRAMES.names if name not in frames.columns]
    rows = frames.with_columns(pl.lit(None).alias(name) for name in unknown)
    return conform(rows, FRAMES, where="frames")


def _kept(one: Imported) -> np.ndarray[Any, np.dtype[np.int64]]:
    reasons = one.content.drop_reasons
    return np.flatnonzero(np.array([reason is None for reason in reasons], dtype=bool))


def _fps(one: Imported) -> float:
    if one.listed.fps is None:
        raise ValueError("the frame rate must be filled in before the tables are made")
    return one.listed.fps


def _key(one: Imported) -> str:
    return f"import_{_IMPORT_VERSION}_{one.content.source_sha256}"
