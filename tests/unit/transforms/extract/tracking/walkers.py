"""Simulated box detections of people who walk past one another, with the truth about each.

What a neural detector does is imitated: jitter, boxes that breathe with the gait, falling scores
and clipped boxes behind others, people lost while hidden, boxes around two people at once,
duplicates, boxes around a part of the body, false finds, and frames in which somebody is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from transforms.extract.protocols import Box, Detection, RecordingContext

SHAPE = (480, 1000)
FPS = 25.0


@dataclass(frozen=True)
class Walker:
    """A person whose feet stand at `x`, `bottom` in every frame; NaN where not there."""

    x: np.ndarray  # (frame,)
    height: np.ndarray  # (frame,)
    bottom: np.ndarray  # (frame,); the larger the nearer
    look: np.ndarray | None = None  # unit vector
    phase: float = 0.0

    def box(self, frame: int) -> Box | None:
        if np.isnan(self.x[frame]):
            return None
        height = float(self.height[frame])
        width = height * (0.27 + 0.15 * abs(np.sin(0.25 * frame + self.phase)))
        x, bottom = float(self.x[frame]), float(self.bottom[frame])
        return (x - width / 2, bottom - height, x + width / 2, bottom)


@dataclass(frozen=True)
class Flaws:
    """How often the simulated detector errs."""

    jitter: float = 0.012  # of the height
    missed: float = 0.02
    hidden_from: float = 0.6  # covered share from which on nobody sees who stands behind
    merged: float = 0.1  # of the frames in which two overlap much
    duplicate: float = 0.05
    part_spells: float = 1.0  # per recording
    false_spells: float = 1.5  # per recording
    look_noise: float = 0.35


@dataclass(frozen=True)
class Recording:
    """What the detector says, and which walkers each detection belongs to."""

    detections: tuple[tuple[Detection, ...], ...]
    owners: dict[tuple[int, Box], tuple[int, ...]]
    overlapped: dict[int, frozenset[int]]  # walkers who overlap somebody, by frame
    frame_shape: tuple[int, int] = SHAPE
    fps: float = FPS
    walkers: tuple[Walker, ...] = ()

    @property
    def background(self) -> None:  # type: ignore[override]
        raise AssertionError("tracking does not look at the scene")


def covered_share(inner: Box, outer: Box) -> float:
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((inner[2] - inner[0]) * (inner[3] - inner[1]))


@dataclass
class Simulator:
    """Films walkers with a faulty detector."""

    rng: np.random.Generator
    flaws: Flaws = field(default_factory=Flaws)

    def film(self, walkers: Sequence[Walker]) -> Recording:
        frame_count = len(walkers[0].x)
        parts = self._spells(self.flaws.part_spells, frame_count)
        part_of = [int(self.rng.integers(len(walkers))) for _ in parts]
        part_share = [float(self.rng.uniform(0.35, 0.7)) for _ in parts]
        false = self._spells(self.flaws.false_spells, frame_count)
        false_boxes = [self._any_box() for _ in false]
        false_looks = [
            None if walkers[0].look is None else draw_look(self.rng).astype(np.float32)
            for _ in false
        ]
        detections, owners, overlapped = [], {}, {}
        for frame in range(frame_count):
            boxes = {
                number: box
                for number, walker in enumerate(walkers)
                if (box := walker.box(frame)) is not None
            }
            found: list[tuple[Detection, tuple[int, ...]]] = []
            close: set[int] = set()
            for number, box in boxes.items():
                for other in boxes:
                    if other != number and covered_share(box, boxes[other]) > 0.4:
                        close |= {number, other}
            overlapped[frame] = frozenset(close)
            is_merged = len(close) == 2 and self.rng.random() < self.flaws.merged
            for number in boxes:
                if is_merged and number in close:
                    continue
                seen = self._see(walkers, boxes, number, frame)
                if seen is None:
                    continue
                found.append((seen, (number,)))
                if self.rng.random() < self.flaws.duplicate:
                    twin = self._shake(seen.box, 0.06)
                    found.append((self._detect(twin, 0.45, 0.12, seen.feature), (number,)))
            if is_merged:
                pair = sorted(close)
                union = np.array([boxes[number] for number in pair])
                box = (*union[:, :2].min(axis=0), *union[:, 2:].max(axis=0))
                whole = self._shake(tuple(float(v) for v in box), self.flaws.jitter)
                found.append((self._detect(whole, 0.75, 0.08, None), tuple(pair)))
            for spell, number, share in zip(parts, part_of, part_share, strict=True):
                if frame in spell and number in boxes:
                    x0, y0, x1, y1 = boxes[number]
                    upper = self._shake((x0, y0, x1, y0 + share * (y1 - y0)), 0.02)
                    found.append((self._detect(upper, 0.5, 0.12, None), (number,)))
            for spell, box, look in zip(false, false_boxes, false_looks, strict=True):
                if frame in spell:
                    found.append((self._detect(self._shake(box, 0.02), 0.5, 0.12, look), ()))
            found.sort(key=lambda item: (-item[0].score, item[0].box))
            detections.append(tuple(item for item, _ in found))
            owners.update({(frame, item.box): who for item, who in found})
        return Recording(tuple(detections), owners, overlapped, walkers=tuple(walkers))

    def _see(
        self, walkers: Sequence[Walker], boxes: dict[int, Box], number: int, frame: int
    ) -> Detection | None:
        box = boxes[number]
        nearer = [
            other
            for other in boxes
            if other != number and walkers[other].bottom[frame] > walkers[number].bottom[frame]
        ]
        hidden = max((covered_share(box, boxes[other]) for other in nearer), default=0.0)
        if self.rng.random() < self.flaws.missed:
            return None
        if hidden > self.flaws.hidden_from + self.rng.normal(0, 0.08):
            return None
        if hidden > 0.25 and self.rng.random() < 0.5:
            # The hidden side is cut off.
            front = max(nearer, key=lambda other: covered_share(box, boxes[other]))
            cut = self.rng.uniform(0, 0.8) * hidden * (box[2] - box[0])
            is_left = boxes[front][0] + boxes[front][2] < box[0] + box[2]
            box = (box[0] + cut, *box[1:]) if is_left else (*box[:2], box[2] - cut, box[3])
        height, width = SHAPE
        x0, y0, x1, y1 = self._shake(box, self.flaws.jitter)
        x0, x1, y0, y1 = max(0.0, x0), min(float(width), x1), max(0.0, y0), min(float(height), y1)
        if x1 - x0 < 0.1 * (y1 - y0):
            return None
        look = walkers[number].look
        feature = None
        if look is not None:
            noise = self.rng.normal(0, self.flaws.look_noise / np.sqrt(len(look)), len(look))
            feature = look + noise
            if hidden > 0.2:
                front = max(nearer, key=lambda other: covered_share(box, boxes[other]))
                if walkers[front].look is not None:
                    feature = feature + hidden * walkers[front].look
            feature = (feature / np.linalg.norm(feature)).astype(np.float32)
        return self._detect((x0, y0, x1, y1), 0.88 - 0.5 * hidden, 0.05, feature)

    def _detect(self, box: Box, score: float, spread: float, feature) -> Detection:
        value = float(np.clip(self.rng.normal(score, spread), 0.05, 0.97))
        return Detection(box, value, feature)

    def _shake(self, box: Box, share: float) -> Box:
        x0, y0, x1, y1 = np.array(box) + self.rng.normal(0, share * (box[3] - box[1]), 4)
        return (float(x0), float(y0), float(max(x0 + 4, x1)), float(max(y0 + 8, y1)))

    def _spells(self, mean: float, frame_count: int) -> list[range]:
        spells = []
        for _ in range(int(self.rng.poisson(mean))):
            start = int(self.rng.integers(frame_count))
            spells.append(range(start, start + int(self.rng.integers(3, 40))))
        return spells

    def _any_box(self) -> Box:
        height = float(self.rng.uniform(60, 300))
        x, y = self.rng.uniform(0, SHAPE[1] - 0.4 * height), self.rng.uniform(0, SHAPE[0] - height)
        return (float(x), float(y), float(x + 0.4 * height), float(y + height))


def draw_look(rng: np.random.Generator, common: float = 0.6) -> np.ndarray:
    """Return a unit vector; two of them have a cosine of about `common` (like colours)."""
    base = np.ones(64) / 8
    own = np.abs(rng.normal(0, 1, 64))
    own -= own @ base * base
    own /= np.linalg.norm(own)
    return np.sqrt(common) * base + np.sqrt(1 - common) * own


def cross(
    rng: np.random.Generator,
    *,
    kind: str,
    same_height: bool,
    has_looks: bool,
    frame_count: int = 150,
) -> list[Walker]:
    """Return a participant (walker 0), who crosses the picture, and others as `kind` says.

    Args:
        rng: randomness.
        kind: `opposite`, `overtaken`, `stands`, `both_ways` (two others) or `turns` (the other
            walks up to the participant, and both turn round).
        same_height: else the others differ by 8 to 25 %.
        has_looks: whether detections carry appearance.
        frame_count: frames.
    """
    t = np.arange(frame_count, dtype=np.float64)

    def person(x: np.ndarray, height: float, bottom: float) -> Walker:
        look = draw_look(rng) if has_looks else None
        steady = np.full(frame_count, height)
        return Walker(x, steady, np.full(frame_count, bottom), look, float(rng.uniform(0, 3)))

    def other_height(height: float) -> float:
        if same_height:
            return height * float(rng.uniform(0.98, 1.02))
        return height * float(rng.choice([rng.uniform(0.75, 0.92), rng.uniform(1.08, 1.25)]))

    height = float(rng.uniform(150, 260))
    speed = (SHAPE[1] - 0.6 * height) / frame_count * float(rng.uniform(0.85, 1.0))
    start = 0.3 * height
    bottom = float(rng.uniform(380, 440))
    x = start + speed * t
    people = [person(x, height, bottom)]
    meeting = float(rng.uniform(0.3, 0.7)) * frame_count
    meeting_x = start + speed * meeting
    for _ in range(2 if kind == "both_ways" else 1):
        other_bottom = bottom + float(rng.choice([-1, 1])) * float(rng.uniform(4, 25))
        if kind == "both_ways":
            other_meeting = float(rng.uniform(0.25, 0.75)) * frame_count
            own_speed = float(rng.choice([-1, 1])) * speed * float(rng.uniform(0.6, 1.4))
            if own_speed > 0:
                own_speed = speed * float(rng.choice([0.5, 1.6]))
            path = start + speed * other_meeting + own_speed * (t - other_meeting)
        elif kind == "opposite":
            path = meeting_x - speed * float(rng.uniform(0.6, 1.4)) * (t - meeting)
        elif kind == "overtaken":
            path = meeting_x + speed * float(rng.choice([0.55, 0.7, 1.4, 1.7])) * (t - meeting)
        elif kind == "stands":
            path = np.full(frame_count, meeting_x)
        elif kind == "turns":
            path = meeting_x + 0.12 * height + speed * np.abs(t - meeting)
            x[:] = meeting_x - 0.12 * height - speed * np.abs(t - meeting)
        else:
            raise ValueError(kind)
        size = other_height(height)
        path = np.where((path > -0.1 * size) & (path < SHAPE[1] + 0.1 * size), path, np.nan)
        people.append(person(path, size, other_bottom))
    return people


def as_context(recording: Recording) -> RecordingContext:
    return recording  # type: ignore[return-value]
