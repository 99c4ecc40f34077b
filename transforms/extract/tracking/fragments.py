"""A fragment: an unbroken belief about one person's path, with where it came from and heads to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import Box, Detection

_MOTION_FRAMES: Final = 20
"""Detections at an end of a fragment that tell its velocity: most of a gait cycle."""
_MAX_GROWTH: Final = 0.4
"""Largest change of the height's logarithm between two neighbouring detections."""
_MAX_SHIFT: Final = 0.35
"""Largest way from frame to frame, in body heights."""
_MAX_STEPS: Final = 4
_LOOK_FRAMES: Final = 40
"""Detections at an end that tell the appearance; more, as each is noisy."""


@dataclass(frozen=True)
class Motion:
    """A straight line through one end of a fragment, as `(x, y, log height)` over frames."""

    frame: float
    state: NDArray[np.float64]  # (3,) at `frame`
    velocity: NDArray[np.float64]  # (3,) per frame
    aspect: float  # width / height

    def at(self, frame: int) -> NDArray[np.float64]:
        """Return centre x, centre y and the logarithm of the height at a frame."""
        return self.state + self.velocity * (frame - self.frame)


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

    @cached_property
    def score(self) -> float:
        """Median score."""
        return float(np.median([item.score for item in self.detections]))

    def box_at(self, frame: int) -> Box | None:
        """Return the box of a frame, None where it has none."""
        position = self.position.get(frame)
        return None if position is None else self.detections[position].box

    def part(self, first: int, last: int) -> "Fragment | None":
        """Return the fragment between two frames, both included; None where it is empty there."""
        chosen = [i for i, frame in enumerate(self.frames) if first <= frame <= last]
        return self._pick(slice(chosen[0], chosen[-1] + 1)) if chosen else None

    def runs(self, max_gap: int = 0) -> "list[Fragment]":
        """Part the fragment at its gaps of more than `max_gap` frames."""
        starts = [
            position
            for position, frame in enumerate(self.frames)
            if position == 0 or frame > self.frames[position - 1] + 1 + max_gap
        ]
        ends = [*starts[1:], len(self.frames)]
        return [self._pick(slice(start, end)) for start, end in zip(starts, ends, strict=True)]

    def part_at_jumps(self) -> "list[Fragment]":
        """Part the fragment where its box changes as no person does from frame to frame."""
        heights = np.maximum(1.0, self.boxes[:, 3] - self.boxes[:, 1])
        centres = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        steps = np.diff(np.array(self.frames))
        growth = np.abs(np.diff(np.log(heights)))
        shift = np.hypot(*np.diff(centres, axis=0).T) / np.maximum(heights[1:], heights[:-1])
        jumps = (growth > _MAX_GROWTH) | (shift > _MAX_SHIFT * np.minimum(steps, _MAX_STEPS))
        starts = [0, *(int(place) + 1 for place in np.flatnonzero(jumps))]
        ends = [*starts[1:], len(self.frames)]
        return [self._pick(slice(start, end)) for start, end in zip(starts, ends, strict=True)]

    def predict(self, frame: int) -> Box:
        """Extrapolate the box to a frame before the start or after the end, at constant velocity.

        The centre moves on, the size stays.
        """
        motion = self.motion(at_end=frame > self.last)
        x, y, _ = motion.at(frame)
        height = float(np.exp(motion.state[2]))
        width = height * motion.aspect
        return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def motion(self, *, at_end: bool) -> Motion:
        """Return how the person moved near one end."""
        return self._motion_at_end if at_end else self._motion_at_start

    def appearance(self, *, at_end: bool) -> NDArray[np.float32] | None:
        """Average the appearance near one end, unit length; None where none was computed."""
        chosen = self.detections[-_LOOK_FRAMES:] if at_end else self.detections[:_LOOK_FRAMES]
        known = [item.feature for item in chosen if item.feature is not None]
        if not known:
            return None
        mean = np.mean(known, axis=0, dtype=np.float32)
        return np.asarray(mean / max(1e-9, float(np.linalg.norm(mean))), dtype=np.float32)

    def _pick(self, chosen: slice) -> "Fragment":
        return Fragment(self.frames[chosen], self.detections[chosen])

    @cached_property
    def _motion_at_start(self) -> Motion:
        return _fit_motion(self.boxes[:_MOTION_FRAMES], self.frames[:_MOTION_FRAMES])

    @cached_property
    def _motion_at_end(self) -> Motion:
        return _fit_motion(self.boxes[-_MOTION_FRAMES:], self.frames[-_MOTION_FRAMES:])


def _fit_motion(boxes: NDArray[np.float64], frames: tuple[int, ...]) -> Motion:
    widths, heights = boxes[:, 2] - boxes[:, 0], np.maximum(1.0, boxes[:, 3] - boxes[:, 1])
    states = np.stack(
        [(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2, np.log(heights)], axis=1
    )
    times = np.array(frames, dtype=np.float64)
    offsets = times - times.mean()
    velocity = np.zeros(3)
    if len(frames) >= 3:
        velocity = offsets @ (states - states.mean(axis=0)) / (offsets @ offsets)
    return Motion(
        float(times.mean()), states.mean(axis=0), velocity, float(np.median(widths / heights))
    )
