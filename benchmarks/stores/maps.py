"""Memory maps that anyone would write, and webdataset's stream: stores without an index of theirs.

The naive map is what cold reads are measured against.
"""

import io
import itertools
import tarfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from stores.base import (
    HEIGHT_PX,
    PACKED_BYTES,
    WIDTH_PX,
    Bytes,
    Floats,
    PackedStore,
    Positions,
    Source,
    Store,
    Wanted,
)
from training.unpack import unpack_to_uint8

SEQUENCES_PER_SHARD: Final = 64


class NaiveMap(Store):
    """`np.memmap` of packed frames, fancy-indexed, `np.unpackbits`."""

    name = "naive memory map, packed"
    key = "map"
    reports_packed = True
    is_peer = False

    def build(self, source: Source) -> None:
        with (self.folder / "frames.bin").open("wb") as stream:
            for rows in source.packed():
                stream.write(rows.tobytes())
        np.save(self.folder / "offsets.npy", np.concatenate([[0], np.cumsum(source.lengths())]))

    def open(self) -> None:
        shape = (-1, PACKED_BYTES)
        self.frames = np.memmap(self.folder / "frames.bin", np.uint8, "r").reshape(shape)
        self.offsets = np.load(self.folder / "offsets.npy")

    def close(self) -> None:
        del self.frames

    def packed(self, wanted: Wanted) -> Bytes:
        return np.asarray(self.frames[self.offsets[wanted.sequences][:, None] + wanted.frames])

    def batch(self, wanted: Wanted) -> Floats:
        pixels = np.unpackbits(self.packed(wanted), axis=-1).astype(np.float32)
        return pixels.reshape(len(pixels), 1, -1, HEIGHT_PX, WIDTH_PX)

    def sequence(self, position: int) -> Bytes:
        rows = self.frames[self.offsets[position] : self.offsets[position + 1]]
        return (np.unpackbits(rows, axis=-1) * np.uint8(255)).reshape(-1, HEIGHT_PX, WIDTH_PX)


class TarWithOffsets(PackedStore):
    """Uncompressed tar members found through an index of their offsets, memory-mapped."""

    name = "tar + offset index, memory-mapped"
    key = "tar"
    is_peer = False

    def build(self, source: Source) -> None:
        write_tars(self.folder, source)
        places = []
        for number, path in enumerate(sorted(self.folder.glob("*.tar"))):
            with tarfile.open(path, "r:") as archive:
                places += [(number, member.offset_data, member.size) for member in archive]
        np.save(self.folder / "places.npy", np.array(places, np.int64))

    def open(self) -> None:
        self.maps = [np.memmap(path, np.uint8, "r") for path in sorted(self.folder.glob("*.tar"))]
        self.places = np.load(self.folder / "places.npy").tolist()

    def close(self) -> None:
        self.maps = []

    def rows(self, positions: Positions) -> list[Bytes]:
        found = []
        for position in positions:
            number, offset, size = self.places[position]
            # All our arrays have the same short header.
            block = self.maps[number][offset + 128 : offset + size]
            found.append(block.reshape(-1, PACKED_BYTES))
        return found


class WebDataset(Store):
    """Packed `.npy` per sequence, shuffled shards and a shuffle buffer: its own way to be random.

    It cannot be asked for a sequence: a batch is whatever comes next, with frames drawn by us.
    """

    name = "webdataset, packed .npy"
    key = "tar"

    def build(self, source: Source) -> None:
        TarWithOffsets(self.folder).build(source)

    def open(self) -> None:
        self.stream = self._stream()

    def close(self) -> None:
        self.stream.close()

    def _stream(self) -> Generator[tuple[str, Bytes], None, None]:
        import webdataset as wds

        urls = [str(path) for path in sorted(self.folder.glob("*.tar"))]
        while True:
            dataset = wds.WebDataset(urls, shardshuffle=len(urls), seed=0, empty_check=False)
            for sample in dataset.shuffle(100):
                yield sample["__key__"], np.load(io.BytesIO(sample["npy"]), allow_pickle=False)

    def batch(self, wanted: Wanted) -> Floats:
        out = np.empty((*wanted.frames.shape, PACKED_BYTES), np.uint8)
        for row, frames in enumerate(wanted.frames):
            _, rows = next(self.stream)
            np.take(rows, frames % len(rows), axis=0, out=out[row])
        return self.unpack(out)

    def sequence(self, position: int) -> Bytes:
        raise NotImplementedError

    def sequences(self, count: int) -> Iterator[Bytes]:
        """Yield all sequences in file order, which is theirs."""
        import webdataset as wds

        urls = [str(path) for path in sorted(self.folder.glob("*.tar"))]
        for sample in wds.WebDataset(urls, shardshuffle=False, empty_check=False):
            yield unpack_to_uint8(np.load(io.BytesIO(sample["npy"]), allow_pickle=False))


def write_tars(folder: Path, source: Source) -> None:
    """Write tars of one `.npy` of packed frames per sequence."""
    sequences = enumerate(source.packed())
    for number in itertools.count():
        part = list(itertools.islice(sequences, SEQUENCES_PER_SHARD))
        if not part:
            return
        path = folder / f"{number:05d}.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for position, rows in part:
                buffer = io.BytesIO()
                np.save(buffer, rows)
                header = tarfile.TarInfo(f"{position:06d}.npy")
                header.size = buffer.tell()
                buffer.seek(0)
                archive.addfile(header, buffer)
