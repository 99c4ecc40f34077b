"""The fast mode: walkers straight to normalised silhouettes, without a video in between.

It emits what intake and extraction would have left for one batch, so that shards, splits and
training can run at the size of a published cohort within minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from transforms.errors import SettingsError
from transforms.progress import Progress
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
from transforms.shards.codec import GREY, encode_silhouettes
from transforms.synth.body import build_capsules, trace_polygons
from transforms.synth.camera import place_front_camera, place_side_camera
from transforms.synth.draws import draw_normal, generator_for
from transforms.synth.identity import Identity
from transforms.synth.outfit import draw_outfit
from transforms.synth.plan import plan_participants
from transforms.synth.variation import draw_variation
from transforms.synth.walker import Path as WalkPath
from transforms.synth.walker import pose_walker
from transforms.worker_pool import map_in_processes

SIZE_PX: Final = 64
_CANVAS_SCALE: Final = 2  # drawn at twice the size, then averaged: grey edges
_CANVAS_WIDTH: Final = 96  # before the cut to 64, in final pixels; holds any stride
_SUBPIXEL_BITS: Final = 4
_FPS: Final = 30
_MIN_FRAMES: Final = 30
SYNTHETIC_KEY: Final = "synthetic"
_COMPRESSION_LEVEL: Final = 3


@dataclass(frozen=True)
class CohortShape:
    """How many participants and sequences of each class, and how long the sequences are."""

    participants: Mapping[str, int]
    sequences: Mapping[str, int]
    frames_mean: float = 300.0
    frames_sd: float = 60.0
    view: Literal["front", "side"] = "front"
    batch_id: str = field(default="batch_001")

    def __post_init__(self) -> None:
        """Refuse shapes in which a participant would have no sequence."""
        for label, count in self.participants.items():
            if self.sequences.get(label, 0) < count:
                raise SettingsError(
                    "fewer sequences than participants",
                    where=f"sequences.{label}",
                    expected=f"at least {count}",
                    found=self.sequences.get(label, 0),
                )


# Table 1 of the Scoliosis1K paper: 1,050 participants, 1,493 sequences of about 300 frames.
SCOLIOSIS1K_SHAPE: Final = CohortShape(
    participants={"positive": 176, "neutral": 82, "negative": 792},
    sequences={"positive": 493, "neutral": 200, "negative": 800},
)


@dataclass(frozen=True)
class _SequencePlan:
    identity: Identity
    session: int
    frame_count: int
    view: str
    seed: int

    @property
    def sequence_id(self) -> str:
        return f"{self.identity.participant_id}_s{self.session}_{self.view}"


def write_silhouette_batch(
    shape: CohortShape, seed: int, output: Path, *, worker_count: int, progress: Progress
) -> None:
    """Write `output/intake` and `output/extraction`, the tables of one finished batch.

    Silhouettes are `(frame, 64, 64)` uint8, grey at the edges, as the normalisation of extracted
    masks gives them. The bytes follow from `shape` and `seed` alone. There are no videos, so boxes,
    masks and video hashes are empty.
    """
    plans = _plan_sequences(shape, seed)
    progress.start("synthetic silhouettes", len(plans))
    encoded: list[bytes] = [b""] * len(plans)
    for position, data in map_in_processes(_render_and_encode, plans, worker_count=worker_count):
        encoded[position] = data
        progress.advance(1, plans[position].sequence_id)
    _write_tables(output / "intake", _intake_tables(plans, shape.batch_id))
    _write_tables(output / "extraction", _extraction_tables(plans, encoded, shape.batch_id))


def _plan_sequences(shape: CohortShape, seed: int) -> list[_SequencePlan]:
    """Return the plan of every sequence, sorted by id; each participant has at least one."""
    participants = plan_participants(seed, dict(shape.participants))
    plans: list[_SequencePlan] = []
    for label in shape.participants:
        people = [person for person in participants if person.label == label]
        extra = generator_for(seed, "sessions", label).multinomial(
            shape.sequences[label] - len(people), np.full(len(people), 1 / len(people))
        )
        for person, more in zip(people, extra, strict=True):
            for session in range(1, int(more) + 2):
                rng = generator_for(seed, "length", person.participant_id, session)
                length = round(draw_normal(rng, shape.frames_mean, shape.frames_sd))
                frame_count = max(length, _MIN_FRAMES)
                plans.append(_SequencePlan(person, session, frame_count, shape.view, seed))
    return sorted(plans, key=lambda plan: plan.sequence_id)


def _render_and_encode(plan: _SequencePlan) -> bytes:
    return encode_silhouettes(_render_sequence(plan), GREY, _COMPRESSION_LEVEL)


def _render_sequence(plan: _SequencePlan) -> NDArray[np.uint8]:
    """Render one walk as `(frame, 64, 64)` uint8 silhouettes."""
    identity = plan.identity
    rng = generator_for(plan.seed, "walk", identity.participant_id, plan.session)
    times_s = np.arange(plan.frame_count) / _FPS
    speed = identity.natural_speed_m_s * float(rng.uniform(0.95, 1.05))
    path = WalkPath(
        x_start_m=0.0,
        y_m=0.0,
        direction=1 if plan.view == "front" or rng.random() < 0.5 else -1,
        speed_m_s=speed,
        start_s=0.0,
        length_m=None,
        phase_start=float(rng.uniform()),
    )
    outfit = draw_outfit(rng, identity.sex, [(128, 128, 128)])
    strides = generator_for(plan.seed, "strides", identity.participant_id, plan.session)
    variation = draw_variation(strides, identity.gait.stride_hz, times_s)
    joints = pose_walker(identity.physique, identity.gait, path, times_s, variation)
    if plan.view == "front":
        camera = place_front_camera(
            x_far_m=0.0,
            x_near_m=speed * float(times_s[-1]),
            far_px_per_m=30.0,
            near_px_per_m=100.0,
            height_m=1.0,
            floor_px=200.0,
            width_px=0,
        )
    else:
        # Seen from so far that the walk leaves no perspective: a camera that moves along.
        camera = place_side_camera(
            px_per_m=100.0, distance_m=200.0, height_m=1.0, floor_px=200.0, width_px=0
        )
    capsules = build_capsules(joints, identity.physique, outfit)
    return normalise_polygons(trace_polygons(capsules, camera))


def normalise_polygons(polygons: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw `(frame, part, point, 2)` outlines as centred `(frame, 64, 64)` uint8 silhouettes.

    Each figure fills the height; the horizontal median of its mass lies at column 32.
    """
    frame_count = len(polygons)
    height, width = SIZE_PX * _CANVAS_SCALE, _CANVAS_WIDTH * _CANVAS_SCALE
    low, high = polygons.min(axis=(1, 2)), polygons.max(axis=(1, 2))  # (frame, 2)
    scale = height / (high[:, 1] - low[:, 1])
    corner = np.stack([(low[:, 0] + high[:, 0]) / 2 - width / 2 / scale, low[:, 1]], axis=1)
    drawn = (polygons - corner[:, None, None]) * scale[:, None, None, None] - 0.5
    points = np.rint(drawn * 2**_SUBPIXEL_BITS).astype(np.int32)
    wide = np.empty((frame_count, SIZE_PX, _CANVAS_WIDTH), dtype=np.uint8)
    canvas = np.empty((height, width), dtype=np.uint8)
    for index in range(frame_count):
        canvas.fill(0)
        for polygon in points[index]:
            cv2.fillConvexPoly(canvas, polygon, 255, cv2.LINE_8, _SUBPIXEL_BITS)
        cv2.resize(canvas, (_CANVAS_WIDTH, SIZE_PX), dst=wide[index], interpolation=cv2.INTER_AREA)
    mass = wide.sum(axis=1, dtype=np.int64).cumsum(axis=1)  # (frame, column)
    centre = (mass <= mass[:, -1:] / 2).sum(axis=1)
    half = SIZE_PX // 2
    padded = np.pad(wide, ((0, 0), (0, 0), (half, half)))
    columns = centre[:, None] + np.arange(SIZE_PX)  # the padding takes the half width off
    return np.take_along_axis(padded, columns[:, None, :], axis=2)


