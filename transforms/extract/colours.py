"""What the three numbers of a stored pixel mean: its brightness and two differences of colour."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

BGR: Final = "bgr"
"""Not stored like that at all: three channels of every pixel."""

# The share of red and of blue in brightness; green has the rest.
_WEIGHTS: Final = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
_STUDIO_RANGE: Final = (16.0, 219.0, 224.0)
"""Black, and how many levels lie between black and white and between the extremes of colour."""
_FULL_RANGE: Final = (0.0, 255.0, 255.0)


def _to_bgr(
    weights: tuple[float, float], levels: tuple[float, float, float]
) -> NDArray[np.float64]:
    red, blue = weights
    green = 1 - red - blue
    black, bright, vivid = levels
    of_blue, of_red = 2 * (1 - blue), 2 * (1 - red)
    # Per channel of the result: its share of brightness, of the blue and of the red difference.
    shares = np.array(
        [[1, of_blue, 0], [1, -of_blue * blue / green, -of_red * red / green], [1, 0, of_red]]
    )
    shares = shares * 255 / np.array([bright, vivid, vivid])
    return np.column_stack([shares, -shares @ np.array([black, 128.0, 128.0])])


MATRICES: Final[Mapping[str, NDArray[np.float64]]] = {
    f"{name}_{extent}": _to_bgr(weights, levels)
    for name, weights in _WEIGHTS.items()
    for extent, levels in (("studio", _STUDIO_RANGE), ("full", _FULL_RANGE))
}
"""By name, `(3, 4)`: blue, green and red from the stored numbers and 1."""
