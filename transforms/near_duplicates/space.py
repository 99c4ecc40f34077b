"""The space in which sequences are compared: directions that copying leaves alone, people do not.

Three projections of a picture, fitted to what copying does to frames that one camera saw: `shape`
tells bodies apart, `pose` moments of a walk, `stride` one stride of a person from the next. In each
a difference of 1 is what copying makes (root mean square over trials).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.near_duplicates.pictures import Pictures, split_halves
from transforms.near_duplicates.tolerance import Trials

_SHAPE_SIZE: Final = 40
_POSE_SIZE: Final = 10
_STRIDE_SIZE: Final = 16
_RIDGE: Final = 0.03
"""Of the mean variance is added: directions that never varied in a trial must not count for all."""


@dataclass(frozen=True)
class Projection:
    """A linear map of both halves of a picture; the columns of `even` come first in the result.

    Attributes:
        even: `(half, column)` float64, of what mirroring keeps.
        odd: `(half, column)` float64, of what mirroring turns round.
        centre: `(column of even,)` float64.
    """

    even: NDArray[np.float64]
    odd: NDArray[np.float64]
    centre: NDArray[np.float64]

    @property
    def signs(self) -> NDArray[np.float32]:
        """`(column,)`: what mirroring multiplies a projected picture by."""
        return np.repeat(
            np.array([1, -1], dtype=np.float32), [self.even.shape[1], self.odd.shape[1]]
        )

    def project(self, pictures: Pictures) -> NDArray[np.float32]:
        """Return `(picture, column)` float32."""
        even, odd = split_halves(pictures)
        parts = [even @ self.even - self.centre, odd @ self.odd]
        return np.concatenate(parts, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Space:
    """All three projections."""

    shape: Projection
    pose: Projection
    stride: Projection


def fit_space(trials: Trials) -> Space:
    """Fit the projections; a function of the trials alone."""
    strides = trials.strides if len(trials.strides) else trials.poses
    segments = trials.segments - trials.segments.mean(axis=0)
    return Space(
        shape=_fit(trials.segments, segments, [trials.biases, trials.cuts], _SHAPE_SIZE),
        pose=_fit(trials.poses, trials.poses, [trials.noises], _POSE_SIZE),
        stride=_fit(strides, strides, [trials.noises], _STRIDE_SIZE),
    )


def _fit(
    pictures: NDArray[np.float64],
    signal: NDArray[np.float64],
    noises: list[NDArray[np.float64]],
    size: int,
) -> Projection:
    """Return the directions in which the signal exceeds the noise most, scaled to noise 1."""
    from scipy.linalg import eigh

    scales, directions = [], []
    signals = (split_halves(signal)[0], split_halves(pictures)[1])
    for half in (0, 1):
        within = sum(_second_moment(split_halves(noise)[half]) for noise in noises)
        assert isinstance(within, np.ndarray)  # the sum of one array or more
        ridge = max(_RIDGE * np.trace(within) / len(within), 1e-9)
        strength, vectors = eigh(
            _second_moment(signals[half]), within + ridge * np.eye(len(within))
        )
        order = np.argsort(-strength, kind="stable")
        scales.append(strength[order])
        directions.append(_fix_signs(vectors[:, order]))
    limit = np.sort(np.concatenate(scales))[-size]
    even, odd = (
        vectors[:, strength >= limit] for strength, vectors in zip(scales, directions, strict=True)
    )
    centre = split_halves(pictures)[0].mean(axis=0) @ even
    return Projection(even=even, odd=odd, centre=centre)


def _second_moment(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows.T @ rows / max(len(rows), 1)


def _fix_signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each column so that its largest entry is positive: solvers differ in the sign."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return np.asarray(vectors * signs)