def _write_tables(directory: Path, tables: dict[str, pa.Table]) -> None:
    directory.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(
            table,
            directory / f"{name}.parquet",
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            row_group_size=64 if name == "sequences" else 64 * 1024,
        )


def _intake_tables(plans: list[_SequencePlan], batch_id: str) -> dict[str, pa.Table]:
    people = {plan.identity.participant_id: plan.identity for plan in plans}
    participants = pl.DataFrame(
        [
            {name: getattr(person, name) for name in PARTICIPANTS.names}
            for _, person in sorted(people.items())
        ]
    )
    recordings = pl.DataFrame(
        [
            {
                **dict.fromkeys(RECORDINGS.names),
                "recording_id": plan.sequence_id,
                "batch_id": batch_id,
                "participant_id": plan.identity.participant_id,
                "label": plan.identity.label,
                "view": plan.view,
                "session": f"s{plan.session}",
                "file": f"{plan.sequence_id}.mp4",
                "fps": float(_FPS),
                "frame_count": plan.frame_count,
                "duration_s": plan.frame_count / _FPS,
                "verdict": "accepted",
            }
            for plan in plans
        ]
    )
    return {
        "participants": conform(participants, PARTICIPANTS, where="participants"),
        "recordings": conform(recordings, RECORDINGS, where="recordings"),
        "problems": PROBLEMS.empty_table(),
    }


