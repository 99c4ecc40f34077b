"""One decoded picture, in colour or as a codec stores it, and the parts of it that are asked for.

Codecs store brightness whole and colour at half the size. Kept like that a picture takes half the
memory, and only what somebody looks at is ever turned into colour.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.arrays import as_uint8
from transforms.extract.colours import BGR, MATRICES

Region = tuple[slice, slice]
"""Rows and columns, whole or by steps, with starts and ends inside the picture."""

_ENTIRE: Final = (slice(None), slice(None))


class Picture(Protocol):
    """What backends may ask of a picture; all answers belong to who asks."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def nbytes(self) -> int:
        """The memory it takes."""

    def colour(self, region: Region = _ENTIRE) -> NDArray[np.uint8]:
        """Return `(rows, columns, channel)` BGR of the whole or of a region."""

    def grey(self, region: Region = _ENTIRE) -> NDArray[np.uint8]:
        """Return the brightness of the whole or of a region, `(rows, columns)`."""

    def scaled(self, height: int, width: int, interpolation: int) -> NDArray[np.uint8]:
        """Return the whole at another size, `(height, width, channel)` BGR; see `cv2.resize`."""


class ColourPicture:
    """A picture that is held in colour; see `Picture`."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Hold `(height, width, channel)` BGR, not copied."""
        self._pixels = pixels
        self.shape: tuple[int, int] = (pixels.shape[0], pixels.shape[1])
        self.nbytes = pixels.nbytes

    def colour(self, region: Region = _ENTIRE) -> NDArray[np.uint8]:
        """See `Picture`."""
        return self._pixels[region].copy()

    def grey(self, region: Region = _ENTIRE) -> NDArray[np.uint8]:
        """See `Picture`."""
        pixels = self._pixels[region]
        if pixels.size == 0:
            return np.zeros(pixels.shape[:2], np.uint8)
        return as_uint8(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))

    def scaled(self, height: int, width: int, interpolation: int) -> NDArray[np.uint8]:
        """See `Picture`."""
        return as_uint8(cv2.resize(self._pixels, (width, height), interpolation=interpolation))


class PlanarPicture:
    """A picture as codecs store it: brightness, and two planes of colour of half its sides.

    Attributes:
        planes: these three.
    """

    def __init__(self, planes: tuple[NDArray[np.uint8], ...], colours: str) -> None:
        """Hold three planes, not copied.

        Args:
            planes: brightness `(height, width)`, then blue and red difference of half the sides;
                the sides are even.
            colours: what the planes' numbers mean, a name of `transforms.extract.colours`.
        """
        self.planes = planes
        self._colours = colours
        self.shape: tuple[int, int] = (planes[0].shape[0], planes[0].shape[1])
        self.nbytes = sum(plane.nbytes for plane in planes)

    def colour(self, region: Region = _ENTIRE) -> NDArray[np.uint8]:
        """See `Picture`."""
        rows, columns = (
            np.arange(*part.indices(size)) for part, size in zip(region, self.shape, strict=True)
        )
        brightness, *halves = self.planes
        if min(len(rows), len(columns)) == 0:
            return np.zeros((len(rows), len(columns), 3), np.uint8)
        # Colour is not interpolated: four pixels share theirs, as in most players.
        if (region[0].step or 1) == (region[1].step or 1) == 1:
            planes = [_double(half, rows, columns) for half in halves]
        else:
            places = np.ix_(rows // 2, columns // 2)
            planes = [half[places] for half in halves]
        # OpenCV takes eight times as long over rows that do not follow one another.
        return self._mix([np.ascontiguousarray(plane) for plane in (brightness[region], *planes)])

    def grey(self, region: Region = _ENTIRE) -> NDArray[np.uint8]:
        """See `Picture`."""
        brightness = np.ascontiguousarray(self.planes[0][region])
        if brightness.size == 0:
            return brightness
        # Colour differences of grey are 128: what the matrix makes of it depends on brightness.
        return as_uint8(cv2.LUT(brightness, _GREYS[self._colours]))

    def scaled(self, height: int, width: int, interpolation: int) -> NDArray[np.uint8]:
        """See `Picture`."""
        size = (width, height)
        planes = [as_uint8(cv2.resize(p, size, interpolation=interpolation)) for p in self.planes]
        return self._mix(planes)

    def _mix(self, planes: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        return as_uint8(cv2.transform(cv2.merge(planes), MATRICES[self._colours]))


def stored_bytes(shape: tuple[int, int], colours: str) -> int:
    """Return how many bytes a stored picture of a height and width has."""
    height, width = shape
    return 3 * height * width if colours == BGR else 3 * height * width // 2


def read_stored(
    data: NDArray[np.uint8], shape: tuple[int, int], colours: str
) -> ColourPicture | PlanarPicture:
    """Return the picture that stored bytes are, without copying them.

    Args:
        data: `(bytes,)`, see `stored_bytes`: all pixels' BGR, or the planes one after the other.
        shape: height and width; even where there are planes.
        colours: a name of `transforms.extract.colours`.
    """
    height, width = shape
    if colours == BGR:
        return ColourPicture(data.reshape(height, width, 3))
    area = height * width
    ends = (area, area + area // 4)
    half = (height // 2, width // 2)
    brightness, blue, red = np.split(data, ends)
    planes = (brightness.reshape(shape), blue.reshape(half), red.reshape(half))
    return PlanarPicture(planes, colours)


def _double(
    half: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.uint8]:
    """Return a plane of half the sides at neighbouring rows and columns of the whole."""
    top, left = rows[0] // 2, columns[0] // 2
    part = half[top : rows[-1] // 2 + 1, left : columns[-1] // 2 + 1]
    # 257 n holds n in both of its bytes: a tenth of the time of OpenCV's nearest neighbour.
    whole = np.repeat((part.astype(np.uint16, order="C") * 257).view(np.uint8), 2, axis=0)
    y, x = rows[0] - 2 * top, columns[0] - 2 * left
    return whole[y : y + len(rows), x : x + len(columns)]


def _grey_table(matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    levels = np.arange(256)
    stored = np.stack([levels, np.full(256, 128), np.full(256, 128), np.ones(256)])
    table: NDArray[np.uint8] = np.clip(np.rint(matrix[0] @ stored), 0, 255).astype(np.uint8)
    return table


_GREYS: Final[Mapping[str, NDArray[np.uint8]]] = {
    name: _grey_table(matrix) for name, matrix in MATRICES.items()
}
