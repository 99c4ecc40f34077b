"""The nouns that extraction's stages hand to one another, and the protocols of those stages.

Backends implement a protocol; `transforms.extract.registry` knows them by name. Backends are built
once per worker process and used for many recordings; what belongs to one recording comes to them
in a `RecordingContext`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from transforms.extract.pictures import Picture

if TYPE_CHECKING:
    from transforms.extract.detection.background import BackgroundModel

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels, half-open, of the upright picture."""


@dataclass(frozen=True)
class Frame:
    """One decoded picture, rotation metadata applied."""

    index: int
    pts_s: float
    picture: Picture


@dataclass(frozen=True)
class Detection:
    """One person-like thing in one frame."""

    box: Box
    score: float  # [0, 1]
    feature: NDArray[np.float32] | None = None  # appearance, unit length; None: not computed


@dataclass(frozen=True)
class Track:
    """The path of one person through a recording; gaps are allowed."""

    track_id: int
    frame_index: NDArray[np.int32]  # (n,) rising
    boxes: NDArray[np.float32]  # (n, 4) x0, y0, x1, y1
    scores: NDArray[np.float32]  # (n,) [0, 1]
    shared_frames: tuple[int, ...] = ()  # inside a gap: seen, but as one with another person
    appearance: NDArray[np.float32] | None = None  # mean over the track


@dataclass(frozen=True)
class MaskCrop:
    """The pixels of the target in one frame."""

    frame_index: int
    box: tuple[int, int, int, int]  # x0, y0, x1, y1, half-open, inside the picture
    mask: NDArray[np.uint8]  # (y1 - y0, x1 - x0) {0, 255}
    confidence: float  # [0, 1]


@dataclass(frozen=True)
class ProbabilityCrop:
    """How likely each pixel around the target is the target, before it is decided."""

    frame_index: int
    box: tuple[int, int, int, int]  # x0, y0, x1, y1, half-open, inside the picture
    probability: NDArray[np.uint8]  # (y1 - y0, x1 - x0) 0..255


@dataclass(frozen=True)
class PersonCrop:
    """One person cut out of a frame with some room around."""

    image: NDArray[np.uint8]  # (height, width, channel) BGR
    box: Box  # the person's box in the crop's pixels


class ProbabilityModel(Protocol):
    """Says of every pixel of a crop how likely it belongs to a person."""

    @property
    def batch_size(self) -> int:
        """How many crops the model likes to get at once."""

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        """Return how much of the picture it wants to see around a crop of this height and width.

        At the picture's edges it gets less.
        """

    def predict(self, crops: Sequence[PersonCrop]) -> list[NDArray[np.uint8]]:
        """Return per crop `(height, width)` uint8, 0 for surely not, 255 for surely the person."""


class RecordingContext(Protocol):
    """What backends may ask about the recording at hand."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of the upright picture."""

    @property
    def background(self) -> "BackgroundModel":
        """The scene without its people, learnt on first use."""


class Detector(Protocol):
    """Finds people in pictures; may batch, must keep the order."""

    def detect(
        self, frames: Iterable[Frame], context: RecordingContext
    ) -> Iterator[tuple[Detection, ...]]:
        """Yield the detections of each frame, in the order of the frames."""


class Tracker(Protocol):
    """Joins detections over a whole recording."""

    def track(
        self, detections: Sequence[tuple[Detection, ...]], context: RecordingContext
    ) -> tuple[Track, ...]:
        """Return all tracks, sorted by first frame; position in `detections` = frame index."""


class Segmenter(Protocol):
    """Cuts the target out of the frames in which it was seen."""

    def segment(
        self,
        frames: Iterable[Frame],
        target: Mapping[int, Box],
        neighbours: Mapping[int, Sequence[Box]],
        context: RecordingContext,
    ) -> Iterator[MaskCrop]:
        """Yield one crop per frame that `target` names, in the order of the frames.

        Args:
            frames: the recording's frames; those without the target are skipped.
            target: the target's box by frame index.
            neighbours: boxes of other people by frame index, so that they can be left out.
            context: the recording.
        """
