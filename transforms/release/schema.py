"""`schema.json`: every table of a release, column by column, for people and for machines."""

from typing import Any, Final

import pyarrow as pa

from transforms.dual_view.files import RELEASED_CLIPS_NAME
from transforms.labels import SCOLIOSIS, LabelScheme
from transforms.manifest import FORMAT
from transforms.release.label_words import find_label_words
from transforms.release.participants import PARTICIPANT_COLUMNS, RELEASED_PARTICIPANTS
from transforms.schemas import CLIPS, FRAMES, SEQUENCE_INDEX, SEQUENCES, SPLIT

CLIPS_TABLE: Final = "dual_view_clips"

DESCRIPTIONS: Final = {
    "sequence_id": "the sequence: one walk of one participant seen by one camera",
    "participant_id": "pseudonym of the participant",
    "recording_id": "the recording that the sequence was extracted from",
    "batch_id": "the intake batch that the recording came in",
    "view": "direction from which the camera saw the walk: front, side, ...",
    "session": "which of the participant's visits; null where not stated",
    "sync_group": "recordings of one group show the same walk from several cameras",
    "fps": "frames per second of the recording",
    "frame_count": "number of silhouettes in the sequence",
    "height_px": "height of a silhouette in pixels",
    "width_px": "width of a silhouette in pixels",
    "codec": "how `silhouettes` is encoded, see `codecs`",
    "frame_index": "position in the recording of each silhouette; gaps are dropped frames",
    "pts_s": "time of each silhouette since the start of the recording, in seconds",
    "quality_score": "0 (poor) to 1 (good), from the extraction's quality gates",
    "video_sha256": "sha256 of the video file; the video itself is not released",
    "extraction_key": "hash of video, code, weights and parameters that made the silhouettes",
    "silhouettes": "the silhouettes, [frame, height, width], encoded with `codec`",
    "shard": "the Parquet shard that holds the sequence",
    "row": "the sequence's row in that shard, counted from 0",
    "x0": "left edge of the participant's box in pixels of the recording; null if not seen",
    "y0": "upper edge of the box",
    "x1": "right edge of the box, exclusive",
    "y1": "lower edge of the box, exclusive",
    "score": "the detector's confidence in the box",
    "status": "kept or dropped",
    "reason": "why the frame was dropped; null where kept",
    "mask_px": "area of the participant's mask in pixels of the recording",
    "confidence": "how sure the segmenter is of the mask, 0 to 1",
    "sharpness": "sharpness of the picture inside the box; blurred below about 0.1",
    "sequence_index": "position of the frame in the sequence; null where dropped",
    "clip_id": "the clip: the same second of a walk seen from the front and from the side",
    "start_s": "where the clip begins, in seconds after the front recording's first frame",
    "duration_s": "length of the clip in seconds",
    "front_sequence_id": "the sequence that shows the walk from the front",
    "side_sequence_id": "the sequence that shows the walk from the side",
    "front_frames": "the clip's frames as positions in the front sequence, in order",
    "side_frames": "the frames of the side sequence at the same moments",
    "front_frame_index": "position in the front recording of each frame",
    "side_frame_index": "position in the side recording of each frame",
    "offset_s": "when the side recording began, in seconds after the front recording",
    "offset_source": "declared by those who filmed, or estimated from the motion",
    "offset_confidence": "of an estimate, 0 to 1",
    "dataset_version": "sha256 of the dataset's manifest that the split was made for",
    "protocol": "the rule by which participants were assigned",
    "variant": "the class ratio of the training set",
    "side": "train, selection, test or unused",
}
_FRAME_DESCRIPTIONS: Final = {
    "frame_index": "position of the frame in the recording",
    "pts_s": "time of the frame since the start of the recording, in seconds",
}
_CODECS: Final = {
    "bits-zstd/2": (
        "silhouettes of 0 and 255 as one zstd frame over bytes [row group, column, frame]: eight "
        "rows from the top are a group, and a byte holds the pixels of one column and frame in "
        "them, 1 for 255, most significant bit first; rows are padded with 0 to whole groups"
    ),
    "grey-zstd/2": (
        "silhouettes of 0 to 255 as one zstd frame over three parts: the plane of bits-zstd/2 with "
        "1 for 128 and more, a plane like it with 1 for 1 to 254, and the values of these pixels, "
        "one byte each, by row, then column, then frame"
    ),
}


def describe_tables(scheme: LabelScheme = SCOLIOSIS, *, with_clips: bool = False) -> dict[str, Any]:
    """Return the document: tables with files and columns, codecs, and what a tar sample holds.

    Args:
        scheme: of the labels.
        with_clips: whether there is a table of dual-view clips.
    """
    clips = _table(CLIPS_TABLE, RELEASED_CLIPS_NAME, "one row per dual-view clip", CLIPS, scheme)
    return {
        "format": FORMAT,
        "tables": [
            _table("sequences", "sequences/*.parquet", "one row per sequence", SEQUENCES, scheme),
            _table("index", "index.parquet", "where each sequence lies", SEQUENCE_INDEX, scheme),
            _table("frames", "frames.parquet", "one row per decoded frame", FRAMES, scheme),
            _table(
                "split", "splits/split.parquet", "one row per variant and sequence", SPLIT, scheme
            ),
            _table(
                "participants",
                "participants.parquet",
                "one row per participant; participants.tsv is the same, n/a where unknown",
                RELEASED_PARTICIPANTS,
                scheme,
            ),
            *([clips] if with_clips else []),
        ],
        "codecs": _CODECS,
        "webdataset": {
            "files": "webdataset/*.tar",
            "description": "the sequences of one Parquet shard each, in the same order",
            "members": {
                "json": (
                    "the row's other columns, by name; frame_index as runs [first, count]; pts_s "
                    "as a list, or as rate, start and step: frame n's time is "
                    "(start + step * n) / rate; xxh64 of the JSON without it"
                ),
                "silhouettes.zst": "the bytes of the column silhouettes",
            },
        },
    }


def describe_column(table: str, column: str, scheme: LabelScheme) -> str:
    """Return what a column of a table means where the labels are of a scheme."""
    if table == "participants":
        return PARTICIPANT_COLUMNS[column]
    if column == "label":
        return find_label_words(scheme).column
    return (DESCRIPTIONS | (_FRAME_DESCRIPTIONS if table == "frames" else {}))[column]


def _table(
    name: str, files: str, description: str, schema: pa.Schema, scheme: LabelScheme
) -> dict[str, Any]:
    return {
        "name": name,
        "files": files,
        "description": description,
        "columns": [
            {
                "name": field.name,
                "type": str(field.type).replace("list<element: ", "list<").replace(" not null", ""),
                "nullable": field.nullable,
                "description": describe_column(name, field.name, scheme),
            }
            for field in schema
        ],
    }
