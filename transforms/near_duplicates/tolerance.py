"""What copying may do to silhouettes, tried out on some of a dataset's own frames.

The differences it makes say which directions of a picture mean nothing and which tell people
apart. Nothing here decides anything.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.near_duplicates.pictures import (
    PICTURE_COLUMNS,
    PICTURE_ROWS,
    Pictures,
    shrink_frames,
)

SEGMENT_FRAMES: Final = 40
"""About how long a stretch is whose mean picture stands for it."""
_TRIAL_FRAMES: Final = 12
_TRIALS: Final = 6
_WINDOWS: Final = 3
_WINDOW_FRAMES: Final = (20, 50)
_BLUR_PX: Final = (0.2, 0.6)  # of silhouettes 64 px high, as all of these
_LEVEL: Final = (0.42, 0.58)
_STRENGTH: Final = (0.05, 0.2)
_SCALE: Final = (0.94, 1.06)
_SHIFT_PX: Final = 1.0
_MARGIN_PX: Final = 8


@dataclass(frozen=True)
class Trials:
    """Pictures of some sequences, and what copying did to them; each `(picture, row, column)`.

    Attributes:
        segments: mean pictures of stretches of different sequences.
        poses: differences of single frames from the mean of their sequence.
        biases: mean differences between a stretch and its copy.
        noises: differences between single frames and their copies.
        cuts: differences between the means of a stretch and of another cut of it.
    """

    segments: NDArray[np.float64]
    poses: NDArray[np.float64]
    biases: NDArray[np.float64]
    noises: NDArray[np.float64]
    cuts: NDArray[np.float64]


def join_trials(parts: list[Trials]) -> Trials:
    """Return the trials of many sequences as one."""
    return Trials(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in Trials.__dataclass_fields__
        )
    )


def try_copying(silhouettes: NDArray[np.uint8], rng: np.random.Generator) -> Trials:
    """Copy parts of one sequence, `(frame, height, width)` uint8, and compare."""
    pictures = shrink_frames(silhouettes)
    start = int(rng.integers(max(len(silhouettes) - 2 * _TRIAL_FRAMES, 0) + 1))
    part = slice(start, start + 2 * _TRIAL_FRAMES, 2)
    biases, noises = [], []
    for _ in range(_TRIALS):
        difference = shrink_frames(_copy(silhouettes[part], rng)) - pictures[part]
        noises.append(difference)
        biases.append(difference.mean(axis=0, dtype=np.float64))
    return Trials(
        segments=mean_pictures(pictures),
        poses=(pictures[::5] - pictures.mean(axis=0)).astype(np.float64),
        biases=np.stack(biases),
        noises=np.concatenate(noises).astype(np.float64),
        cuts=_compare_cuts(pictures, rng),
    )


def mean_pictures(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the means of stretches of about `SEGMENT_FRAMES`, `(stretch, ...)` float64."""
    edges = segment_edges(len(features))
    sums = np.add.reduceat(features.astype(np.float64), edges[:-1], axis=0)
    lengths = np.diff(edges).reshape(-1, *(1,) * (features.ndim - 1))
    return np.asarray(sums / lengths)


def segment_edges(frame_count: int) -> NDArray[np.int64]:
    """Return where the stretches of a sequence begin, and its end."""
    count = max(1, round(frame_count / SEGMENT_FRAMES))
    return np.rint(np.linspace(0, frame_count, count + 1)).astype(np.int64)


def _compare_cuts(pictures: Pictures, rng: np.random.Generator) -> NDArray[np.float64]:
    """Compare windows of some frames with the stretch of the sequence in which they lie."""
    segments, edges = mean_pictures(pictures), segment_edges(len(pictures))
    found = []
    for length in rng.integers(*_WINDOW_FRAMES, size=_WINDOWS).tolist():
        if length < len(pictures):
            first = int(rng.integers(len(pictures) - length))
            segment = int(np.searchsorted(edges, first + length // 2, side="right")) - 1
            window = pictures[first : first + length].mean(axis=0, dtype=np.float64)
            found.append(window - segments[segment])
    return np.array(found).reshape(-1, PICTURE_ROWS, PICTURE_COLUMNS)


def _copy(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return frames as another encoding, another crop or both would show them."""
    height = frames.shape[1]
    px = height / 64
    margin = max(1, round(_MARGIN_PX * px))
    masks = np.pad(frames, ((0, 0), (margin, margin), (margin, margin)))
    kind = rng.random()
    if kind < 0.7:
        masks = _encode_again(masks, px, rng)
    if kind > 0.3:
        masks = _crop_again(masks, px, rng)
    return masks


def _encode_again(
    masks: NDArray[np.uint8], px: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    blur_px, level = px * rng.uniform(*_BLUR_PX), rng.uniform(*_LEVEL)
    strength = rng.uniform(*_STRENGTH)
    changed = np.empty_like(masks)
    for index, mask in enumerate(masks):
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), blur_px)
        grain = rng.standard_normal(mask.shape, dtype=np.float32)
        # White noise blurred by s has a deviation of 1 / (2 s sqrt(pi)): here about 1 again.
        grain = cv2.GaussianBlur(grain, (0, 0), px) * (2 * px * np.sqrt(np.pi))
        disturbed = soft + strength * grain * 4 * soft * (1 - soft)
        changed[index] = np.where(disturbed >= level, 255, 0)
    return changed


def _crop_again(masks: NDArray[np.uint8], px: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = masks.shape[1:]
    scale = rng.uniform(*_SCALE)
    x, y = (1 - scale) / 2 * np.array([width, height]) + px * rng.uniform(-_SHIFT_PX, _SHIFT_PX, 2)
    place = np.array([[scale, 0, x], [0, scale, y]])
    moved = np.stack([cv2.warpAffine(mask, place, (width, height)) for mask in masks])
    return np.where(moved >= 128, np.uint8(255), np.uint8(0))
