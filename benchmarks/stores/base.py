"""What a store must do to be compared: build, open, and give batches and whole sequences.

Every store holds the same binary silhouettes. Unless it cannot, it holds them as the fastest layout
anyone has measured, 352 bytes per frame (64x44, bit-packed), and unpacks with our own kernels: a
difference between two of them is then one of the stores, not of the unpacking.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from training.unpack import unpack_to_float, unpack_to_uint8
from transforms.shards.codec import binarise, decode_silhouettes

HEIGHT_PX: Final = 64
WIDTH_PX: Final = 44
CUT: Final = slice(10, 54)  # of the 64 columns that normalised silhouettes have
BATCH_SEQUENCES: Final = 64
BATCH_FRAMES: Final = 30
PACKED_BYTES: Final = HEIGHT_PX * WIDTH_PX // 8

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Wanted:
    """One training batch: `(sample,)` sequences and `(sample, frame)` positions in each."""

    sequences: Positions
    frames: Positions


@dataclass(frozen=True)
class Source:
    """Synthetic sequences on disk, as `gaitworks synth --silhouettes` leaves them."""

    folder: Path

    @property
    def table(self) -> Path:
        return self.folder / "extraction" / "sequences.parquet"

    def lengths(self) -> Positions:
        """Return the number of frames of every sequence."""
        column = pq.read_table(self.table, columns=["frame_count"])["frame_count"]
        return column.to_numpy().astype(np.int64)

    def sequences(self) -> Iterator[Bytes]:
        """Yield `(frame, 64, 64) uint8` {0, 255}, in the order of the ids."""
        columns = ["codec", "frame_count", "height_px", "width_px", "silhouettes"]
        for part in pq.ParquetFile(self.table).iter_batches(16, columns=columns):
            for row in part.to_pylist():
                shape = (row["frame_count"], row["height_px"], row["width_px"])
                yield binarise(decode_silhouettes(row["silhouettes"], row["codec"], shape))

    def packed(self) -> Iterator[Bytes]:
        """Yield `(frame, 352) uint8`, in the order of the ids."""
        for silhouettes in self.sequences():
            yield pack(silhouettes[:, :, CUT])


def pack(silhouettes: Bytes) -> Bytes:
    """Return `(frame, 352) uint8` of `(frame, 64, 44) uint8` {0, 255}."""
    return np.packbits(silhouettes.reshape(len(silhouettes), -1), axis=-1)


class Store(ABC):
    """One way to keep silhouettes; `folder` holds all of it.

    Attributes:
        name: as the table prints it.
        key: of its folder; stores with the same key read the same files.
        reports_packed: whether `packed` gives what `batch` unpacks, so that a device could do it.
        is_peer: whether ours is to be ahead of it.
    """

    name: str
    key: str
    reports_packed = False
    is_peer = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._buffers: dict[tuple[int, ...], Floats] = {}

    @abstractmethod
    def build(self, source: Source) -> None:
        """Write the store into its folder, which exists and is empty."""

    @abstractmethod
    def open(self) -> None:
        """Make it ready to read, in this process, without workers."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and maps, so that their pages can leave memory."""

    @abstractmethod
    def batch(self, wanted: Wanted) -> Floats:
        """Return `(sample, 1, frame, 64, 44) float32` in [0, 1], ready for a model."""

    def batches(self, wanted: Sequence[Wanted]) -> Iterator[Floats]:
        """Yield one batch after the other; a batch may lie where the one before it did."""
        for batch in wanted:
            yield self.batch(batch)

    def packed(self, wanted: Wanted) -> Bytes:
        """Return `(sample, frame, 352) uint8`."""
        raise NotImplementedError

    def packed_batches(self, wanted: Sequence[Wanted]) -> Iterator[Bytes]:
        """Yield one packed batch after the other."""
        for batch in wanted:
            yield self.packed(batch)

    @abstractmethod
    def sequence(self, position: int) -> Bytes:
        """Return one whole sequence, `(frame, 64, 44 or 64) uint8` {0, 255}."""

    def sequences(self, count: int) -> Iterator[Bytes]:
        """Yield all `count` sequences in order."""
        for position in range(count):
            yield self.sequence(position)

    def buffer(self, shape: tuple[int, ...]) -> Floats:
        """Return the same floats each time: filling new memory would cost more than unpacking."""
        if shape not in self._buffers:
            self._buffers[shape] = np.empty(shape, np.float32)
        return self._buffers[shape]

    def unpack(self, rows: Bytes) -> Floats:
        """Return `(sample, 1, frame, 64, 44) float32` of `(sample, frame, 352) uint8`."""
        samples, frames = rows.shape[:2]
        flat = np.ascontiguousarray(rows.reshape(-1, PACKED_BYTES))
        out = self.buffer((samples, 1, frames, HEIGHT_PX, WIDTH_PX))
        unpack_to_float(flat, out.reshape(len(flat), -1))
        return out

    def footprint(self) -> int:
        """Return the bytes of all its files."""
        return sum(path.stat().st_size for path in self.files())

    def files(self) -> list[Path]:
        """Return all its files."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def rebuild(self, source: Source) -> None:
        """Empty the folder and build into it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.build(source)


class PackedStore(Store):
    """A store that gives a sequence's packed frames as one buffer."""

    reports_packed = True

    @abstractmethod
    def rows(self, positions: Positions) -> list[Bytes]:
        """Return `(frame, 352) uint8` of each sequence asked for."""

    def packed(self, wanted: Wanted) -> Bytes:
        """Pick the frames out of the whole sequences."""
        found = self.rows(wanted.sequences)
        out = np.empty((*wanted.frames.shape, PACKED_BYTES), np.uint8)
        for row, (sequence, frames) in enumerate(zip(found, wanted.frames, strict=True)):
            np.take(sequence, frames, axis=0, out=out[row], mode="clip")
        return out

    def batch(self, wanted: Wanted) -> Floats:
        """Unpack what `packed` gives."""
        return self.unpack(self.packed(wanted))

    def sequence(self, position: int) -> Bytes:
        """Unpack all frames of one sequence."""
        rows = self.rows(np.array([position]))[0]
        return unpack_to_uint8(np.ascontiguousarray(rows))


def as_rows(buffer: bytes | memoryview) -> Bytes:
    """Return a sequence's packed frames, `(frame, 352) uint8`, without a copy."""
    return np.frombuffer(buffer, np.uint8).reshape(-1, PACKED_BYTES)
