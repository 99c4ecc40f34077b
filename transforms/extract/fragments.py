"""A fragment: an unbroken belief about one person's path, with where it came from and heads to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import Box, Detection

_MOTION_FRAMES: Final = 12
"""Detections at an end of a fragment that tell its velocity: about half a gait cycle."""


@dataclass(frozen=True)
class Fragment:
    """Detections of one person, at rising frames."""

    frames: tuple[int, ...]
    detections: tuple[Detection, ...]

    @property
    def first(self) -> int:
        """Index of the first frame."""
        return self.frames[0]

    @property
    def last(self) -> int:
        """Index of the last frame."""
        return self.frames[-1]

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """Boxes `(n, 4)`."""
        return np.array([item.box for item in self.detections], dtype=np.float64)

    @cached_property
    def position(self) -> dict[int, int]:
        """Where each frame lies in `frames`."""
        return {frame: position for position, frame in enumerate(self.frames)}

    @cached_property
    def height_px(self) -> float:
        """Median height."""
        return float(np.median(self.boxes[:, 3] - self.boxes[:, 1]))

    def part(self, first: int, last: int) -> "Fragment | None":
        """Return the fragment between two frames, both included; None where it is empty there."""
        chosen = [i for i, frame in enumerate(self.frames) if first <= frame <= last]
        if not chosen:
            return None
        return Fragment(
            tuple(self.frames[i] for i in chosen), tuple(self.detections[i] for i in chosen)
        )

    def runs(self) -> "list[Fragment]":
        """Part the fragment at its gaps."""
        starts = [
            position
            for position, frame in enumerate(self.frames)
            if position == 0 or frame > self.frames[position - 1] + 1
        ]
        return [
            Fragment(self.frames[start:end], self.detections[start:end])
            for start, end in zip(starts, [*starts[1:], len(self.frames)], strict=True)
        ]

    def predict(self, frame: int) -> Box:
        """Extrapolate the box to a frame before the start or after the end, at constant velocity.

        The centre moves on, the size stays.
        """
        at_end = frame > self.last
        chosen = slice(-_MOTION_FRAMES, None) if at_end else slice(None, _MOTION_FRAMES)
        boxes = self.boxes[chosen]
        frames = np.array(self.frames[chosen], dtype=np.float64)
        centres = np.stack(
            [(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2], axis=1
        )
        if len(frames) >= 3:
            offsets = frames - frames.mean()
            velocity = offsets @ (centres - centres.mean(axis=0)) / (offsets @ offsets)
        else:
            velocity = np.zeros(2)
        x, y = centres.mean(axis=0) + velocity * (frame - frames.mean())
        width = float(np.median(boxes[:, 2] - boxes[:, 0]))
        height = float(np.median(boxes[:, 3] - boxes[:, 1]))
        return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def appearance(self, *, at_end: bool) -> NDArray[np.float32] | None:
        """Average the appearance near one end; None where none was computed."""
        chosen = self.detections[-_MOTION_FRAMES:] if at_end else self.detections[:_MOTION_FRAMES]
        known = [item.feature for item in chosen if item.feature is not None]
        return np.mean(known, axis=0, dtype=np.float32) if known else None
