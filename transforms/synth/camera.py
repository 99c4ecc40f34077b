"""The static pinhole cameras at the side and at the end of the walking line."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_WALL_BEHIND_M: Final = 2.6  # from the walkers' farthest point to the wall
_NEAREST_M: Final = 0.4  # what comes closer than this is drawn as if it stood here


@dataclass(frozen=True)
class Camera:
    """A level camera; pixels from the upper left corner.

    Attributes:
        view: `side` looks towards positive y, `front` towards negative x.
        position_m: where it stands on the axis it looks along.
        height_m: how high it stands.
        focal_px: the focal length.
        centre_px: the column of the optical axis.
        horizon_px: the row of the optical axis.
        wall_m: the distance of the wall that ends the scene.
    """

    view: str
    position_m: float
    height_m: float
    focal_px: float
    centre_px: float
    horizon_px: float
    wall_m: float

    def project(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Project `(..., 3)` metres to `(..., 2)` pixels and `(...)` pixels per metre."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        if self.view == "side":
            depth, across = y - self.position_m, x
        else:
            depth, across = self.position_m - x, y
        scale = self.focal_px / np.maximum(depth, _NEAREST_M)
        column = self.centre_px + scale * across
        row = self.horizon_px - scale * (z - self.height_m)
        return np.stack([column, row], axis=-1), scale


def place_side_camera(
    *, px_per_m: float, distance_m: float, height_m: float, floor_px: float, width_px: int
) -> Camera:
    """Place the camera that sees a walker on the line y = 0 at `px_per_m`, feet at `floor_px`."""
    return Camera(
        view="side",
        position_m=-distance_m,
        height_m=height_m,
        focal_px=px_per_m * distance_m,
        centre_px=width_px / 2,
        horizon_px=floor_px - px_per_m * height_m,
        wall_m=distance_m + _WALL_BEHIND_M,
    )


def place_front_camera(
    *,
    x_far_m: float,
    x_near_m: float,
    far_px_per_m: float,
    near_px_per_m: float,
    height_m: float,
    floor_px: float,
    width_px: int,
) -> Camera:
    """Place the camera that a walker approaches from `x_far_m` to `x_near_m`.

    The walker grows from `far_px_per_m` to `near_px_per_m`, with the feet at `floor_px` when near;
    on a short way the camera keeps at least 3 m off and the walker grows less.
    """
    way_m = x_near_m - x_far_m
    near_m = max(3.0, way_m * far_px_per_m / (near_px_per_m - far_px_per_m))
    return Camera(
        view="front",
        position_m=x_near_m + near_m,
        height_m=height_m,
        focal_px=near_px_per_m * near_m,
        centre_px=width_px / 2,
        horizon_px=floor_px - near_px_per_m * height_m,
        wall_m=near_m + way_m + _WALL_BEHIND_M,
    )
