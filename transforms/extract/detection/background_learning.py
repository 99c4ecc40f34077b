"""Learning the scene from a whole recording.

Per pixel the temporal median of evenly spaced frames is the scene and their spread its noise. Where
people covered a pixel for long, its samples disagree; there the surroundings, painted inwards,
tell which of the samples is the scene, and stand in for it where no sample can be.
"""

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_float32, as_uint8
from transforms.extract.detection.background import (
    BackgroundModel,
    coarse_grid,
    fit_gain,
)
from transforms.extract.pictures import Picture
from transforms.extract.protocols import Frame

_SAMPLES: Final = 32
"""Frames the model is learnt from; a power of two, for the sorting network."""
_SAMPLE_BYTES: Final = 512 * 2**20
_NOISE_FLOOR: Final = 1.5
"""Grey levels; below this the codec, not the sensor, decides how a pixel varies."""
_NOISE_CEILING: Final = 12.0
_DISAGREEMENT: Final = 30
"""Grey levels between samples that noise and drift do not explain."""
_OCCUPIED_SHARE: Final = 0.22
"""Share of the recording from which on a pixel counts as covered for long."""
_MIN_OCCUPIED_SHARE: Final = 0.002
_PAINTING_WIDTH_PX: Final = 160
_MAX_PAINTING_ERROR: Final = 28.0
_TRIED_SAMPLES: Final = 12
_PAINTED_NOISE: Final = 5.0
_BAND_ROWS: Final = 24


class NoFramesError(ValueError):
    """There is nothing to learn a scene from."""


