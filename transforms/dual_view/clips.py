"""Write the dual-view clips of a dataset: which frames of which two sequences show one moment.

Pixels are not copied here: a clip names positions in two sequences of silhouettes. The pictures
that may be cut besides are the business of `transforms.dual_view.pictures`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.dual_view.aligned import AlignedPair, align_dataset
from transforms.dual_view.alignment import Alignment
from transforms.dual_view.files import CLIPS_NAME, PAIRS_NAME, REJECTS_NAME
from transforms.dual_view.pairing import FRONT, SIDE, Reject
from transforms.progress import Progress
from transforms.schemas import CLIP_PAIRS, CLIP_REJECTS, CLIPS, conform
from transforms.settings import ClipSettings
from transforms.shards.parquet import write_table

_ACCEPTED: Final = "accepted"
_QUARANTINED: Final = "quarantined"
Row = dict[str, Any]  # `Any`: one row of a table holds values of many types


@dataclass(frozen=True)
class Pictures:
    """What `transforms.dual_view.pictures` has written.

    Attributes:
        rows: rows per file.
        clip_count: how many clips have pictures.
        rejects: the pairs that have none, and why.
        unfinished: those of them that another try may give.
        facts: for the manifest, besides.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    clip_count: int = 0
    rejects: tuple[Reject, ...] = ()
    unfinished: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_clips(
    intake_dirs: Sequence[Path],
    dataset_dir: Path,
    settings: ClipSettings,
    output: Path,
    *,
    progress: Progress,
    cut_pictures: Callable[[Sequence[AlignedPair]], Pictures] | None = None,
) -> dict[str, Any]:
    """Write the tables of all clips into the directory `output`.

    Args:
        intake_dirs: one directory per batch, in any order.
        dataset_dir: the published dataset of these batches.
        settings: the section `clips`.
        output: a directory.
        progress: advanced once per pair.
        cut_pictures: writes the restricted pictures of the pairs; None: there are none.

    Returns:
        Facts for the manifest.

    Raises:
        IntegrityError: a table or a sequence is damaged.
    """
    aligned, rejects = align_dataset(intake_dirs, dataset_dir, settings, progress)
    for found in aligned:
        if isinstance(found.cut.alignment, Reject):
            rejects.append(found.cut.alignment)
        rejects += found.cut.rejects
    pictures = cut_pictures(aligned) if cut_pictures is not None else Pictures()
    rejects += pictures.rejects
    clips = [row for found in aligned for row in _clip_rows(found, settings)]
    pairs = [_pair_row(found) for found in aligned]
    refused = [
        {name: getattr(reject, name) for name in CLIP_REJECTS.names}
        for reject in sorted(rejects, key=lambda one: (one.sync_group, one.clip_id or ""))
    ]
    rows = dict(pictures.rows)
    for name, schema, values in (
        (CLIPS_NAME, CLIPS, clips),
        (PAIRS_NAME, CLIP_PAIRS, pairs),
        (REJECTS_NAME, CLIP_REJECTS, refused),
    ):
        frame = pl.DataFrame(values, schema=pl.DataFrame(schema.empty_table()).schema)
        table = conform(frame, schema, where=name)
        write_table(table, output / name)
        rows[name] = table.num_rows
    facts = {"rows": rows, "restricted": cut_pictures is not None}
    facts["groups_to_try_again"] = list(pictures.unfinished)
    return {**facts, **_count(clips, pairs, refused, pictures), **pictures.facts}


def _clip_rows(found: AlignedPair, settings: ClipSettings) -> Iterator[Row]:
    if not isinstance(found.cut.alignment, Alignment):
        return
    pair, frames = found.pair, found.frames
    for clip in found.cut.clips:
        yield {
            "clip_id": clip.clip_id,
            "sync_group": pair.sync_group,
            "participant_id": pair.participant_id,
            "label": pair.label,
            "batch_id": pair.batch_id,
            "session": pair.session,
            "start_s": round(clip.start_s, 6),
            "duration_s": settings.duration_s,
            "front_sequence_id": pair.front.sequence_id,
            "side_sequence_id": pair.side.sequence_id,
            "front_frames": clip.front.tolist(),
            "side_frames": clip.side.tolist(),
            "front_frame_index": frames[FRONT].frame_index[clip.front].tolist(),
            "side_frame_index": frames[SIDE].frame_index[clip.side].tolist(),
            "offset_s": round(found.cut.alignment.offset_s, 6),
            "offset_source": found.cut.alignment.source,
            "offset_confidence": _round(found.cut.alignment.confidence),
        }


def _pair_row(found: AlignedPair) -> Row:
    pair, estimate, chosen = found.pair, found.cut.estimate, found.cut.alignment
    alignment = chosen if isinstance(chosen, Alignment) else None
    return {
        "sync_group": pair.sync_group,
        "participant_id": pair.participant_id,
        "front_sequence_id": pair.front.sequence_id,
        "side_sequence_id": pair.side.sequence_id,
        "declared_offset_s": _round(pair.declared_offset_s),
        "estimated_offset_s": _round(estimate.offset_s if estimate else None),
        "offset_confidence": _round(estimate.confidence if estimate else None),
        "offset_s": _round(alignment.offset_s if alignment else None),
        "offset_source": alignment.source if alignment else None,
        "verdict": _ACCEPTED if alignment else _QUARANTINED,
        "clip_count": len(found.cut.clips),
    }


def _round(value: float | None) -> float | None:
    # The transforms behind an estimate differ in their last digits from one machine to another.
    return None if value is None else round(float(value), 6)


def _count(
    clips: list[Row], pairs: list[Row], refused: list[Row], pictures: Pictures
) -> dict[str, Any]:
    reasons: dict[tuple[str, str], int] = {}
    for row in refused:
        key = (row["stage"], row["reason_code"])
        reasons[key] = reasons.get(key, 0) + 1
    return {
        "counts": {
            "pairs": len(pairs),
            "accepted_pairs": sum(row["verdict"] == _ACCEPTED for row in pairs),
            "participants": len({row["participant_id"] for row in clips}),
            "clips": len(clips),
            "clips_with_pictures": pictures.clip_count,
        },
        "rejects": [
            {"stage": stage, "reason_code": code, "count": count}
            for (stage, code), count in sorted(reasons.items())
        ],
    }
