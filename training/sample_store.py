"""What a training needs of the place its samples come from; walks and clips are such places."""

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from training.frame_index import Positions

if TYPE_CHECKING:
    from torch import Tensor


class SampleStore(Protocol):
    """Samples by their positions, each of some frames.

    What a model takes is `float32` in [0, 1] with the sample as its first axis. Packed, the same
    samples are fewer bytes of `uint8`, for the way to a device that unpacks them.
    """

    def shape_of(self, sample_count: int, frame_count: int, *, is_packed: bool) -> tuple[int, ...]:
        """Return the shape of so many samples of so many frames."""

    def gather(
        self,
        positions: Positions,
        frames: Positions,
        out: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return exactly the frames asked for, as a model takes them.

        Args:
            positions: `(sample,)`.
            frames: `(sample, frame)`, positions inside each sample.
            out: where to write.
        """

    def gather_packed(
        self,
        positions: Positions,
        frames: Positions,
        out: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return the same frames packed."""

    def expand(self, packed: "Tensor") -> "Tensor":
        """Turn what `gather_packed` gives, on any device, into what `gather` gives."""

    def read(self, position: int, *, cap: int) -> npt.NDArray[np.float32]:
        """Return one sample in order, at most `cap` frames of it, as a batch of one."""
