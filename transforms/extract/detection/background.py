"""The scene without its people, and how far a frame is from it.

The camera stands still. Lighting drift is taken out of every frame by a smooth gain before
comparing. How the scene is learnt: `transforms.extract.detection.background_learning`.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_float32
from transforms.extract.protocols import Frame

_GRID_POINTS: Final = 24
"""Points per axis at which lighting is compared; it varies slowly, and this is done per frame."""
_GAIN_ROUNDS: Final = 2
_MIN_LEVEL: Final = 8.0
_MAX_LEVEL: Final = 250.0
_MIN_USABLE: Final = 16


class BackgroundModel:
    """The scene's colours and how much they vary.

    Attributes:
        colour: `(height, width, channel)` float32 BGR 0..255.
        noise: `(height, width, channel)` float32 standard deviation in grey levels, above 0.
    """

    def __init__(self, colour: NDArray[np.float32], noise: NDArray[np.float32]) -> None:
        self.colour = colour
        self.noise = noise
        self._plane = _unit_plane(colour.shape[0], colour.shape[1])
        # Detector and segmenter both ask for every frame's.
        self._gains: dict[int, NDArray[np.float32]] = {}

    def resized(self, width_px: int, height_px: int) -> "BackgroundModel":
        """Return the model at a smaller size, its noise reduced as averaging pixels reduces it."""
        size = (width_px, height_px)
        scale = width_px / self.colour.shape[1]
        # Codec noise is correlated between neighbours: it falls slower than white noise would.
        relief = np.float32(max(scale, 0.5) ** 0.5)
        colour = as_float32(cv2.resize(self.colour, size, interpolation=cv2.INTER_AREA))
        noise = as_float32(cv2.resize(self.noise, size, interpolation=cv2.INTER_AREA))
        return BackgroundModel(colour, noise * relief)

    def gain(self, frame: Frame) -> NDArray[np.float32]:
        """Estimate how bright a frame of the recording is beside the model.

        Args:
            frame: of the model's size.

        Returns:
            `(channel, 3)`: gain = g[0] + g[1] x + g[2] y with x, y in [-1, 1] over the picture.
        """
        gain = self._gains.get(frame.index)
        if gain is None:
            grid = coarse_grid(frame.picture.shape)
            gain = fit_gain(frame.picture.colour(grid).astype(np.float32), self.colour[grid])
            self._gains[frame.index] = gain
        return gain

    def lit(
        self, gain: NDArray[np.float32], rows: slice = slice(None), columns: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the model's colours under a gain, `(rows, columns, channel)` float32."""
        factors = cv2.transform(self._plane[rows, columns], gain)
        return as_float32(cv2.multiply(factors, self.colour[rows, columns]))


def _unit_plane(height: int, width: int) -> NDArray[np.float32]:
    """Return `(height, width, 3)` float32: 1, x and y, both running from -1 to 1."""
    plane = np.ones((height, width, 3), dtype=np.float32)
    plane[:, :, 1] = np.linspace(-1, 1, width, dtype=np.float32)
    plane[:, :, 2] = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return plane


def measure_distance(
    image: NDArray[np.uint8], lit: NDArray[np.float32], noise: NDArray[np.float32], blur_px: float
) -> NDArray[np.float32]:
    """Return how far each pixel is from the scene, in standard deviations, smoothed.

    Args:
        image: `(height, width, channel)` uint8.
        lit: the scene under the frame's lighting, same shape, float32.
        noise: its standard deviation, same shape, float32.
        blur_px: sigma of the smoothing of the signed difference, which averages noise away.

    Returns:
        `(height, width)` float32, root mean square over channels.
    """
    difference = cv2.subtract(image, lit, dtype=cv2.CV_32F)
    ratio = cv2.divide(cv2.GaussianBlur(difference, (0, 0), blur_px), noise)
    weights = np.full((1, 3), 1 / 3, dtype=np.float32)
    return as_float32(cv2.sqrt(cv2.transform(cv2.multiply(ratio, ratio), weights)))


def coarse_grid(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the coarse grid of a picture of a height and width: `(rows, columns)`."""
    row_step, column_step = (max(1, size // _GRID_POINTS) for size in shape)
    return slice(row_step // 2, None, row_step), slice(column_step // 2, None, column_step)


def fit_gain(image: NDArray[np.float32], model: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit image = model (a + b x + c y) per channel; people are left out by reweighting.

    Args:
        image: `(height, width, channel)` float32, on a coarse grid.
        model: the same of the scene.

    Returns:
        `(channel, 3)` float32: a, b, c; 1, 0, 0 where too few pixels can tell.
    """
    height, width, channels = model.shape
    y = np.repeat(np.linspace(-1, 1, height, dtype=np.float32), width)
    x = np.tile(np.linspace(-1, 1, width, dtype=np.float32), height)
    level = model.reshape(-1, channels)
    value = image.reshape(-1, channels)
    usable = ((level > _MIN_LEVEL) & (level < _MAX_LEVEL) & (value < _MAX_LEVEL)).all(axis=1)
    gains = np.zeros((channels, 3), dtype=np.float32)
    gains[:, 0] = 1.0
    if np.count_nonzero(usable) < _MIN_USABLE:
        return gains
    level, value = level[usable].T, value[usable].T  # (channel, point)
    gains[:, 0] = start = np.median(value / level, axis=1)
    plane = np.stack([np.ones_like(x), x, y])[:, usable]  # (3, point)
    terms = level[:, None, :] * plane  # (channel, 3, point)
    for _ in range(_GAIN_ROUNDS):
        residual = np.abs(value - np.einsum("ck,ckp->cp", gains, terms))
        spread = np.maximum(1.0, 1.48 * np.median(residual, axis=1, keepdims=True))
        weight = np.clip(1 - (residual / (4 * spread)) ** 2, 0, None) ** 2
        weighted = terms * weight[:, None, :]
        matrix = weighted @ terms.transpose(0, 2, 1)
        # A whisper of ridge, towards the median gain: a picture without structure stays solvable.
        ridge = 1e-3 * np.trace(matrix, axis1=1, axis2=2) / 3 + 1e-6
        matrix += ridge[:, None, None] * np.eye(3, dtype=np.float32)
        right = np.einsum("ckp,cp->ck", weighted, value)
        right[:, 0] += ridge * start
        gains = np.linalg.solve(matrix, right[:, :, None])[:, :, 0].astype(np.float32)
    return gains