def _extraction_tables(
    plans: list[_SequencePlan], encoded: list[bytes], batch_id: str
) -> dict[str, pa.Table]:
    recordings = pl.DataFrame(
        [
            {
                **dict.fromkeys(EXTRACTED_RECORDINGS.names),
                "recording_id": plan.sequence_id,
                "participant_id": plan.identity.participant_id,
                "verdict": "accepted",
                "target_track_id": 1,
                "target_confidence": 1.0,
                "frame_count": plan.frame_count,
                "kept_frame_count": plan.frame_count,
                "quality_score": 1.0,
                "extraction_key": SYNTHETIC_KEY,
            }
            for plan in plans
        ]
    )
    return {
        "recordings": conform(recordings, EXTRACTED_RECORDINGS, where="recordings"),
        "sequences": _sequence_table(plans, encoded, batch_id),
        "frames": _frame_table(plans),
        "tracks": TRACKS.empty_table(),
        "masks": MASKS.empty_table(),
    }


def _sequence_table(plans: list[_SequencePlan], encoded: list[bytes], batch_id: str) -> pa.Table:
    rows = [
        {
            "sequence_id": plan.sequence_id,
            "participant_id": plan.identity.participant_id,
            "recording_id": plan.sequence_id,
            "batch_id": batch_id,
            "label": plan.identity.label,
            "view": plan.view,
            "session": f"s{plan.session}",
            "sync_group": None,
            "fps": float(_FPS),
            "frame_count": plan.frame_count,
            "height_px": SIZE_PX,
            "width_px": SIZE_PX,
            "codec": GREY,
            "frame_index": list(range(plan.frame_count)),
            "pts_s": (np.arange(plan.frame_count) / _FPS).tolist(),
            "quality_score": 1.0,
            "video_sha256": None,
            "extraction_key": SYNTHETIC_KEY,
            "silhouettes": data,
        }
        for plan, data in zip(plans, encoded, strict=True)
    ]
    return conform(pl.DataFrame(rows), SEQUENCES, where="sequences")


def _frame_table(plans: list[_SequencePlan]) -> pa.Table:
    counts = np.array([plan.frame_count for plan in plans])
    index = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    frames = pl.DataFrame(
        {
            "recording_id": np.repeat([plan.sequence_id for plan in plans], counts),
            "frame_index": index,
            "pts_s": index / _FPS,
            "status": "kept",
            "sequence_index": index,
        }
    )
    unknown = [name for name in FRAMES.names if name not in frames.columns]
    return conform(
        frames.with_columns(pl.lit(None).alias(name) for name in unknown), FRAMES, where="frames"
    )
