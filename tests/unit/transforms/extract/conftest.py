"""A small room and a cardboard walker, as arrays and as video files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from transforms.extract.detection.background import BackgroundModel
from transforms.extract.detection.background_learning import learn_background
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Frame

HEIGHT, WIDTH = 120, 200


@dataclass(frozen=True)
class Stage:
    """Frames in memory that backends can read again and again."""

    images: Sequence[np.ndarray]
    fps: float = 25.0
    _models: list[BackgroundModel] = field(default_factory=list)

    @property
    def frame_shape(self) -> tuple[int, int]:
        return (HEIGHT, WIDTH)

    def frames(self) -> list[Frame]:
        return [
            Frame(index, index / 25, ColourPicture(image))
            for index, image in enumerate(self.images)
        ]

    @property
    def background(self) -> BackgroundModel:
        if not self._models:
            self._models.append(learn_background(self.frames()))
        return self._models[0]


def paint_room(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.normal(150, 12, (10, 16, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (WIDTH, HEIGHT)), 0, 255).astype(np.uint8)


def person_mask(x: float, *, height: int = 70, foot: int = 105) -> np.ndarray:
    """Head, trunk and two legs around column `x`, bool [HEIGHT, WIDTH]."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    top = foot - height
    cv2.circle(mask, (round(x), top + 7), 7, 1, -1)
    cv2.rectangle(mask, (round(x) - 8, top + 14), (round(x) + 8, top + 40), 1, -1)
    swing = 9 * np.sin(x / 5)
    for side in (-1, 1):
        ankle = (round(x + side * swing), foot - 2)
        cv2.line(mask, (round(x), top + 38), ankle, 1, 7)
    return mask > 0


def draw(
    room: np.ndarray,
    people: Sequence[tuple[np.ndarray, tuple[int, int, int]]],
    rng: np.random.Generator,
) -> np.ndarray:
    image = room.astype(np.float32)
    for mask, colour in people:
        image[mask] = colour
    return np.clip(image + rng.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8)


RED, BLUE = (40, 30, 170), (170, 40, 20)


@pytest.fixture(scope="session")
def walk() -> Stage:
    """One person in red walks from left to right."""
    rng = np.random.default_rng(1)
    room = paint_room()
    return Stage([draw(room, [(person_mask(20 + 4 * t), RED)], rng) for t in range(40)])


@pytest.fixture(scope="session")
def crossing() -> Stage:
    """One person in red walks to the right, one in blue to the left, behind the first."""
    rng = np.random.default_rng(2)
    room = paint_room()
    return Stage(
        [
            draw(
                room,
                [(person_mask(190 - 5 * t, foot=100), BLUE), (person_mask(10 + 4.5 * t), RED)],
                rng,
            )
            for t in range(40)
        ]
    )


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    def write(images: Sequence[np.ndarray], name: str = "video.mp4", *, rate: int = 25) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(name="person_mask")
def person_mask_fixture() -> Callable[..., np.ndarray]:
    return person_mask


@pytest.fixture
def person_box() -> Callable[[float], tuple[int, int, int, int]]:
    def box(x: float, **shape: int) -> tuple[int, int, int, int]:
        rows, columns = np.nonzero(person_mask(x, **shape))
        return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)

    return box
