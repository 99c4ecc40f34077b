"""The stores that others ship, each the way its documentation recommends for speed.

Each is imported when it is opened: one that is not installed is left out, and said to be.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stores.base import (
    BATCH_FRAMES,
    BATCH_SEQUENCES,
    PACKED_BYTES,
    Bytes,
    Floats,
    PackedStore,
    Positions,
    Source,
    Store,
    Wanted,
    as_rows,
)
from training.unpack import unpack_to_uint8
from transforms.extract.runtimes.torchvision_guard import ensure_torchvision_ops


class MosaicStreaming(PackedStore):
    """MDS, a sequence's packed frames as one `bytes` column, local."""

    name = "MosaicML Streaming, packed"
    key = "mds"
    compression: str | None = None

    def build(self, source: Source) -> None:
        ensure_torchvision_ops()
        from streaming import MDSWriter

        with MDSWriter(
            out=str(self.folder), columns={"packed": "bytes"}, compression=self.compression
        ) as writer:
            for rows in source.packed():
                writer.write({"packed": rows.tobytes()})

    def open(self) -> None:
        ensure_torchvision_ops()
        from streaming import StreamingDataset
        from streaming.base.util import clean_stale_shared_memory

        clean_stale_shared_memory()
        self.dataset = StreamingDataset(local=str(self.folder), shuffle=False, batch_size=1)

    def close(self) -> None:
        del self.dataset

    def rows(self, positions: Positions) -> list[Bytes]:
        return [as_rows(self.dataset[int(position)]["packed"]) for position in positions]


class LanceSequences(PackedStore):
    """Lance, one row per sequence."""

    name = "Lance, packed per sequence"
    key = "lance-sequences"

    def build(self, source: Source) -> None:
        import lance

        column = pa.array([rows.tobytes() for rows in source.packed()], pa.large_binary())
        lance.write_dataset(pa.table({"packed": column}), str(self.folder / "data.lance"))

    def open(self) -> None:
        import lance

        self.dataset = lance.dataset(str(self.folder / "data.lance"))

    def close(self) -> None:
        del self.dataset

    def rows(self, positions: Positions) -> list[Bytes]:
        table = self.dataset.take(positions.tolist(), columns=["packed"])
        return [as_rows(value.as_buffer()) for value in table["packed"]]


class LanceFrames(Store):
    """Lance, one row per frame, a fixed-size list of 352 bytes: its layout for tensors."""

    name = "Lance, packed per frame"
    key = "lance-frames"
    reports_packed = True

    def build(self, source: Source) -> None:
        import lance

        rows = np.concatenate(list(source.packed()))
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), PACKED_BYTES)
        lance.write_dataset(pa.table({"packed": column}), str(self.folder / "data.lance"))
        np.save(self.folder / "offsets.npy", np.concatenate([[0], np.cumsum(source.lengths())]))

    def open(self) -> None:
        import lance

        self.dataset = lance.dataset(str(self.folder / "data.lance"))
        self.offsets = np.load(self.folder / "offsets.npy")

    def close(self) -> None:
        del self.dataset

    def packed(self, wanted: Wanted) -> Bytes:
        places = (self.offsets[wanted.sequences][:, None] + wanted.frames).ravel()
        # Sorted takes are Lance's fast path; the batch is put back in order afterwards.
        order = np.argsort(places)
        found = _fixed_rows(self.dataset.take(places[order].tolist(), columns=["packed"]))
        out = np.empty_like(found)
        out[order] = found
        return out.reshape(*wanted.frames.shape, PACKED_BYTES)

    def batch(self, wanted: Wanted) -> Floats:
        return self.unpack(self.packed(wanted))

    def sequence(self, position: int) -> Bytes:
        start, stop = (int(place) for place in self.offsets[position : position + 2])
        table = self.dataset.to_table(columns=["packed"], offset=start, limit=stop - start)
        return unpack_to_uint8(_fixed_rows(table))


def _fixed_rows(table: pa.Table) -> Bytes:
    column = table["packed"].combine_chunks()
    return np.asarray(column.flatten()).reshape(-1, PACKED_BYTES)


class HuggingFace(PackedStore):
    """Hugging Face datasets from disk (memory-mapped Arrow), one `large_binary` per sequence."""

    name = "HF datasets, packed, arrow format"
    key = "datasets"

    def build(self, source: Source) -> None:
        import datasets

        features = datasets.Features({"packed": datasets.Value("large_binary")})
        values = [rows.tobytes() for rows in source.packed()]
        dataset = datasets.Dataset.from_dict({"packed": values}, features=features)
        dataset.save_to_disk(str(self.folder / "data"))

    def open(self) -> None:
        import datasets

        self.dataset = datasets.load_from_disk(str(self.folder / "data")).with_format("arrow")

    def close(self) -> None:
        del self.dataset

    def rows(self, positions: Positions) -> list[Bytes]:
        # One row at a time is a view of the map; a list of rows would be copied together.
        found = []
        for position in positions:
            table = self.dataset[int(position)]
            found.append(as_rows(table["packed"][0].as_buffer()))
        return found


