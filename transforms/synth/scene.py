"""The room behind the walkers: surfaces, texture, lighting that drifts, and sensor noise."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.synth.body import Rgb
from transforms.synth.camera import Camera
from transforms.synth.draws import draw_between, generator_for

ByteImage = NDArray[np.uint8]

# Surfaces of clinics and gyms, none near a skin tone.
_WALLS: Final[tuple[Rgb, ...]] = (
    (168, 180, 190),
    (160, 182, 168),
    (150, 152, 158),
    (198, 204, 206),
    (128, 154, 160),
)
_FLOORS: Final[tuple[Rgb, ...]] = (
    (118, 116, 112),
    (96, 104, 114),
    (132, 130, 122),
    (108, 122, 120),
)
_NOISE_MARGIN_PX: Final = 32


@dataclass(frozen=True)
class Room:
    """A fixed place; its texture follows from the seed."""

    wall: Rgb
    floor: Rgb
    texture_seed: int


@dataclass(frozen=True)
class Lighting:
    """How bright the scene is over time and how noisy the sensor."""

    trend: float  # relative change from the first to the last frame
    ripple: float  # relative amplitude
    ripple_hz: float
    ripple_phase: float
    noise: float  # standard deviation in grey levels


def draw_room(seed: int, site: str, view: str) -> Room:
    """Return the room of a site as one of its cameras sees it: the same for all recordings."""
    rng = generator_for(seed, "room", site, view)
    return Room(
        wall=_WALLS[rng.integers(len(_WALLS))],
        floor=_FLOORS[rng.integers(len(_FLOORS))],
        texture_seed=int(rng.integers(2**32)),
    )


def draw_lighting(rng: np.random.Generator) -> Lighting:
    """Draw the lighting and noise of one recording."""
    return Lighting(
        trend=draw_between(rng, -0.04, 0.04),
        ripple=draw_between(rng, 0.002, 0.012),
        ripple_hz=draw_between(rng, 0.2, 0.8),
        ripple_phase=draw_between(rng, 0.0, 2 * np.pi),
        noise=draw_between(rng, 1.6, 3.2),
    )


def light_gains(lighting: Lighting, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brightness factor per time."""
    duration_s = max(float(times_s[-1] - times_s[0]), 1e-6)
    ripple = np.sin(2 * np.pi * lighting.ripple_hz * times_s + lighting.ripple_phase)
    trend = lighting.trend * (times_s - times_s[0]) / duration_s
    gains: NDArray[np.float64] = 1.0 + trend + lighting.ripple * ripple
    return gains


def paint_room(room: Room, camera: Camera, width_px: int, height_px: int) -> ByteImage:
    """Paint the empty scene, `(height, width, 3)` uint8 RGB."""
    rng = np.random.default_rng(room.texture_seed)
    floor_line = camera.horizon_px + camera.focal_px * camera.height_m / camera.wall_m
    floor_row = int(np.clip(floor_line, 0.4 * height_px, 0.97 * height_px))
    image = np.empty((height_px, width_px, 3), np.float32)
    image[:floor_row] = room.wall
    image[floor_row:] = room.floor
    _hang_things(image, floor_row, rng)
    _lay_tiles(image, floor_row, camera, rng)
    shade = _cloud(rng, height_px, width_px, 3) * 9 + _cloud(rng, height_px, width_px, 16) * 5
    shade += _cloud(rng, height_px, width_px, 90) * 5
    grain = rng.standard_normal((height_px, width_px)).astype(np.float32) * 4
    image += (shade + cv2.GaussianBlur(grain, (3, 3), 0.7))[:, :, None]
    return np.clip(image, 0, 255).round().astype(np.uint8)


def _cloud(rng: np.random.Generator, height: int, width: int, cells: int) -> NDArray[np.float32]:
    """Return smooth noise of about unit size with `cells` bumps across."""
    rows = max(2, round(cells * height / width))
    coarse = rng.standard_normal((rows, cells)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, dtype=np.float32)


def _hang_things(image: NDArray[np.float32], floor_row: int, rng: np.random.Generator) -> None:
    """Add a skirting board, a door and some frames to the wall."""
    height, width = image.shape[:2]
    board = max(2, height // 60)
    image[floor_row - board : floor_row] *= 0.8
    left = int(rng.uniform(0.05, 0.8) * width)
    door = slice(int(0.12 * height), floor_row), slice(left, left + int(0.13 * width))
    image[door] *= 0.90
    image[door[0], left : left + 2] *= 0.8
    for _ in range(int(rng.integers(2, 5))):
        top, x = int(rng.uniform(0.03, 0.4) * height), int(rng.uniform(0, 0.9) * width)
        tall, wide = int(rng.uniform(0.08, 0.2) * height), int(rng.uniform(0.05, 0.15) * width)
        image[top : top + tall, x : x + wide] *= 1.0 + rng.uniform(-0.14, 0.10, 3)


def _lay_tiles(
    image: NDArray[np.float32], floor_row: int, camera: Camera, rng: np.random.Generator
) -> None:
    """Draw the joints of floor tiles in perspective."""
    height, width = image.shape[:2]
    tile_m = float(rng.uniform(0.45, 0.7))
    dark = np.ones((height, width), np.float32)
    vanishing = (round(camera.centre_px), round(camera.horizon_px))
    for index in range(-60, 61):
        foot = camera.centre_px + index * tile_m * (height - camera.horizon_px) / camera.height_m
        cv2.line(dark, vanishing, (round(foot), height), 0.9, 1, cv2.LINE_AA)
    for index in range(1, 60):
        row = camera.horizon_px + camera.focal_px * camera.height_m / (index * tile_m + 1.0)
        if floor_row < row < height:
            dark[round(row) - 1 : round(row)] = 0.9
    image[floor_row:] *= dark[floor_row:, :, None]


class SensorNoise:
    """Noise for one recording: cut-outs of one noise field at places drawn per frame."""

    def __init__(
        self, rng: np.random.Generator, deviation: float, width_px: int, height_px: int
    ) -> None:
        """Prepare the field for planar I420 frames of `height * 3 / 2` rows."""
        self._rng = rng
        self._rows, self._columns = height_px * 3 // 2, width_px
        shape = (self._rows + _NOISE_MARGIN_PX, self._columns + _NOISE_MARGIN_PX)
        field = rng.standard_normal(shape, dtype=np.float32) * deviation
        self._luma = field.round().astype(np.int16)
        self._chroma = (field * 0.4).round().astype(np.int16)
        self._height_px = height_px

    def add_to(self, frame: ByteImage) -> ByteImage:
        """Return a planar I420 frame with the next frame's noise."""
        top, left = self._rng.integers(_NOISE_MARGIN_PX, size=2)
        window = slice(top, top + self._rows), slice(left, left + self._columns)
        noise = self._luma[window].copy()
        noise[self._height_px :] = self._chroma[window][self._height_px :]
        flipped = noise[:, ::-1] if self._rng.random() < 0.5 else noise
        noisy = cv2.add(frame, np.ascontiguousarray(flipped), dtype=cv2.CV_8U)
        return np.asarray(noisy, dtype=np.uint8)
