"""Packed frames become floats on the device of the model: 32 times fewer bytes travel to it."""

from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from training.unpack import (
    FRAME_HEIGHT_PX,
    FRAME_PX,
    FRAME_WIDTH_PX,
    PACKED_BYTES,
    bit_levels,
    grey_levels,
)

_LEVELS: Final = {PACKED_BYTES: bit_levels, FRAME_PX: grey_levels}


def expand_packed(packed: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the pixels of stored frames, exactly what `FrameStore.gather` gives.

    Args:
        packed: `(sample, frame, 352) uint8` binary or `(sample, frame, 2816) uint8` grey.
        dtype: of the result; binary frames are exact in every floating type.

    Returns:
        `(sample, 1, frame, 64, 44)` in [0, 1] on the device of `packed`.
    """
    sample_count, frame_count, row_bytes = packed.shape
    # A table, for grey too: CUDA divides by a constant as a multiplication, which rounds otherwise.
    table = _table(row_bytes, dtype, packed.device)
    pixels = torch.nn.functional.embedding(packed.int(), table)  # (sample, frame, byte, pixel)
    return pixels.reshape(sample_count, 1, frame_count, FRAME_HEIGHT_PX, FRAME_WIDTH_PX)


@lru_cache(maxsize=16)
def _table(row_bytes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    levels = torch.from_numpy(_LEVELS[row_bytes]().reshape(256, -1))
    return levels.to(device=device, dtype=dtype)
