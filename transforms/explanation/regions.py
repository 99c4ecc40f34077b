"""Which rows of a normalised silhouette are which part of the body.

The bands are horizontal strips of the figure's height, for all people alike: a hand that hangs
beside the pelvis counts as pelvis.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]

CELL_ROWS: Final = 16
CELL_COLUMNS: Final = 11
"""The models' last feature map, and so the grid of all maps; a cell is 4 x 4 pixels."""

REGIONS: Final = {  # first and last row of cells, half-open, from the top
    "head": (0, 2),
    "shoulders": (2, 4),
    "trunk": (4, 7),
    "pelvis": (7, 9),
    "thighs": (9, 12),
    "shanks_feet": (12, 16),
}
"""Whole rows of cells near the heights of the joints after Drillis and Contini (1966), as in
Winter's Biomechanics and Motor Control of Human Movement: from the top, in units of the stature,
chin 0.130, shoulder 0.182, hip 0.470, knee 0.715. The knee is the lower edge of the thighs."""

HALVES: Final = ("all", "left", "right")
"""Of the picture: one who comes towards the camera has the right side on its left."""


def cover_cells(silhouettes: Reals) -> Reals:
    """Return the mean of each cell: `(..., 64, 44)` to `(..., 16, 11)`."""
    *rest, height, width = silhouettes.shape
    cells = silhouettes.reshape(
        *rest, CELL_ROWS, height // CELL_ROWS, CELL_COLUMNS, width // CELL_COLUMNS
    )
    return np.asarray(cells.mean(axis=(-3, -1)))


def sum_by_region(maps: Reals) -> NDArray[np.float64]:
    """Add maps up over the bands and their halves; the middle column belongs half to each half.

    Args:
        maps: `(..., 16, 11)`.

    Returns:
        `(..., region, half)` in the order of `REGIONS` and `HALVES`.
    """
    left = np.clip(CELL_COLUMNS / 2 - np.arange(CELL_COLUMNS), 0.0, 1.0)
    halves = np.stack([np.ones(CELL_COLUMNS), left, 1.0 - left], axis=1)  # (column, half)
    by_half = maps.astype(np.float64) @ halves  # (..., row, half)
    return np.stack([by_half[..., top:end, :].sum(axis=-2) for top, end in REGIONS.values()], -2)
