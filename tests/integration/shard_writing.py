"""Writing a small dataset in processes of their own, as the asset does, for the fault tests."""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from tests.integration.faulty_calls import Fault, inject
from transforms.errors import GaitworksError, InputError
from transforms.files import publish_directory
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.repair import repair_dataset
from transforms.shards.writer import write_shards
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

BINARY = ShardSettings(sequences_per_shard=2)
GREY = ShardSettings(sequences_per_shard=2, codec="grey", width_px=64)
OLD, NEW = 1, 2
"""How many batches the version before and the version after hold."""

_SHAPE = CohortShape(
    participants={"positive": 1, "neutral": 1, "negative": 2},
    sequences={"positive": 2, "neutral": 1, "negative": 2},
    frames_mean=30,
    frames_sd=1,
)
_FAILED = 9
# Forked from a process that has imported everything and started no thread: quick and safe.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__, "pandas"])  # polars imports pandas by itself


def make_batches(directory: Path) -> Path:
    """Write the tables of two batches of five sequences each."""
    for number in (1, 2):
        shape = replace(_SHAPE, batch_id=f"batch_00{number}")
        output = directory / str(number)
        write_silhouette_batch(shape, number, output, worker_count=1, progress=NoProgress())
    return directory


@dataclass(frozen=True)
class Store:
    """A folder with a published dataset, or none yet.

    Attributes:
        folder: holds nothing else.
        batches: what the dataset is made of.
        settings: how.
        takes_over: link the parts that the version before has, as the asset does.
    """

    folder: Path
    batches: Path
    settings: ShardSettings = BINARY
    takes_over: bool = True

    @property
    def dataset(self) -> Path:
        """Where the dataset is published."""
        return self.folder / "shards"

    def write(self, batch_count: int) -> None:
        """Write and publish the dataset of the first batches."""
        batches = [self.batches / str(number + 1) for number in range(batch_count)]
        with publish_directory(self.dataset) as staging:
            facts = write_shards(
                [batch / "intake" for batch in batches],
                [batch / "extraction" for batch in batches],
                self.settings,
                staging,
                progress=NoProgress(),
                previous=self.dataset if self.takes_over else None,
            )
            write_manifest(staging, kind="silhouette_shards", facts=facts)

    def repair(self) -> None:
        """Repair the dataset from itself."""

        def refuse(output: Path) -> None:
            raise InputError("no batches here")

        repair_dataset(self.dataset, refuse, progress=NoProgress())


@dataclass
class Writer:
    """A process that writes a store."""

    process: BaseProcess
    pipe: Connection

    def wait_for_start(self) -> None:
        """Wait until it begins to write."""
        assert self.pipe.recv() == "begins"

    def kill(self, after_s: float) -> bool:
        """Kill it a while after it began; tell whether it was still at work."""
        self.wait_for_start()
        time.sleep(after_s)
        self.process.kill()
        self.process.join()
        return self.process.exitcode != 0

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Wait for its end; return its exit code and, if it ended by itself, what it did."""
        self.process.join()
        report: dict[str, Any] = {}
        while self.pipe.poll():
            try:
                message = self.pipe.recv()
            except EOFError:
                break
            report = message if isinstance(message, dict) else report
        return self.process.exitcode or 0, report


def start_writer(
    store: Store,
    batch_count: int,
    fault: Fault | None = None,
    barrier: Barrier | None = None,
) -> Writer:
    """Start a process that writes the store, with a fault if one is given."""
    return _start(partial(store.write, batch_count), fault, barrier)


def start_repairer(store: Store, fault: Fault | None = None) -> Writer:
    """Start a process that repairs the store's dataset, with a fault if one is given."""
    return _start(store.repair, fault, None)


def _start(work: Callable[[], None], fault: Fault | None, barrier: Barrier | None) -> Writer:
    mine, its = _context.Pipe()
    process = _context.Process(target=_work, args=(work, fault, barrier, its))
    process.start()
    its.close()
    return Writer(process, mine)


def make_barrier() -> Barrier:
    """Return what lets two writers begin at once."""
    return _context.Barrier(2)


def _work(
    work: Callable[[], None], fault: Fault | None, barrier: Barrier | None, pipe: Connection
) -> None:
    log = inject(fault)
    if barrier is not None:
        barrier.wait(60)
    pipe.send("begins")
    began = time.monotonic()
    try:
        work()
    except (OSError, GaitworksError):
        os._exit(_FAILED)
    pipe.send(
        {
            "calls": log.calls,
            "names": dict(log.names),
            "written": dict(log.written),
            "duration_s": time.monotonic() - began,
        }
    )
