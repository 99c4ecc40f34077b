"""Ours: the dataset at rest, and the frame store that training reads."""

from pathlib import Path

import numpy as np

from stores.base import HEIGHT_PX, WIDTH_PX, Bytes, Floats, Source, Store, Wanted, pack
from training.frame_store import open_frame_store
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.reader import open_dataset
from transforms.shards.writer import write_shards


class FrameStoreFloats(Store):
    """The frame store, gathered and then unpacked by our kernel."""

    name = "gaitworks, frame store"
    key = "gaitworks"
    reports_packed = True
    is_peer = False

    def build(self, source: Source) -> None:
        dataset = self.folder / "dataset"
        dataset.mkdir()
        facts = write_shards(
            [source.folder / "intake"],
            [source.folder / "extraction"],
            ShardSettings(),
            dataset,
            progress=NoProgress(),
        )
        write_manifest(dataset, kind="silhouette_shards", facts=facts)
        self.open()
        self.close()

    def open(self) -> None:
        dataset = open_dataset(self.folder / "dataset")
        self.store = open_frame_store(dataset, self.folder / "scratch", NoProgress())

    def close(self) -> None:
        del self.store

    def batch(self, wanted: Wanted) -> Floats:
        samples, frames = wanted.frames.shape
        out = self.buffer((samples, 1, frames, HEIGHT_PX, WIDTH_PX))
        return self.store.gather(wanted.sequences, wanted.frames, out)

    def packed(self, wanted: Wanted) -> Bytes:
        return self.store.gather_packed(wanted.sequences, wanted.frames)

    def sequence(self, position: int) -> Bytes:
        return self.store.read_uint8(position)

    def files(self) -> list[Path]:
        """Return the frame store's files; the dataset it was built from is `Shards`."""
        return sorted(path for path in (self.folder / "scratch").rglob("*") if path.is_file())


class Shards(Store):
    """The Parquet shards themselves, a sequence at a time: what everything but training reads."""

    name = "gaitworks, Parquet shards"
    key = "gaitworks"
    is_peer = False

    def build(self, source: Source) -> None:
        FrameStoreFloats(self.folder).build(source)

    def open(self) -> None:
        self.dataset = open_dataset(self.folder / "dataset")
        self.sequence_ids = sorted(self.dataset.index["sequence_id"].to_list())

    def close(self) -> None:
        del self.dataset

    def batch(self, wanted: Wanted) -> Floats:
        rows = np.stack(
            [
                pack(self.sequence(position))[frames]
                for position, frames in zip(wanted.sequences.tolist(), wanted.frames, strict=True)
            ]
        )
        return self.unpack(rows)

    def sequence(self, position: int) -> Bytes:
        return self.dataset.read(self.sequence_ids[position])

    def files(self) -> list[Path]:
        """Return the dataset's files without the tars, which hold everything a second time."""
        return [
            path
            for path in sorted((self.folder / "dataset").rglob("*"))
            if path.is_file() and path.suffix != ".tar"
        ]
