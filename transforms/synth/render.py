"""From a recording's plan to pixels: frames for the encoder, and the truth about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.synth.body import (
    FAR_SHADE,
    LIT_SHADE,
    RIM_SHADE,
    Capsules,
    Outline,
    build_capsules,
    trace_outline,
)
from transforms.synth.plan import Actor, RecordingPlan
from transforms.synth.scene import ByteImage, SensorNoise, light_gains, paint_room
from transforms.synth.walker import Variation, gait_phase, pose_walker

_SUBPIXEL_BITS: Final = 4
_OVERSAMPLING: Final = 2
_MARGIN_PX: Final = 4
_SHADOW_STRENGTH: Final = 0.14


@dataclass(frozen=True)
class Truth:
    """What is known about a rendered recording; see the contract of the truth files.

    Attributes:
        participant_masks: `(frame, height, ceil(width / 8))` uint8, bit-packed rows of the
            participant's visible pixels.
        boxes: `(person, frame, 4)` float32 x0, y0, x1, y1 inside the frame, half-open, hidden
            parts included; NaN where the person is outside. The participant is person 0.
        phase: `(frame,)` float32, the participant's gait phase in [0, 1), 0 at left heel strike.
        start_offset_s: when frame 0 was taken, on the clock of the sync group; None without one.
    """

    participant_masks: ByteImage
    boxes: NDArray[np.float32]
    phase: NDArray[np.float32]
    start_offset_s: float | None = None


@dataclass(frozen=True)
class _Figure:
    """One actor, ready to be drawn."""

    outline: Outline
    capsules: Capsules
    feet_px: NDArray[np.float64]  # (frame, 2), the point on the floor below the pelvis
    cloth: ByteImage  # fine texture that moves with the body


@dataclass(frozen=True)
class _Sprite:
    """One person in one frame: a window of the frame with premultiplied colour and coverage."""

    window: tuple[slice, slice]
    colour: ByteImage  # (height, width, 3) RGB, premultiplied
    coverage: ByteImage  # (height, width) 0..255


class RecordingRenderer:
    """Renders the frames of one plan in order and gathers the truth on the way."""

    def __init__(self, plan: RecordingPlan) -> None:
        self._plan = plan
        self._times_s = np.arange(plan.frame_count) / plan.fps
        self._walk_times_s = self._times_s + (plan.start_offset_s or 0.0)
        self._rng = np.random.default_rng(plan.pixel_seed)
        self._room = paint_room(plan.room, plan.camera, plan.width_px, plan.height_px)
        self._figures = [self._prepare(actor) for actor in plan.actors]
        self._shadow = _soft_disc()
        self._masks = np.zeros(
            (plan.frame_count, plan.height_px, (plan.width_px + 7) // 8), dtype=np.uint8
        )
        self._boxes = np.full((len(plan.actors), plan.frame_count, 4), np.nan, dtype=np.float32)

    def frames(self) -> Iterator[ByteImage]:
        """Yield planar I420 frames, `(height * 3 / 2, width)` uint8."""
        plan = self._plan
        gains = light_gains(plan.lighting, self._times_s)
        noise = SensorNoise(self._rng, plan.lighting.noise, plan.width_px, plan.height_px)
        for index in range(plan.frame_count):
            image = self._compose(index)
            lit = cv2.convertScaleAbs(image, alpha=float(gains[index]))
            yield noise.add_to(np.asarray(cv2.cvtColor(lit, cv2.COLOR_RGB2YUV_I420), np.uint8))

    def truth(self) -> Truth:
        """Return the truth about the frames yielded so far."""
        participant = self._plan.actors[0]
        phase = gait_phase(
            participant.gait, participant.path, self._walk_times_s, self._vary(participant)
        ).astype(np.float32)
        phase[phase >= 1.0] = 0.0  # float64 just below 1 rounds up to it
        return Truth(self._masks, self._boxes, phase, self._plan.start_offset_s)

    def _vary(self, actor: Actor) -> Variation | None:
        if actor.strides is None:
            return None
        return actor.strides.at(self._walk_times_s, actor.gait.stride_hz)

    def _prepare(self, actor: Actor) -> _Figure:
        joints = pose_walker(
            actor.physique, actor.gait, actor.path, self._walk_times_s, self._vary(actor)
        )
        capsules = build_capsules(joints, actor.physique, actor.outfit)
        below = joints["pelvis"] * np.array([1.0, 1.0, 0.0])
        cloth = 128 + self._rng.standard_normal((96, 96)).astype(np.float32) * 9
        return _Figure(
            outline=trace_outline(capsules, self._plan.camera),
            capsules=capsules,
            feet_px=self._plan.camera.project(below)[0],
            cloth=np.clip(cv2.GaussianBlur(cloth, (3, 3), 0.8), 0, 255).astype(np.uint8),
        )

    def _compose(self, index: int) -> ByteImage:
        """Draw all persons of one frame, far ones first, and note the truth."""
        image = self._room.copy()
        visible = np.zeros(image.shape[:2], dtype=np.uint8)
        far_first = sorted(
            range(len(self._figures)),
            key=lambda person: self._figures[person].outline.depth_px_per_m[index],
        )
        for person in far_first:
            self._drop_shadow(image, self._figures[person], index)
        for person in far_first:
            sprite = _draw_figure(self._figures[person], index, image.shape[1], image.shape[0])
            if sprite is None:
                continue
            patch = image[sprite.window]
            rest = 255 - sprite.coverage
            behind = cv2.multiply(patch, cv2.merge([rest, rest, rest]), scale=1 / 255)
            image[sprite.window] = cv2.add(behind, sprite.colour)
            solid = sprite.coverage >= 128
            visible[sprite.window][solid] = person == 0
            self._boxes[person, index] = _box_of(solid, sprite.window)
        self._masks[index] = np.packbits(visible, axis=-1)
        return image

    def _drop_shadow(self, image: ByteImage, figure: _Figure, index: int) -> None:
        scale = figure.outline.depth_px_per_m[index]
        half_width, half_height = int(0.42 * scale), max(2, int(0.06 * scale))
        x, y = (int(value) for value in figure.feet_px[index])
        left, top = x - half_width, y - half_height
        rows = slice(max(top, 0), min(y + half_height, image.shape[0]))
        columns = slice(max(left, 0), min(x + half_width, image.shape[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        disc = cv2.resize(self._shadow, (2 * half_width, 2 * half_height))
        part = disc[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        image[rows, columns] = (image[rows, columns] * (1 - part[:, :, None])).astype(np.uint8)


def _draw_figure(figure: _Figure, index: int, width_px: int, height_px: int) -> _Sprite | None:
    outline = figure.outline
    polygons = outline.polygons[index]  # (part, point, 2)
    low = np.floor(polygons.min(axis=(0, 1))).astype(int) - _MARGIN_PX
    high = np.ceil(polygons.max(axis=(0, 1))).astype(int) + _MARGIN_PX
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(high[0], width_px), min(high[1], height_px)
    if x0 >= x1 or y0 >= y1:
        return None
    size = ((y1 - y0) * _OVERSAMPLING, (x1 - x0) * _OVERSAMPLING)
    canvas = np.zeros((*size, 4), dtype=np.uint8)
    # Pixel centres lie at integers for OpenCV, at halves for us.
    scale = _OVERSAMPLING * 2**_SUBPIXEL_BITS
    half = 2 ** (_SUBPIXEL_BITS - 1)
    origin = np.array([x0, y0])
    bodies = np.rint((polygons - origin) * scale - half).astype(np.int32)
    lights = np.rint((outline.highlights[index] - origin) * scale - half).astype(np.int32)
    for part in outline.order[index]:
        shade = 1.0 - (1.0 - FAR_SHADE) / 2 * (1.0 - outline.nearness[index, part])
        colour = figure.capsules.colours[part] * shade
        cv2.fillConvexPoly(
            canvas, bodies[part], (*(RIM_SHADE * colour), 255.0), cv2.LINE_8, _SUBPIXEL_BITS
        )
        lit = np.minimum(LIT_SHADE * colour, 255)
        cv2.fillConvexPoly(canvas, lights[part], (*lit, 255.0), cv2.LINE_8, _SUBPIXEL_BITS)
    alpha = canvas[:, :, 3]
    soft = cv2.blur(canvas, (5, 5))  # melts the highlights; near the rim it mixes in black
    inside = cv2.erode(alpha, np.ones((5, 5), np.uint8))
    cv2.copyTo(soft, inside, canvas)
    small = cv2.resize(canvas, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    rows = np.arange(y0 - low[1], y1 - low[1]) % figure.cloth.shape[0]
    columns = np.arange(x0 - low[0], x1 - low[0]) % figure.cloth.shape[1]
    cloth = figure.cloth[np.ix_(rows, columns)]
    colour = cv2.multiply(
        np.ascontiguousarray(small[:, :, :3]), cv2.merge([cloth, cloth, cloth]), scale=1 / 128
    )
    window = (slice(y0, y1), slice(x0, x1))
    return _Sprite(window, np.asarray(colour, np.uint8), np.ascontiguousarray(small[:, :, 3]))


def _box_of(solid: NDArray[np.bool_], window: tuple[slice, slice]) -> tuple[float, ...]:
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if rows.size == 0:
        return (np.nan,) * 4
    top, left = window[0].start, window[1].start
    return (
        float(left + columns[0]),
        float(top + rows[0]),
        float(left + columns[-1] + 1),
        float(top + rows[-1] + 1),
    )


def _soft_disc() -> NDArray[np.float32]:
    """Return a disc that fades towards its rim, `(32, 64)` float32 up to the shadow's strength."""
    y, x = np.mgrid[-1:1:32j, -1:1:64j]
    disc = np.clip(1.2 - np.hypot(x, y) * 1.2, 0, 1) * _SHADOW_STRENGTH
    return np.asarray(disc, dtype=np.float32)
