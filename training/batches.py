"""Batches for the loop: planned by a sampler, read by threads ahead of the step that needs them.

Threads and not processes: what takes time here runs outside the GIL, and a process would have to
send what a thread has already written where the model reads it.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data import SequenceSet
from training.frame_index import Positions
from training.sample_store import SampleStore
from training.samplers import BatchPlan, IdentitySampler


class RawBatch(NamedTuple):
    """A batch in memory.

    Attributes:
        step: counted from 0.
        silhouettes: `float32` as the model takes them, or packed `uint8`, see `SampleStore`.
        labels: `(sample,)` class indices.
        identities: `(sample,)` see `BatchPlan`.
    """

    step: int
    silhouettes: NDArray[np.float32] | NDArray[np.uint8]
    labels: Positions
    identities: Positions


class Batch(NamedTuple):
    """A batch on the device of the model, `silhouettes` unpacked; otherwise as `RawBatch`."""

    step: int
    silhouettes: Tensor
    labels: Tensor
    identities: Tensor


@dataclass(frozen=True)
class BatchReader:
    """Any batch of a training by its step: `reader[step]`.

    Small, and may be sent to another process; a map-style dataset for torch's own `DataLoader`.

    Attributes:
        store: where the samples are.
        positions: of the training side's sequences in the store.
        labels: of these sequences.
        sampler: plans the batches.
        is_packed: leave the unpacking to the device.
        rank: which of the processes that share every batch this one is.
        world_size: how many they are.
    """

    store: SampleStore
    positions: Positions
    labels: Positions
    sampler: IdentitySampler
    is_packed: bool
    rank: int = 0
    world_size: int = 1

    def __getitem__(self, step: int) -> RawBatch:
        return self.read(step, None)

    def plan(self, step: int) -> BatchPlan:
        """Return this process's share of a step's batch."""
        return self.sampler.plan(step).share(self.rank, self.world_size)

    def allocate(self) -> Tensor:
        """Return room for the silhouettes of one batch, page-locked where that speeds a copy up."""
        sample_count = self.sampler.sample_count // self.world_size
        frame_count = self.sampler.frames_per_sequence
        return torch.empty(
            self.store.shape_of(sample_count, frame_count, is_packed=self.is_packed),
            dtype=torch.uint8 if self.is_packed else torch.float32,
            pin_memory=self.is_packed and torch.cuda.is_available(),
        )

    def read(self, step: int, out: Tensor | None) -> RawBatch:
        """Read a step's batch.

        Args:
            step: counted from 0.
            out: room from `allocate`, or None for new memory.

        Raises:
            IntegrityError: a sequence of the batch is damaged.
        """
        plan = self.plan(step)
        gather = self.store.gather_packed if self.is_packed else self.store.gather
        room = None if out is None else out.numpy()
        silhouettes = gather(self.positions[plan.members], plan.frames, room)
        return RawBatch(step, silhouettes, self.labels[plan.members], plan.identities)


def build_reader(
    store: SampleStore,
    sequences: SequenceSet,
    sampler: IdentitySampler,
    device: torch.device,
    *,
    rank: int = 0,
    world_size: int = 1,
) -> BatchReader:
    """Return the reader of a training side; frames travel packed to any device but the CPU."""
    return BatchReader(
        store=store,
        positions=sequences.positions,
        labels=sequences.labels,
        sampler=sampler,
        is_packed=device.type != "cpu",
        rank=rank,
        world_size=world_size,
    )


class BatchStream:
    """The batches of consecutive steps, in order, read ahead by threads.

    A context manager. With 0 threads batches are read when they are asked for; their order and
    content never depend on the number. The memory of a batch's silhouettes is used again as soon
    as the next one is asked for: copy what must last.

    Attributes:
        waited_s: how long the consumer has waited for data so far.
    """

    def __init__(
        self,
        reader: BatchReader,
        steps: range,
        device: torch.device,
        *,
        thread_count: int = 1,
        ahead: int = 2,
    ) -> None:
        self.waited_s = 0.0
        self._reader = reader
        self._steps = iter(steps)
        self._device = device
        self._pool = ThreadPoolExecutor(thread_count, "batches") if thread_count else None
        self._ahead: deque[tuple[_Room, Future[RawBatch]]] = deque()
        self._free = [_Room(reader.allocate()) for _ in range(ahead + 1 if thread_count else 1)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Batch]:
        for room, raw in self._rooms():
            start = time.perf_counter()
            batch = self._to_device(room, raw)
            self.waited_s += time.perf_counter() - start
            yield batch

    def raw(self) -> Iterator[RawBatch]:
        """Yield the batches as they are in memory, packed ones packed."""
        for _, raw in self._rooms():
            yield raw

    def _rooms(self) -> Iterator[tuple["_Room", RawBatch]]:
        while True:
            start = time.perf_counter()
            found = self._next_raw()
            self.waited_s += time.perf_counter() - start
            if found is None:
                return
            yield found
            self._free.append(found[0])

    def _next_raw(self) -> tuple["_Room", RawBatch] | None:
        while self._free and (step := next(self._steps, None)) is not None:
            room = self._free.pop()
            if self._pool is None:
                return room, room.fill(self._reader, step)
            self._ahead.append((room, self._pool.submit(room.fill, self._reader, step)))
        if not self._ahead:
            return None
        room, future = self._ahead.popleft()
        return room, future.result()

    def _to_device(self, room: "_Room", raw: RawBatch) -> Batch:
        silhouettes = room.send(self._device)
        if self._reader.is_packed:
            silhouettes = self._reader.store.expand(silhouettes)
        labels, identities = (
            _send(torch.from_numpy(array), self._device) for array in (raw.labels, raw.identities)
        )
        return Batch(raw.step, silhouettes, labels, identities)


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":
        # A copy from other memory waits for all that the device has still to do.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class _Room:
    """Memory for one batch, filled by a thread, and read by a copy that may still be under way."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._sent: torch.cuda.Event | None = None

    def fill(self, reader: BatchReader, step: int) -> RawBatch:
        if self._sent is not None:
            self._sent.synchronize()
        return reader.read(step, self._tensor)

    def send(self, device: torch.device) -> Tensor:
        sent = self._tensor.to(device, non_blocking=True)
        if device.type == "cuda":
            self._sent = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own gap
            self._sent.record(torch.cuda.current_stream(device))
        return sent
