"""The contract of every table on disk, written once, for writers, readers, checks and tests."""

from typing import Final

import polars as pl
import pyarrow as pa

from transforms.errors import InputError
from transforms.labels import SCOLIOSIS, LabelScheme

_TEXT: Final = pa.string()


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=nullable) for name, kind, nullable in fields])


# One row per participant. Ids are pseudonyms; `label` is canonical (see transforms.labels).
PARTICIPANTS: Final = _schema(
    ("participant_id", _TEXT, False),
    ("label", _TEXT, False),
    ("sex", _TEXT, True),
    ("age_years", pa.float64(), True),
    ("height_cm", pa.float64(), True),
    ("weight_kg", pa.float64(), True),
    ("site", _TEXT, True),
)

# One row per recording of an intake batch, accepted or not.
RECORDINGS: Final = _schema(
    ("recording_id", _TEXT, False),
    ("batch_id", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("label", _TEXT, True),  # null where the participant's row was refused
    ("view", _TEXT, False),
    ("session", _TEXT, True),
    ("sync_group", _TEXT, True),
    ("start_offset_s", pa.float64(), True),  # frame 0 on the sync group's clock; null: not stated
    ("file", _TEXT, False),  # relative to the batch's videos/
    ("video_sha256", _TEXT, True),
    ("video_bytes", pa.int64(), True),
    ("codec", _TEXT, True),
    ("width_px", pa.int32(), True),  # as displayed: after the rotation
    ("height_px", pa.int32(), True),
    ("rotation_degrees", pa.int32(), True),  # anticlockwise turn of the stored frames: 0, 90, ...
    ("fps", pa.float64(), True),
    ("frame_count", pa.int32(), True),
    ("duration_s", pa.float64(), True),
    ("verdict", _TEXT, False),  # accepted | rejected
    ("reason_code", _TEXT, True),  # null where accepted
    ("reason", _TEXT, True),
)

# One row per thing wrong with the cohort's tables or videos.
PROBLEMS: Final = _schema(
    ("file", _TEXT, False),
    ("row", pa.int32(), True),  # line number in the CSV, header = 1
    ("column", _TEXT, True),
    ("value", _TEXT, True),
    ("expected", _TEXT, False),
    ("code", _TEXT, False),
    ("message", _TEXT, False),
    ("severity", _TEXT, False),  # error | warning (nothing is refused because of it)
)

# One row per recording that went into extraction.
EXTRACTED_RECORDINGS: Final = _schema(
    ("recording_id", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("verdict", _TEXT, False),  # accepted | quarantined | rejected | failed
    ("reason_code", _TEXT, True),
    ("reason", _TEXT, True),
    ("target_track_id", pa.int32(), True),
    ("tracks_id", _TEXT, True),  # names the recording's tracks, for a person's choice among them
    ("target_confidence", pa.float64(), True),
    ("target_why", _TEXT, True),
    ("frame_count", pa.int32(), False),
    ("kept_frame_count", pa.int32(), False),
    ("quality_score", pa.float64(), True),
    # What was measured of the sequence, see transforms.extract.quality.sequence_gates.
    ("kept_fraction", pa.float64(), True),
    ("mean_confidence", pa.float64(), True),
    ("completeness", pa.float64(), True),
    ("frame_drop_fraction", pa.float64(), True),
    ("flicker", pa.float64(), True),
    ("outline_jitter", pa.float64(), True),
    ("sharpness", pa.float64(), True),
    ("cadence_steps_per_min", pa.float64(), True),
    ("gait_cycles", pa.float64(), True),
    ("rhythm_confidence", pa.float64(), True),
    ("direction", _TEXT, True),  # as the camera sees it
    ("lateral_speed", pa.float64(), True),  # body heights per second
    ("depth_speed", pa.float64(), True),
    ("moving_fraction", pa.float64(), True),
    ("override", _TEXT, True),  # accept | reject: a person's decision, which wins
    ("override_name", _TEXT, True),
    ("override_reason", _TEXT, True),
    ("extraction_key", _TEXT, False),
)

# The frame ledger: one row per decoded frame of every recording.
FRAMES: Final = _schema(
    ("recording_id", _TEXT, False),
    ("frame_index", pa.int32(), False),
    ("pts_s", pa.float64(), False),
    ("x0", pa.float32(), True),  # the target's box in pixels; null where it was not seen
    ("y0", pa.float32(), True),
    ("x1", pa.float32(), True),
    ("y1", pa.float32(), True),
    ("score", pa.float32(), True),
    ("status", _TEXT, False),  # kept | dropped
    ("reason", _TEXT, True),  # null where kept
    ("mask_px", pa.int32(), True),
    ("confidence", pa.float32(), True),  # of the mask, 0..1
    ("sharpness", pa.float32(), True),  # of the picture inside the box
    ("sequence_index", pa.int32(), True),  # position in the sequence, null where dropped
)

# One row per track of every recording; the target's and the others'.
TRACKS: Final = _schema(
    ("recording_id", _TEXT, False),
    ("track_id", pa.int32(), False),
    ("first_frame", pa.int32(), False),
    ("last_frame", pa.int32(), False),
    ("frame_count", pa.int32(), False),
    ("mean_score", pa.float64(), False),
    ("mean_height_px", pa.float64(), False),
    ("travel_px", pa.float64(), False),
    ("target_score", pa.float64(), False),
    ("role", _TEXT, False),  # target | other
    ("sample_frames", pa.list_(pa.int32()), False),  # a few frames spread over the track ...
    ("sample_boxes", pa.list_(pa.list_(pa.float32())), False),  # ... and x0, y0, x1, y1 there
)

# The target's masks at video resolution, one row per recording, kept frames only.
MASKS: Final = _schema(
    ("recording_id", _TEXT, False),
    ("frame_index", pa.list_(pa.int32()), False),
    ("box", pa.list_(pa.list_(pa.int32())), False),  # x0, y0, x1, y1 per frame, half-open
    ("bits", pa.binary(), False),  # zstd of the row-major bit-packed crops, one after another
)

# One row per sequence, silhouettes included: what the Parquet shards hold.
SEQUENCES: Final = _schema(
    ("sequence_id", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("recording_id", _TEXT, False),
    ("batch_id", _TEXT, False),
    ("label", _TEXT, False),
    ("view", _TEXT, False),
    ("session", _TEXT, True),
    ("sync_group", _TEXT, True),
    ("fps", pa.float64(), False),
    ("frame_count", pa.int32(), False),
    ("height_px", pa.int32(), False),
    ("width_px", pa.int32(), False),
    ("codec", _TEXT, False),  # see transforms.shards.codec
    ("frame_index", pa.list_(pa.int32()), False),  # index in the video of each frame kept
    ("pts_s", pa.list_(pa.float64()), False),
    ("quality_score", pa.float64(), True),
    ("video_sha256", _TEXT, True),  # null for sequences that were never a video
    ("extraction_key", _TEXT, False),
    ("silhouettes", pa.binary(), False),
)

# The sequence index: the shards' rows without pixels, and where the pixels lie.
SEQUENCE_INDEX: Final = pa.schema(
    [field for field in SEQUENCES if field.name not in ("silhouettes", "frame_index", "pts_s")]
    + [
        pa.field("shard", _TEXT, nullable=False),
        pa.field("row", pa.int32(), nullable=False),
    ]
)

# One row per recording that did not become a sequence of the dataset.
REJECTS: Final = _schema(
    ("recording_id", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("batch_id", _TEXT, False),
    ("stage", _TEXT, False),  # intake | extraction | assembly
    ("reason_code", _TEXT, False),
    ("reason", _TEXT, False),
)

# One row per variant and sequence of the dataset.
SPLIT: Final = _schema(
    ("dataset_version", _TEXT, False),
    ("protocol", _TEXT, False),
    ("variant", _TEXT, False),
    ("sequence_id", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("label", _TEXT, False),
    ("side", _TEXT, False),  # train | selection | test | unused
)

# One row per pair of sequences that show one recording, as far as the pixels tell.
NEAR_DUPLICATES_NAME: Final = "near_duplicates.parquet"
NEAR_DUPLICATES: Final = _schema(
    ("first", _TEXT, False),
    ("second", _TEXT, False),  # first < second
    ("kind", _TEXT, False),  # identical | near
    ("is_mirrored", pa.bool_(), False),
    ("rate", pa.float64(), False),  # 2: the second shows it twice as fast
    ("overlap_frames", pa.int32(), False),  # of the one that has fewer there
    ("distance", pa.float64(), False),  # 0: the same; below 1: reported
)


def predictions_schema(scheme: LabelScheme, *, is_per_clip: bool = False) -> pa.Schema:
    """Return the contract of an experiment's predictions: one row per tested sequence, or clip.

    `label` and `predicted` are classes of the scheme.
    """
    clip = (("clip_id", _TEXT, False),) if is_per_clip else ()
    return _schema(
        *clip,
        ("sequence_id", _TEXT, False),
        ("participant_id", _TEXT, False),
        ("label", _TEXT, False),
        ("side", _TEXT, False),
        *((name, pa.float64(), False) for name in scheme.probability_columns),
        ("predicted", _TEXT, False),
    )


PREDICTIONS: Final = predictions_schema(SCOLIOSIS)

# One row per dual-view clip: the same moments of one walk from the front and from the side. Frames
# are positions in the two sequences, which are silhouettes of the dataset.
CLIPS: Final = _schema(
    ("clip_id", _TEXT, False),
    ("sync_group", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("label", _TEXT, False),
    ("batch_id", _TEXT, False),
    ("session", _TEXT, True),
    ("start_s", pa.float64(), False),  # since the front video's first frame
    ("duration_s", pa.float64(), False),
    ("front_sequence_id", _TEXT, False),
    ("side_sequence_id", _TEXT, False),
    ("front_frames", pa.list_(pa.int32()), False),
    ("side_frames", pa.list_(pa.int32()), False),
    ("front_frame_index", pa.list_(pa.int32()), False),  # the same frames' index in the video
    ("side_frame_index", pa.list_(pa.int32()), False),
    ("offset_s", pa.float64(), False),  # the side video's first frame on the front video's clock
    ("offset_source", _TEXT, False),  # declared | estimated
    ("offset_confidence", pa.float64(), True),  # of the estimate; null where there is none
)

# One row per sync group that has one sequence from the front and one from the side.
CLIP_PAIRS: Final = _schema(
    ("sync_group", _TEXT, False),
    ("participant_id", _TEXT, False),
    ("front_sequence_id", _TEXT, False),
    ("side_sequence_id", _TEXT, False),
    ("declared_offset_s", pa.float64(), True),
    ("estimated_offset_s", pa.float64(), True),
    ("offset_confidence", pa.float64(), True),
    ("offset_s", pa.float64(), True),  # null where quarantined
    ("offset_source", _TEXT, True),
    ("verdict", _TEXT, False),  # accepted | quarantined
    ("clip_count", pa.int32(), False),
)

# One row per sync group, or per clip of one, that is left out.
CLIP_REJECTS: Final = _schema(
    ("sync_group", _TEXT, False),
    ("clip_id", _TEXT, True),  # null where the whole group is left out
    ("stage", _TEXT, False),  # pairing | alignment | segments | pictures
    ("reason_code", _TEXT, False),
    ("reason", _TEXT, False),
)

# Restricted: one row per clip and view, with the person's pictures.
RGB_CLIPS: Final = _schema(
    ("clip_id", _TEXT, False),
    ("view", _TEXT, False),  # front | side
    ("frame_index", pa.list_(pa.int32()), False),
    ("size_px", pa.int32(), False),
    ("pictures", pa.list_(pa.binary()), False),  # one JPEG per frame
    ("checksum", _TEXT, False),  # xxh64 over the pictures, see transforms.dual_view.rgb_shards
)

# Restricted: where the pictures of each clip and view lie.
RGB_INDEX: Final = _schema(
    ("clip_id", _TEXT, False),
    ("view", _TEXT, False),
    ("shard", _TEXT, False),
    ("row", pa.int32(), False),
)


def conform(frame: pl.DataFrame, schema: pa.Schema, *, where: object) -> pa.Table:
    """Return `frame` as a table of exactly `schema`: same columns, order, types, nullability.

    Raises:
        InputError: a column is missing or superfluous, a value does not fit, or a null stands
            where none may.
    """
    if set(frame.columns) != set(schema.names):
        raise InputError(
            "columns differ from the contract",
            where=where,
            expected=", ".join(schema.names),
            found=", ".join(frame.columns),
        )
    try:
        table = frame.select(schema.names).to_arrow().cast(schema)
    except (pa.ArrowInvalid, ValueError) as error:
        raise InputError("a value does not fit the contract", where=where, found=error) from error
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise InputError(f"null in column {field.name}", where=where, expected="a value")
    return table
