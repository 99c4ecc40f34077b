"""Clips of two views as samples: silhouettes from the frame store, or restricted pictures.

A clip is some frames of the front and of the side sequence of one walk at the same instants; see
`transforms.dual_view`. Silhouettes are not stored twice: a clip says where its frames are.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl

from training.frame_index import Positions
from training.frame_sampling import all_ordered
from training.frame_store import FrameStore
from transforms.dual_view.pairing import VIEWS
from transforms.dual_view.rgb_shards import RgbClips
from transforms.errors import IntegrityError

if TYPE_CHECKING:
    from torch import Tensor


class SilhouetteClips:
    """The clips of a table, by their rows; a `SampleStore`.

    Args:
        store: of the dataset that the clips are of.
        clips: as `clips.parquet` has them.

    Raises:
        IntegrityError: a sequence of a clip is not in the store.
    """

    def __init__(self, store: FrameStore, clips: pl.DataFrame) -> None:
        self._store = store
        # (clip, view) and (clip, view, frame)
        self._sequences: Positions = np.stack(
            [store.index.find_positions(clips[f"{view}_sequence_id"].to_list()) for view in VIEWS],
            axis=1,
        )
        self._frames: Positions = np.stack(
            [np.array(clips[f"{view}_frames"].to_list(), dtype=np.int64) for view in VIEWS],
            axis=1,
        )

    def __len__(self) -> int:
        return len(self._sequences)

    def shape_of(self, sample_count: int, frame_count: int, *, is_packed: bool) -> tuple[int, ...]:
        """Return the shape of a batch, see `gather` and `gather_packed`."""
        one = self._store.shape_of(sample_count, frame_count, is_packed=is_packed)
        return (sample_count, len(VIEWS), *one[1:])

    def gather(
        self,
        positions: Positions,
        frames: Positions,
        out: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return `(sample, view, 1, frame, 64, 44) float32` in [0, 1]."""
        sequences, chosen = self._locate(positions, frames)
        shape = self.shape_of(*frames.shape, is_packed=False)
        flat = None if out is None else out.reshape(-1, *shape[2:])
        return self._store.gather(sequences, chosen, flat).reshape(shape)

    def gather_packed(
        self,
        positions: Positions,
        frames: Positions,
        out: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return `(sample, view, frame, byte) uint8`: the same frames as they are stored."""
        sequences, chosen = self._locate(positions, frames)
        shape = self.shape_of(*frames.shape, is_packed=True)
        flat = None if out is None else out.reshape(-1, *shape[2:])
        return self._store.gather_packed(sequences, chosen, flat).reshape(shape)

    def expand(self, packed: "Tensor") -> "Tensor":
        """Turn what `gather_packed` gives, on any device, into what `gather` gives."""
        expanded = self._store.expand(packed.flatten(end_dim=1))
        return expanded.reshape(*packed.shape[:2], *expanded.shape[1:])

    def read(self, position: int, *, cap: int) -> npt.NDArray[np.float32]:
        """Return one clip, at most `cap` frames of it: `(1, 2, 1, frame, 64, 44) float32`."""
        frames = all_ordered(self._frames.shape[2], cap)[None]
        return self.gather(np.array([position]), frames)

    def _locate(self, positions: Positions, frames: Positions) -> tuple[Positions, Positions]:
        """Return sequences `(sample * view,)` and frames `(sample * view, frame)` in them."""
        chosen = np.take_along_axis(self._frames[positions], frames[:, None], axis=2)
        return self._sequences[positions].reshape(-1), chosen.reshape(-1, frames.shape[1])


class RgbClipStore:
    """The pictures of the clips of a table, by their rows; a `SampleStore`.

    Args:
        directory: that of the clips.
        clips: schema `CLIPS`, at least one, all with pictures.

    Raises:
        InputError: no pictures were cut.
        IntegrityError: they are damaged.
    """

    def __init__(self, directory: Path, clips: pl.DataFrame) -> None:
        self._pictures = RgbClips(directory)
        self._names = clips["clip_id"].to_list()
        self._frame_count = len(clips["front_frames"][0])
        self._size_px = self._pictures.read(self._names[0], VIEWS[0]).shape[1]

    def __len__(self) -> int:
        return len(self._names)

    def shape_of(self, sample_count: int, frame_count: int, *, is_packed: bool) -> tuple[int, ...]:
        """Return the shape of a batch, see `gather` and `gather_packed`."""
        size = (self._size_px, self._size_px)
        if is_packed:
            return (sample_count, len(VIEWS), frame_count, *size, 3)
        return (sample_count, len(VIEWS), 3, frame_count, *size)

    def gather(
        self,
        positions: Positions,
        frames: Positions,
        out: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return `(sample, view, colour, frame, height, width) float32` in [0, 1], RGB."""
        shape = self.shape_of(*frames.shape, is_packed=False)
        batch = np.empty(shape, np.float32) if out is None else out
        packed = self.gather_packed(positions, frames)
        np.divide(packed.transpose(0, 1, 5, 2, 3, 4), np.float32(255.0), out=batch)
        return batch

    def gather_packed(
        self,
        positions: Positions,
        frames: Positions,
        out: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return `(sample, view, frame, height, width, colour) uint8`, RGB."""
        shape = self.shape_of(*frames.shape, is_packed=True)
        batch = np.empty(shape, np.uint8) if out is None else out
        for sample, (position, chosen) in enumerate(zip(positions.tolist(), frames, strict=True)):
            for view, name in enumerate(VIEWS):
                pictures = self._read_pictures(self._names[position], name)
                for place, frame in enumerate(chosen):
                    cv2.cvtColor(pictures[frame], cv2.COLOR_BGR2RGB, batch[sample, view, place])
        return batch

    def expand(self, packed: "Tensor") -> "Tensor":
        """Turn what `gather_packed` gives, on any device, into what `gather` gives."""
        return packed.permute(0, 1, 5, 2, 3, 4).float() / 255.0

    def read(self, position: int, *, cap: int) -> npt.NDArray[np.float32]:
        """Return one clip, at most `cap` frames of it, as a batch of one."""
        return self.gather(np.array([position]), all_ordered(self._frame_count, cap)[None])

    def _read_pictures(self, clip_id: str, view: str) -> npt.NDArray[np.uint8]:
        pictures = self._pictures.read(clip_id, view)
        expected = (self._frame_count, self._size_px, self._size_px)
        if pictures.shape[:3] != expected:
            raise IntegrityError(
                "pictures of another number or size than the other clips'",
                where=f"{clip_id} {view}",
                expected=expected,
                found=pictures.shape[:3],
                fix="cut them again: `gaitworks run --force dual_view_clips`",
            )
        return pictures
