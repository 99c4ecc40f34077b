"""A torch dataset that streams a remote dataset's sequences, shuffled, to any number of workers.

What a batch holds depends on the seed, the epoch, its number, and the share of the process that
reads it: never on how many workers there are, nor on where reading began.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from transforms.errors import SettingsError
from transforms.shards.remote import RemoteDataset
from transforms.shards.shard_stream import stream_rows
from transforms.shards.stream_order import Rows, StreamOrder

WINDOW_SHARDS: Final = 16
"""Sequences are mixed over this many shards."""


@dataclass(frozen=True)
class StreamedSequence:
    """One sequence as it comes out of a stream.

    Attributes:
        sequence_id: its id.
        participant_id: whose it is.
        label: the diagnosis, see `transforms.labels`.
        frames: uint8 [frame, height, width] in 0..255.
    """

    sequence_id: str
    participant_id: str
    label: str
    frames: NDArray[np.uint8]


Collate = Callable[[list[StreamedSequence]], Any]
"""Makes a batch, of whatever kind a training takes; runs in the workers."""


class SilhouetteStream(IterableDataset[Any]):
    """Batches of sequences in an order that is a pure function of (seed, epoch).

    Every sequence comes once per epoch. Give it to a `DataLoader` with `batch_size=None`. Call
    `start` before each epoch; it also reaches workers that persist.

    Args:
        dataset: the dataset.
        seed: of all epochs.
        batch_size: sequences of a batch; the last one of an epoch may be smaller.
        sequence_ids: what to stream, such as one side of a split; everything if None.
        collate: makes a batch of sequences; a list of them if None.
        rank: which of `world_size` processes this is; they share each epoch without overlap.
        world_size: how many processes train together.
        even: leave out up to one sequence per process, so that all have equally many batches.
        window_shards: sequences are mixed over this many shards.
        ahead_shards: how many shards each worker brings before their turn; a window if None.

    Raises:
        InputError: the dataset lacks one of `sequence_ids`.
        SettingsError: a size is not possible.
    """

    def __init__(
        self,
        dataset: RemoteDataset,
        *,
        seed: int,
        batch_size: int,
        sequence_ids: Iterable[str] | None = None,
        collate: Collate | None = None,
        rank: int = 0,
        world_size: int = 1,
        even: bool = False,
        window_shards: int = WINDOW_SHARDS,
        ahead_shards: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise SettingsError("a batch needs a size", expected="at least 1", found=batch_size)
        self._dataset = dataset
        ids = dataset.sequence_ids if sequence_ids is None else tuple(dict.fromkeys(sequence_ids))
        self._order = StreamOrder(dataset.find_rows(ids), dataset.shard_of, seed, window_shards)
        self._batch_size = batch_size
        self._collate: Collate = collate or list
        self._rank, self._world_size, self._even = rank, world_size, even
        self._ahead_shards = window_shards if ahead_shards is None else ahead_shards
        # Plain lists: polars' threads must not be touched in a forked worker.
        self._participants = dataset.index["participant_id"].to_list()
        self._labels = dataset.index["label"].to_list()
        # Shared memory, because a persistent worker works on a copy of everything else.
        self._start = torch.zeros(2, dtype=torch.int64)
        self._start.share_memory_()  # type: ignore[no-untyped-call]  # torch's own
        self._order.share(0, rank, world_size)  # refuses what is not possible now, not in a worker

    def start(self, epoch: int, batch: int = 0) -> None:
        """Go on from a batch of an epoch, both counted from 0; nothing before it is read."""
        if epoch < 0 or batch < 0:
            raise SettingsError(
                "epochs and batches count from 0", expected="at least 0", found=(epoch, batch)
            )
        self._start[0], self._start[1] = epoch, batch

    def __len__(self) -> int:
        """Return how many batches are left of the epoch."""
        epoch, batch = self._start.tolist()
        return max(0, math.ceil(len(self._share(epoch)) / self._batch_size) - int(batch))

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        epoch, batch = self._start.tolist()
        share, size = self._share(epoch), self._batch_size
        starts = range(batch * size, len(share), size)[number::count]
        batches = [share[start : start + size] for start in starts]
        rows = np.concatenate([*batches, share[:0]])
        sequences = stream_rows(self._dataset, rows, ahead_shards=self._ahead_shards)
        try:
            for members in batches:
                yield self._collate([self._name(*next(sequences)) for _ in members])
        finally:
            sequences.close()

    def _share(self, epoch: int) -> Rows:
        share = self._order.share(epoch, self._rank, self._world_size)
        return share[: len(self._order.rows) // self._world_size] if self._even else share

    def _name(self, row: int, frames: NDArray[np.uint8]) -> StreamedSequence:
        return StreamedSequence(
            self._dataset.sequence_ids[row], self._participants[row], self._labels[row], frames
        )