class HuggingFaceBatches(HuggingFace):
    """The same files, a list of rows at a time."""

    name = "HF datasets, packed, python format"

    def open(self) -> None:
        import datasets

        self.dataset = datasets.load_from_disk(str(self.folder / "data"))

    def rows(self, positions: Positions) -> list[Bytes]:
        return [as_rows(data) for data in self.dataset[positions.tolist()]["packed"]]


class LitData(PackedStore):
    """litdata's optimized chunks, a sequence's packed frames as bytes."""

    name = "litdata, packed"
    key = "litdata"

    def build(self, source: Source) -> None:
        from litdata.streaming.cache import Cache

        cache = Cache(str(self.folder), chunk_bytes="64MB")
        for position, rows in enumerate(source.packed()):
            cache[position] = rows.tobytes()
        cache.done()
        cache.merge()

    def open(self) -> None:
        from litdata import StreamingDataset

        self.dataset = StreamingDataset(str(self.folder), shuffle=False)

    def close(self) -> None:
        del self.dataset

    def rows(self, positions: Positions) -> list[Bytes]:
        return [as_rows(self.dataset[int(position)]) for position in positions]


class Ffcv(Store):
    """FFCV: one sample per packed frame, read in an order of ours, by one thread of its own.

    Its loader takes an order, not requests: the frames of many batches are asked for at once.
    """

    name = "FFCV, packed per frame, custom order"
    key = "ffcv"
    reports_packed = True

    def build(self, source: Source) -> None:
        from ffcv.fields import NDArrayField
        from ffcv.writer import DatasetWriter

        rows = np.concatenate(list(source.packed()))
        fields = {"packed": NDArrayField(np.dtype("u1"), (PACKED_BYTES,))}
        writer = DatasetWriter(str(self.folder / "frames.beton"), fields, num_workers=1)
        writer.from_indexed_dataset(_Frames(rows))
        np.save(self.folder / "offsets.npy", np.concatenate([[0], np.cumsum(source.lengths())]))

    def open(self) -> None:
        self.offsets = np.load(self.folder / "offsets.npy")
        self.loaders: dict[int, Any] = {}  # by batch size; each compiles its pipeline once
        # The first full batch compiles the loader; it is the file's first frame, over and over.
        frame_count = BATCH_SEQUENCES * BATCH_FRAMES
        list(self._read(np.zeros(frame_count), frame_count))

    def close(self) -> None:
        self.loaders = {}

    def batches(self, wanted: Sequence[Wanted]) -> Iterator[Floats]:
        for rows in self.packed_batches(wanted):
            yield self.unpack(rows)

    def packed_batches(self, wanted: Sequence[Wanted]) -> Iterator[Bytes]:
        places = [(self.offsets[b.sequences][:, None] + b.frames).ravel() for b in wanted]
        shape = wanted[0].frames.shape
        for found in self._read(np.concatenate(places), shape[0] * shape[1]):
            yield found.reshape(*shape, PACKED_BYTES)

    def batch(self, wanted: Wanted) -> Floats:
        (batch,) = self.batches([wanted])
        return batch

    def sequence(self, position: int) -> Bytes:
        start, stop = self.offsets[position : position + 2].tolist()
        (found,) = (
            unpack_to_uint8(rows) for rows in self._read(np.arange(start, stop), stop - start)
        )
        return found

    def sequences(self, count: int) -> Iterator[Bytes]:
        """Yield all sequences, in one order where all are as long as the first."""
        lengths = np.diff(self.offsets)
        if (lengths != lengths[0]).any():
            yield from super().sequences(count)
            return
        for rows in self._read(np.arange(self.offsets[-1]), int(lengths[0])):
            yield unpack_to_uint8(rows)

    def _read(self, places: Positions, batch_size: int) -> Iterator[Bytes]:
        from ffcv.fields.ndarray import NDArrayDecoder
        from ffcv.loader import Loader, OrderOption

        if batch_size not in self.loaders:
            self.loaders[batch_size] = Loader(
                str(self.folder / "frames.beton"),
                batch_size=batch_size,
                num_workers=1,
                os_cache=True,
                order=OrderOption.SEQUENTIAL,
                pipelines={"packed": [NDArrayDecoder()]},
            )
        loader = self.loaders[batch_size]
        order = places.astype(np.uint64)
        loader.traversal_order.sample_order = lambda epoch: order
        loader.first_traversal_order = order  # its length is what the loader takes for its own
        for (rows,) in loader:
            yield np.asarray(rows)


class _Frames:
    def __init__(self, rows: Bytes) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[Bytes]:
        return (self.rows[position],)
