"""What OpenCV returns, told to the type checker."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_float32(image: Any) -> NDArray[np.float32]:
    """Tell the type checker what an OpenCV result holds, and make sure of it."""
    # `Any`: OpenCV's stubs say "integer or floating" of every result.
    return np.asarray(image, dtype=np.float32)


def as_uint8(image: Any) -> NDArray[np.uint8]:
    """Tell the type checker what an OpenCV result holds, and make sure of it."""
    # `Any`: see `as_float32`.
    return np.asarray(image, dtype=np.uint8)