def learn_background(frames: Iterable[Frame]) -> BackgroundModel:
    """Learn the scene from a whole recording.

    Raises:
        NoFramesError: there is no frame.
    """
    pictures = _sample_evenly(frames)
    if not pictures:
        raise NoFramesError("a background needs at least one frame")
    middle = pictures[len(pictures) // 2].astype(np.float32)
    grid = coarse_grid(middle.shape[:2])
    samples = [
        _relight(picture, fit_gain(middle[grid], picture[grid].astype(np.float32))[:, 0])
        for picture in pictures
    ]
    _sort_in_time(samples)
    colour, noise = _summarise(samples)
    _uncover(samples, colour, noise)
    return BackgroundModel(colour, noise)


def _relight(image: NDArray[np.uint8], drift: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Divide each channel by its drift, saturating."""
    levels = np.arange(256, dtype=np.float32)[:, None] / np.maximum(drift, 0.1)[None, :]
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return as_uint8(cv2.LUT(image, table[None]))


def _sample_evenly(frames: Iterable[Frame]) -> list[NDArray[np.uint8]]:
    """Keep up to `_SAMPLES` evenly spaced frames of a recording of unknown length."""
    kept: list[Picture] = []
    stride = 1
    limit = 2 * _SAMPLES
    for frame in frames:
        if not kept:
            height, width = frame.picture.shape
            limit = int(np.clip(_SAMPLE_BYTES // (3 * height * width), 8, 2 * _SAMPLES))
        if frame.index % stride == 0:
            kept.append(frame.picture)
        if len(kept) >= limit:
            kept = kept[::2]
            stride *= 2
    chosen = np.linspace(0, len(kept) - 1, min(_SAMPLES, len(kept))).round().astype(int)
    return [kept[position].colour() for position in sorted(set(chosen.tolist()))]


def _sort_in_time(samples: list[NDArray[np.uint8]]) -> None:
    """Put every pixel's samples in rising order, in place."""
    count = len(samples)
    # Comparators that reach past the end would compare with a maximum that never moves.
    network = [
        (low, high)
        for low, high in (_sorting_network(1 << (count - 1).bit_length()) if count > 1 else [])
        if high < count
    ]
    for top in range(0, len(samples[0]), _BAND_ROWS):
        band = [sample[top : top + _BAND_ROWS] for sample in samples]
        spare = np.empty_like(band[0])
        for low, high in network:
            np.minimum(band[low], band[high], out=spare)
            np.maximum(band[low], band[high], out=band[high])
            band[low][...] = spare


def _sorting_network(size: int) -> list[tuple[int, int]]:
    """Return Batcher's odd-even merge sort for a power of two: pairs to put in order, in order.

    Element-wise minimum and maximum over whole pictures run some ten times as fast as a sort
    along the time axis.
    """
    pairs = []
    run = 1
    while run < size:
        step = run
        while step >= 1:
            for start in range(step % run, size - step, 2 * step):
                for offset in range(min(step, size - start - step)):
                    low, high = start + offset, start + offset + step
                    if low // (2 * run) == high // (2 * run):
                        pairs.append((low, high))
            step //= 2
        run *= 2
    return pairs


def _quantile(samples: list[NDArray[np.uint8]], share: float) -> NDArray[np.uint8]:
    return samples[round(share * (len(samples) - 1))]


def _summarise(
    samples: list[NDArray[np.uint8]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return median and noise of sorted samples, each `(height, width, channel)` float32."""
    count = len(samples)
    low_middle, high_middle = samples[(count - 1) // 2], samples[count // 2]
    colour = as_float32(cv2.addWeighted(low_middle, 0.5, high_middle, 0.5, 0, dtype=cv2.CV_32F))
    # Half the 20..80 % range is 0.84 standard deviations; a passer-by raises one side at most, so
    # the smaller half is the scene's own.
    above = cv2.subtract(_quantile(samples, 0.8), colour, dtype=cv2.CV_32F)
    below = cv2.subtract(colour, _quantile(samples, 0.2), dtype=cv2.CV_32F)
    noise = as_float32(cv2.min(above, below)) / np.float32(0.84)
    grid = coarse_grid(noise.shape[:2])
    typical = float(np.median(noise[grid])) if count >= 8 else 0.0
    noise = np.clip(noise, max(_NOISE_FLOOR, typical), _NOISE_CEILING)
    return colour, as_float32(cv2.blur(noise, (5, 5)))


def _uncover(
    samples: list[NDArray[np.uint8]], colour: NDArray[np.float32], noise: NDArray[np.float32]
) -> None:
    """Correct the model, in place, where people covered the scene for long."""
    occupied = _find_occupied(samples)
    if np.count_nonzero(occupied) < _MIN_OCCUPIED_SHARE * occupied.size:
        return
    left, top, width, height = cv2.boundingRect(occupied)
    rows, columns = slice(top, top + height), slice(left, left + width)
    painted = _paint_inwards(colour, occupied)[rows, columns]
    inside = occupied[rows, columns] > 0
    nearest = painted.copy()
    error = np.full_like(painted, np.inf)
    for share in np.linspace(0, 1, min(len(samples), _TRIED_SAMPLES)):
        level = _quantile(samples, float(share))[rows, columns].astype(np.float32)
        # Channels were sorted apart: each takes the sample that fits it best.
        misfit = np.abs(level - painted)
        closer = misfit < error
        np.copyto(nearest, level, where=closer)
        np.copyto(error, misfit, where=closer)
    never_seen = error.max(axis=2) > _MAX_PAINTING_ERROR
    nearest[never_seen] = painted[never_seen]
    colour[rows, columns][inside] = nearest[inside]
    noise[rows, columns][inside] = np.maximum(noise[rows, columns][inside], _PAINTED_NOISE)


def _find_occupied(samples: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return `(height, width)` uint8 {0, 255}: covered by different things for long, and within."""
    extent = _quantile(samples, 1 - _OCCUPIED_SHARE) - _quantile(samples, _OCCUPIED_SHARE)
    disputed = (extent.max(axis=2) > _DISAGREEMENT).astype(np.uint8) * np.uint8(255)
    reach = max(3, disputed.shape[0] // 40) | 1
    kernel = np.ones((reach, reach), np.uint8)
    joined = cv2.morphologyEx(cv2.medianBlur(disputed, 3), cv2.MORPH_CLOSE, kernel)
    outlines, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # What a disputed rim encloses was covered all the time: somebody coming straight nearer.
    filled = cv2.drawContours(np.zeros_like(disputed), outlines, -1, (255,), -1)
    return as_uint8(cv2.dilate(filled, kernel))


def _paint_inwards(colour: NDArray[np.float32], occupied: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Continue the surroundings of a region smoothly into it, at a coarse scale."""
    height, width = occupied.shape
    scale = min(1.0, _PAINTING_WIDTH_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = as_float32(cv2.resize(colour, size, interpolation=cv2.INTER_AREA))
    hole = as_uint8(as_uint8(cv2.resize(occupied, size, interpolation=cv2.INTER_AREA)) > 0)
    levels = np.clip(small, 0, 255).astype(np.uint8)
    filled = as_uint8(cv2.inpaint(levels, hole, 5, cv2.INPAINT_TELEA))
    return as_float32(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR))
