"""Which frames of a sequence a batch takes: positions only, nothing is read here.

Drawing is compiled, and costs by what is drawn, not by how long the sequences are.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.frame_index import Positions
from transforms.compiled import compile_function
from transforms.training_settings import FrameSampling

_Kernel = Callable[[Positions, NDArray[np.float64], Positions], None]


def draw_frames(
    sampling: FrameSampling, lengths: Positions, count: int, generator: np.random.Generator
) -> Positions:
    """Draw `count` frames of each sequence.

    `fixed_unordered`: in random order, each at most once, unless the sequence is shorter than
    what is asked for: then each draw is from all of it. `fixed_ordered`: a run of consecutive
    frames that starts at random; a shorter sequence is repeated as often as needed first.

    Args:
        sampling: how.
        lengths: `(sample,)` frames of each sequence, at least 1.
        count: frames per sequence.
        generator: takes `sample x count` (unordered) or `sample` (ordered) uniform numbers.

    Returns:
        `(sample, count)` positions inside each sequence.
    """
    if sampling == "fixed_unordered":
        return draw_distinct(lengths, generator.random((len(lengths), count)))
    repeated = lengths * -(-count // lengths)
    starts = (generator.random(len(lengths)) * (repeated - count + 1)).astype(np.int64)
    frames: Positions = (starts[:, None] + np.arange(count)) % lengths[:, None]
    return frames


def all_ordered(length: int, cap: int) -> Positions:
    """Return the frames of a whole sequence in order, the first `cap` of a longer one."""
    return np.arange(min(length, cap), dtype=np.int64)


def draw_distinct(lengths: Positions, uniforms: NDArray[np.float64]) -> Positions:
    """Draw from `range(length)` per row, each number at most once if there are enough of them.

    Args:
        lengths: `(row,)`, at least 1.
        uniforms: `(row, draw)` numbers in [0, 1), one for each draw.

    Returns:
        `(row, draw)`, in random order; with replacement in rows with fewer numbers than draws.
    """
    drawn = np.empty(uniforms.shape, np.int64)
    _compiled_draw()(np.ascontiguousarray(lengths, np.int64), uniforms, drawn)
    return drawn


@cache
def _compiled_draw() -> _Kernel:
    from numba import types

    signature = types.void(types.int64[::1], types.float64[:, ::1], types.int64[:, ::1])
    kernel: _Kernel = compile_function(_draw, signature)
    return kernel


def _draw(lengths: Positions, uniforms: NDArray[np.float64], drawn: Positions) -> None:
    """Shuffle the front of `range(length)`, remembering only the places that were swapped."""
    count = uniforms.shape[1]
    places, values = np.empty(count, np.int64), np.empty(count, np.int64)
    for row in range(lengths.size):
        length = lengths[row]
        if length < count:
            for i in range(count):
                drawn[row, i] = int(uniforms[row, i] * length)
            continue
        for i in range(count):
            place = i + int(uniforms[row, i] * (length - i))
            taken, moved = place, i
            # The newest entry of a place holds; the lists are as short as a batch is wide.
            for k in range(i):
                if places[k] == place:
                    taken = values[k]
                if places[k] == i:
                    moved = values[k]
            places[i], values[i] = place, moved
            drawn[row, i] = taken
