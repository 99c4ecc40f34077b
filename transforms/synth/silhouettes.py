"""The fast mode: walkers straight to normalised silhouettes, without a video in between.

It emits what intake and extraction would have left for one batch, so that shards, splits and
training can run at the size of a published cohort within minutes.
"""

from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.progress import Progress
from transforms.shards.codec import GREY, encode_silhouettes
from transforms.synth.body import Outfit, build_capsules, trace_polygons
from transforms.synth.camera import Camera, place_front_camera, place_side_camera
from transforms.synth.draws import generator_for
from transforms.synth.outfit import draw_outfit
from transforms.synth.posture import FloatArray
from transforms.synth.sequence_plan import FPS, CohortShape, SequencePlan, plan_sequences
from transforms.synth.silhouette_tables import (
    COMPRESSION_LEVEL,
    SIZE_PX,
    extraction_tables,
    intake_tables,
    write_tables,
)
from transforms.synth.variation import draw_uneven_strides, draw_variation
from transforms.synth.walker import Path as WalkPath
from transforms.synth.walker import Variation, gait_phase, pose_walker
from transforms.worker_pool import map_in_processes

_CANVAS_SCALE: Final = 2  # drawn at twice the size, then averaged: grey edges
_CANVAS_WIDTH: Final = 96  # before the cut to 64, in final pixels; holds any stride
_SUBPIXEL_BITS: Final = 4


def write_silhouette_batch(
    shape: CohortShape, seed: int, output: Path, *, worker_count: int, progress: Progress
) -> None:
    """Write `output/intake` and `output/extraction`, the tables of one finished batch.

    Silhouettes are `(frame, 64, 64)` uint8, grey at the edges, as the normalisation of extracted
    masks gives them. The bytes follow from `shape` and `seed` alone. There are no videos, so boxes,
    masks and video hashes are empty.
    """
    plans = plan_sequences(shape, seed)
    progress.start("synthetic silhouettes", len(plans))
    encoded: list[bytes] = [b""] * len(plans)
    for position, data in map_in_processes(_render_and_encode, plans, worker_count=worker_count):
        encoded[position] = data
        progress.advance(1, plans[position].sequence_id)
    intake = intake_tables(plans, shape.batch_id, declares_offsets=shape.declares_offsets)
    write_tables(output / "intake", intake)
    write_tables(output / "extraction", extraction_tables(plans, encoded, shape.batch_id))


def _render_and_encode(plan: SequencePlan) -> bytes:
    return encode_silhouettes(render_sequence(plan), GREY, COMPRESSION_LEVEL)


def render_sequence(plan: SequencePlan) -> NDArray[np.uint8]:
    """Render one walk as one camera sees it: `(frame, 64, 64)` uint8 silhouettes."""
    identity = plan.identity
    walk = _draw_walk(plan)
    gait = identity.gait
    if plan.planted is not None:
        gait = plan.planted.apply(gait, identity.label, plan.view)
    joints = pose_walker(identity.physique, gait, walk.path, walk.times_s, walk.variation)
    last_s = float(walk.times_s[-1]) if plan.walk_s is None else plan.walk_s
    camera = _place_camera(plan.view, walk.path.speed_m_s * last_s)
    capsules = build_capsules(joints, identity.physique, walk.outfit)
    return normalise_polygons(trace_polygons(capsules, camera))


def find_true_phases(plan: SequencePlan) -> FloatArray:
    """Return where in the gait cycle the walker is in each frame of `render_sequence`, in [0, 1).

    0 is the left heel strike.
    """
    walk = _draw_walk(plan)
    return gait_phase(plan.identity.gait, walk.path, walk.times_s, walk.variation)


class _Walk(NamedTuple):
    times_s: FloatArray
    path: WalkPath
    outfit: Outfit
    variation: Variation


def _draw_walk(plan: SequencePlan) -> _Walk:
    identity = plan.identity
    rng = generator_for(plan.seed, "walk", identity.participant_id, plan.session)
    times_s = np.arange(plan.frame_count) / FPS + (plan.start_offset_s or 0.0)
    speed = identity.natural_speed_m_s * float(rng.uniform(0.95, 1.05))
    # To a front camera there is one way, and then to all that film the same walk.
    is_one_way = plan.walk_s is not None or plan.view == "front"
    path = WalkPath(
        x_start_m=0.0,
        y_m=0.0,
        direction=1 if is_one_way or rng.random() < 0.5 else -1,
        speed_m_s=speed,
        start_s=0.0,
        length_m=None,
        phase_start=float(rng.uniform()),
    )
    outfit = draw_outfit(rng, identity.sex, [(128, 128, 128)])
    return _Walk(times_s, path, outfit, _vary(plan, times_s))


def _vary(plan: SequencePlan, times_s: FloatArray) -> Variation:
    rng = generator_for(plan.seed, "strides", plan.identity.participant_id, plan.session)
    stride_hz = plan.identity.gait.stride_hz
    if plan.walk_s is None:
        return draw_variation(rng, stride_hz, times_s)
    return draw_uneven_strides(rng, stride_hz, plan.walk_s).at(times_s, stride_hz)


def _place_camera(view: str, way_m: float) -> Camera:
    if view == "front":
        return place_front_camera(
            x_far_m=0.0,
            x_near_m=way_m,
            far_px_per_m=30.0,
            near_px_per_m=100.0,
            height_m=1.0,
            floor_px=200.0,
            width_px=0,
        )
    # Seen from so far that the walk leaves no perspective: a camera that moves along.
    return place_side_camera(
        px_per_m=100.0, distance_m=200.0, height_m=1.0, floor_px=200.0, width_px=0
    )


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
