"""The hot cache of a dataset's frames: one memory map, any frame in one step, no wrong frame ever.

Shards are made to be small and immutable; training draws single frames at random. The store is
built once per dataset version in scratch and is safe to delete. Opening it checks its index; each
sequence is compared with its checksum when a process touches it first.
"""

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from xxhash import xxh3_64_intdigest

from training.frame_files import build_store, read_store
from training.frame_index import FrameIndex, Positions
from training.frame_sampling import all_ordered
from training.unpack import (
    FRAME_HEIGHT_PX,
    FRAME_PX,
    FRAME_WIDTH_PX,
    unpack_to_float,
    unpack_to_uint8,
)
from transforms.errors import IntegrityError
from transforms.files import publish_directory
from transforms.processes import share_memory
from transforms.progress import Progress
from transforms.shards.reader import SilhouetteDataset

if TYPE_CHECKING:
    from torch import Tensor

_FORMAT: Final = "2"  # part of the folder's name: a changed layout is another store
# Linux reads no more than the device's read-ahead for one advice, on many systems this much.
_ADVICE_BYTES: Final = 128 << 10
_RESIDENT_SHARE: Final = 0.5
"""A larger store than this share of the memory loses pages again before they are next asked for."""

Frames = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class FrameStore:
    """All frames of a dataset, sequence after sequence in the order of their ids.

    May be shared by threads, inherited by a fork and sent to a spawned process, which maps the
    same pages. Made by `open_frame_store`.

    Attributes:
        directory: where it lies.
        dataset_version: of the dataset it was built from.
        index: ids, offsets and checksums of the sequences.
        rows: memory map, bit-packed `(frame, 352) uint8` or grey `(frame, 2816) uint8`; nothing
            checks what is read from here.
    """

    def __init__(self, directory: Path, dataset_version: str) -> None:
        """Map a store that is there; raises IntegrityError if it is damaged."""
        files = read_store(directory, dataset_version)
        self.directory = directory
        self.index: FrameIndex = files.index
        self.dataset_version = dataset_version
        with files.frames.open("rb") as stream:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self.rows: Frames = np.frombuffer(self._map, np.uint8).reshape(-1, files.row_bytes)
        self._is_intact = np.zeros(len(self.index), dtype=np.bool_)
        self._is_beyond_memory = len(self._map) > share_memory(1, _RESIDENT_SHARE)

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrameStore, (self.directory, self.dataset_version))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def lengths(self) -> Positions:
        """The number of frames of each sequence."""
        return np.diff(self.index.offsets)

    def shape_of(self, sample_count: int, frame_count: int, *, is_packed: bool) -> tuple[int, ...]:
        """Return the shape of a batch, see `gather` and `gather_packed`."""
        if is_packed:
            return (sample_count, frame_count, self.rows.shape[1])
        return (sample_count, 1, frame_count, FRAME_HEIGHT_PX, FRAME_WIDTH_PX)

    def gather(self, positions: Positions, frames: Positions, out: Floats | None = None) -> Floats:
        """Return exactly the frames asked for, unpacked.

        Args:
            positions: `(sample,)` of the sequences in the index.
            frames: `(sample, frame)` positions inside each sequence.
            out: where to write; a new array costs more than filling it.

        Returns:
            `(sample, 1, frame, 64, 44) float32` in [0, 1].

        Raises:
            IntegrityError: a sequence is damaged.
            IndexError: there is no such sequence or frame.
        """
        shape = self.shape_of(*frames.shape, is_packed=False)
        batch = np.empty(shape, np.float32) if out is None else out
        _require_buffer(batch, shape, np.float32)
        # Brought together first: unpacking rows from all over the map takes twice as long.
        packed = self.gather_packed(positions, frames)
        unpack_to_float(packed.reshape(-1, packed.shape[-1]), batch.reshape(-1, FRAME_PX))
        return batch

    def gather_packed(
        self, positions: Positions, frames: Positions, out: Frames | None = None
    ) -> Frames:
        """Return `(sample, frame, 352 or 2816) uint8`: the frames asked for, as they are stored.

        `expand` makes of them what `gather` returns; see there for the rest.
        """
        rows = self._locate(positions, frames)
        shape = self.shape_of(*frames.shape, is_packed=True)
        batch = np.empty(shape, np.uint8) if out is None else out
        _require_buffer(batch, shape, np.uint8)
        # "clip" writes straight into `out`; the rows are known to exist.
        self.rows.take(rows, axis=0, out=batch.reshape(-1, shape[-1]), mode="clip")
        return batch

    def expand(self, packed: "Tensor") -> "Tensor":
        """Turn what `gather_packed` gives, on any device, into what `gather` gives."""
        from training.device_unpack import expand_packed

        return expand_packed(packed)

    def read(self, position: int, *, cap: int) -> Floats:
        """Return the first `cap` frames of a sequence in order, `(1, 1, frame, 64, 44) float32`."""
        start, stop = self._bounds(position)
        return self.gather(np.array([position]), all_ordered(stop - start, cap)[None])

    def read_uint8(self, sequence: int, out: Frames | None = None) -> Frames:
        """Return a whole sequence: `(frame, 64, 44) uint8`, binary ones {0, 255}.

        Args:
            sequence: position in the index.
            out: room for at least so many frames, of which those that were read are returned.
        """
        start, stop = self._bounds(sequence)
        if not self._is_intact[sequence]:
            self._require_intact(np.array([sequence]))
        room = None if out is None else out[: stop - start]
        return unpack_to_uint8(self.rows[start:stop], room)

    def prefetch(self, sequences: Positions) -> None:
        """Ask the system to read sequences from the disk, whole and at once; does not wait.

        Cold single frames come page by page; this is what makes them come in long reads. Pages
        that are in memory cost 2 us a sequence.
        """
        row_bytes = self.rows.shape[1]
        offsets = self.index.offsets
        for start, stop in zip(
            (offsets[sequences] * row_bytes).tolist(),
            (offsets[sequences + 1] * row_bytes).tolist(),
            strict=True,
        ):
            for first in range(start - start % mmap.PAGESIZE, stop, _ADVICE_BYTES):
                self._map.madvise(mmap.MADV_WILLNEED, first, min(_ADVICE_BYTES, stop - first))

    def _bounds(self, sequence: int) -> tuple[int, int]:
        start, stop = self.index.offsets[sequence : sequence + 2].tolist()
        return start, stop

    def _locate(self, sequences: Positions, frames: Positions) -> Positions:
        """Return the rows of frames of intact sequences, `(sample * frame,)`."""
        starts = self.index.offsets[sequences]
        lengths = self.index.offsets[sequences + 1] - starts
        if sequences.min() < 0 or frames.min() < 0 or (frames >= lengths[:, None]).any():
            raise IndexError("a frame outside its sequence")
        # What was read once stays in memory where it fits, and asking costs a sixth of a batch.
        self.prefetch(
            sequences if self._is_beyond_memory else sequences[~self._is_intact[sequences]]
        )
        self._require_intact(sequences)
        rows: Positions = (starts[:, None] + frames).reshape(-1)
        return rows

    def _require_intact(self, sequences: Positions) -> None:
        for sequence in sequences[~self._is_intact[sequences]].tolist():
            start, stop = self._bounds(sequence)
            digest = xxh3_64_intdigest(self.rows[start:stop].data)
            if digest != self.index.checksums[sequence]:
                raise IntegrityError(
                    "damaged frames in the frame store",
                    where=f"sequence {self.index.sequence_ids[sequence]}",
                    expected=f"xxh3_64 {self.index.checksums[sequence]:016x}",
                    found=f"{digest:016x}",
                    fix=f"delete {self.directory}: it is built again from the dataset",
                )
            self._is_intact[sequence] = True


def open_frame_store(dataset: SilhouetteDataset, scratch: Path, progress: Progress) -> FrameStore:
    """Open the store of a dataset version, building it if it is missing or its index is damaged.

    Several processes may ask at once: one builds, the others wait. A killed builder, or a full
    disk, leaves nothing that is taken for a store.

    Raises:
        InputError: a sequence has a size that no model takes.
        IntegrityError: a sequence is not what the dataset's index says.
        GaitworksError: the disk is full.
    """
    directory = scratch / "frames" / f"{dataset.version[:32]}-{_FORMAT}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_name(directory.name + ".lock")):
        try:
            return FrameStore(directory, dataset.version)
        except IntegrityError:
            with publish_directory(directory) as staging:
                build_store(dataset, staging, progress)
        return FrameStore(directory, dataset.version)


def _require_buffer(out: npt.NDArray[Any], shape: tuple[int, ...], dtype: type) -> None:
    if out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(f"expected a contiguous {dtype.__name__} buffer of shape {shape}")
