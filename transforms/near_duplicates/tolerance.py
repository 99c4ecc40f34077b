"""What copying may do to silhouettes, tried out on some of a dataset's own frames.

The differences it makes say which directions of a picture mean nothing and which tell people
apart. Nothing here decides anything.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.normalisation.normalise import normalise_frame
from transforms.near_duplicates.pictures import (
    PICTURE_COLUMNS,
    PICTURE_ROWS,
    Pictures,
    shrink_frames,
)
from transforms.shards.codec import binarise

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
_ENLARGEMENT: Final = 3
_STRETCH_FRAMES: Final = 6
_LAGS: Final = (15, 90)  # frames: a stride takes some 30
_COMPARED_FRAMES: Final = 600  # the work grows with the square
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
        strides: differences between short stretches and those most like them a stride away.
    """

    segments: NDArray[np.float64]
    poses: NDArray[np.float64]
    biases: NDArray[np.float64]
    noises: NDArray[np.float64]
    cuts: NDArray[np.float64]
    strides: NDArray[np.float64]


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
        strides=_compare_strides(pictures),
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


def _compare_strides(pictures: Pictures) -> NDArray[np.float64]:
    """Compare short stretches with the one most like them a stride or more away."""
    pictures = pictures[:_COMPARED_FRAMES]
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    squares = np.square(flat).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * flat @ flat.T
    count = len(flat) - _STRETCH_FRAMES + 1
    if count <= _LAGS[0]:
        return np.zeros((0, *pictures.shape[1:]))
    # Sums along diagonals: how unlike two windows are, frame by frame.
    windows = np.zeros((count, count))
    for n in range(_STRETCH_FRAMES):
        windows += distances[n : n + count, n : n + count]
    lags = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    windows = np.where((lags >= _LAGS[0]) & (lags <= _LAGS[1]), windows, np.inf)
    starts = np.arange(0, count, _STRETCH_FRAMES)
    starts = starts[np.isfinite(windows[starts]).any(axis=1)]
    nearest = windows[starts].argmin(axis=1)
    means = np.stack([flat[n : n + _STRETCH_FRAMES].mean(axis=0) for n in range(count)])
    return np.asarray(means[starts] - means[nearest]).reshape(-1, *pictures.shape[1:])


def _copy(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return frames as copying once or twice leaves them, each time normalised again."""
    steps = rng.permutation(2)[: int(rng.integers(1, 3))]
    for step in steps.tolist():
        frames = (_encode_again, _crop_again)[step](frames, rng)
    return frames


def _encode_again(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, disturb every outline on its own and take another threshold."""
    blur_px, level = _ENLARGEMENT * rng.uniform(*_BLUR_PX), rng.uniform(*_LEVEL)
    strength = rng.uniform(*_STRENGTH)
    copies = []
    for mask in _enlarge(frames):
        soft = cv2.GaussianBlur(mask, (0, 0), blur_px).astype(np.float32) / 255
        small = [-(-size // _ENLARGEMENT) for size in mask.shape]
        drawn = rng.standard_normal(small, dtype=np.float32)
        grain = cv2.resize(drawn, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
        disturbed = soft + strength * grain * 4 * soft * (1 - soft)
        changed = np.where(disturbed >= level, np.uint8(255), np.uint8(0))
        copies.append(normalise_frame(changed)[0])
    return np.stack(copies)


def _crop_again(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scale and move the figures by a little."""
    scale, shift = rng.uniform(*_SCALE), _ENLARGEMENT * rng.uniform(-_SHIFT_PX, _SHIFT_PX, 2)
    copies = []
    for mask in _enlarge(frames):
        height, width = mask.shape
        x, y = (1 - scale) / 2 * np.array([width, height]) + shift
        place = np.array([[scale, 0, x], [0, scale, y]])
        moved = binarise(cv2.warpAffine(mask, place, (width, height)).astype(np.uint8))
        copies.append(normalise_frame(moved)[0])
    return np.stack(copies)


def _enlarge(frames: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return binary masks as a video shows them: larger, with a margin."""
    masks = binarise(frames)
    columns = np.flatnonzero(masks.any(axis=(0, 1)))
    if columns.size:
        masks = masks[:, :, columns[0] : columns[-1] + 1]
    size = _ENLARGEMENT * 64 / masks.shape[1]
    enlarged: list[NDArray[np.uint8]] = [
        cv2.resize(mask, None, fx=size, fy=size).astype(np.uint8) for mask in masks
    ]
    return [np.pad(binarise(mask), _ENLARGEMENT * _MARGIN_PX) for mask in enlarged]
