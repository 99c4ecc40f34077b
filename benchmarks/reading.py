"""Reading for training, as training does it: planning, reading ahead, waiting, memory, growth.

    python benchmarks/reading.py [--sequences N] [--frames N] [--rounds N] [--json FILE]

Round by round and in turns, on the same synthetic silhouettes: the field's loader, re-created from
its description; our stream with 0, 1 and 2 threads, as floats and packed (the unpacking left to the
device), its planning included; torch's DataLoader with worker processes around the same reader.
Then what a training step waits, for steps of several lengths (a sleep stands for the device); the
first touch of sequences, which checks them; what a worker process takes in memory beyond the shared
map; and what opening costs up to 149,300 sequences (the index is real, the frames are a hole in a
file). Other stores are compared by `silhouette_stores.py`.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import psutil
import torch
from silhouette_stores import build, make_source
from stores.base import Wanted
from stores.ours import FrameStoreFloats
from stores.reference import ReferenceLoader
from torch.utils.data import DataLoader
from xxhash import xxh3_64_intdigest

from training.batches import BatchReader, BatchStream
from training.data import SequenceSet
from training.frame_files import FRAMES_NAME, INDEX_NAME, STORE_NAME
from training.frame_index import write_index
from training.frame_store import FrameStore
from training.samplers import build_sampler
from transforms.files import canonical_json, sha256_file
from transforms.training_settings import TrainingSettings

SETTINGS: Final = TrainingSettings(identities_per_batch=64, sequences_per_identity=1)
"""64 different sequences x 30 frames."""
CPU: Final = torch.device("cpu")
STEPS_MS: Final = (100, 50, 20, 10, 5)
GROWTH: Final = (1_493, 14_930, 149_300)
GROWTH_FRAMES: Final = 300
_OPEN: Final = """
import sys, time
from pathlib import Path
import numpy as np
from training.frame_store import FrameStore

def peak_kib():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

before = peak_kib()
start, start_cpu = time.perf_counter(), time.process_time()
store = FrameStore(Path(sys.argv[1]), "stand-in")
spent, spent_cpu = time.perf_counter() - start, time.process_time() - start_cpu
store.gather_packed(np.array([len(store) - 1]), np.array([[0, 1]]))
print(spent, spent_cpu, (peak_kib() - before) / 1024)
"""


def make_reader(store: FrameStore, *, is_packed: bool) -> BatchReader:
    count = len(store)
    everything = SequenceSet(
        table=pl.DataFrame(),
        positions=np.arange(count),
        labels=np.arange(count) % 3,
        lengths=store.lengths,
        participants=np.arange(count),
    )
    sampler = build_sampler(everything, SETTINGS, 0)
    return BatchReader(store, everything.positions, everything.labels, sampler, is_packed)


def take_stream(reader: BatchReader, threads: int) -> Callable[[range], int]:
    """Read a stream's batches as they are in memory; a packed one is not expanded."""

    def take(steps: range) -> int:
        count = 0
        with BatchStream(reader, steps, CPU, thread_count=threads) as stream:
            for batch in stream.raw():
                count += len(batch.labels)
        return count

    return take


def take_loader(reader: BatchReader, workers: int) -> Callable[[range], int]:
    """Read through torch's own loader; the workers are started before the clock."""
    steps: list[int] = []
    loader = DataLoader(
        reader,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        persistent_workers=True,
        multiprocessing_context="fork",
    )

    def take(wanted: range) -> int:
        steps[:] = wanted
        return sum(len(batch[2]) for batch in loader)

    take(range(2))
    return take


def take_reference(store: ReferenceLoader, reader: BatchReader) -> Callable[[range], int]:
    def take(steps: range) -> int:
        plans = (reader.plan(step) for step in steps)
        wanted = [Wanted(plan.members, plan.frames) for plan in plans]
        return sum(len(batch) for batch in store.batches(wanted))

    return take


def measure_streams(
    pickles: ReferenceLoader, store: FrameStore, rounds: int
) -> list[dict[str, Any]]:
    floats, packed = (make_reader(store, is_packed=kind) for kind in (False, True))
    contestants: dict[str, Callable[[range], int]] = {
        "the field's loader": take_reference(pickles, floats)
    }
    for reader, kind in ((floats, "floats"), (packed, "packed")):
        for threads in (0, 1, 2):
            contestants[f"{kind}, {threads} threads"] = take_stream(reader, threads)
        for workers in (1, 2):
            name = f"{kind}, DataLoader, {workers} processes"
            contestants[name] = take_loader(reader, workers)
    steps = {name: range(4 if position == 0 else 60) for position, name in enumerate(contestants)}
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, take in contestants.items():
            start = time.perf_counter()
            count = take(steps[name])
            if number:  # the first round warms up, and touches every sequence
                rates[name].append(count / (time.perf_counter() - start))
    first = rates["the field's loader"]
    return [
        {
            "what": name,
            "sequences_per_s": statistics.median(values),
            "ratio": statistics.median(a / b for a, b in zip(values, first, strict=True)),
        }
        for name, values in rates.items()
    ]


def measure_waiting(store: FrameStore) -> list[dict[str, Any]]:
    """Sleep as long as a step would keep a device busy; what remains is waiting."""
    reader = make_reader(store, is_packed=False)
    rows = []
    for step_ms in STEPS_MS:
        for threads in (0, 1):
            with BatchStream(reader, range(40), CPU, thread_count=threads) as stream:
                start = time.perf_counter()
                for _ in stream:
                    time.sleep(step_ms / 1e3)
                share = stream.waited_s / (time.perf_counter() - start)
            rows.append({"step_ms": step_ms, "threads": threads, "waiting_share": share})
    return rows


def measure_parts(store: FrameStore) -> dict[str, float]:
    """Return milliseconds per batch of planning, of gathering, and of the first touch."""
    reader = make_reader(store, is_packed=True)
    again = FrameStore(store.directory, store.dataset_version)
    room = reader.allocate().numpy()
    spent: dict[str, list[float]] = {"plan": [], "first touch": [], "gather": []}
    for step in range(60):
        start = time.perf_counter()
        plan = reader.plan(step)
        spent["plan"].append(time.perf_counter() - start)
        sequences = np.roll(np.arange(len(store)), -64 * step)[:64]
        if 64 * (step + 1) <= len(store):
            start = time.perf_counter()
            again.gather_packed(sequences, plan.frames, room)
            spent["first touch"].append(time.perf_counter() - start)
        start = time.perf_counter()
        store.gather_packed(sequences, plan.frames, room)
        spent["gather"].append(time.perf_counter() - start)
    return {name: statistics.median(values) * 1e3 for name, values in spent.items()}


def _weigh(reader: BatchReader, results: "multiprocessing.Queue[float]") -> None:
    room = reader.allocate()
    for step in range(200):
        reader.read(step, room)
    private = sum(
        area.private_clean + area.private_dirty
        for area in psutil.Process().memory_maps()
        if not area.path.endswith(FRAMES_NAME)  # the shared map, whoever looked at a page last
    )
    results.put(private / 2**20)


def measure_worker(store: FrameStore) -> float:
    """Return the MiB a forked worker holds for itself after 200 batches of floats."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    reader = make_reader(store, is_packed=False)
    reader.read(0, None)  # compiles: a compiler per worker would weigh more than all the rest
    worker = context.Process(target=_weigh, args=(reader, results))
    worker.start()
    private: float = results.get(timeout=120)
    worker.join()
    return private


def measure_growth(folder: Path) -> Iterator[dict[str, float]]:
    """Open stores whose index is real and whose frames are a hole in a file."""
    for count in GROWTH:
        directory = folder / str(count)
        directory.mkdir()
        row_bytes = 352
        with (directory / FRAMES_NAME).open("wb") as stream:
            stream.truncate(count * GROWTH_FRAMES * row_bytes)
        zeros = xxh3_64_intdigest(bytes(GROWTH_FRAMES * row_bytes))
        names = [f"participant-{number:06d}-session-001" for number in range(count)]
        lengths = np.full(count, GROWTH_FRAMES)
        write_index(names, lengths, [zeros] * count, directory / INDEX_NAME)
        description = {
            "dataset_version": "stand-in",
            "index_sha256": sha256_file(directory / INDEX_NAME),
            "row_bytes": row_bytes,
        }
        (directory / STORE_NAME).write_bytes(canonical_json(description))
        spent, spent_cpu, peaks = zip(*(_open_alone(directory) for _ in range(5)), strict=True)
        store = FrameStore(directory, "stand-in")
        start = time.perf_counter()
        reader = make_reader(store, is_packed=True)
        reader.read(0, None)
        yield {
            "sequences": count,
            "open_s": statistics.median(spent),
            "open_cpu_s": statistics.median(spent_cpu),
            "open_mib": max(peaks),
            "first_batch_s": time.perf_counter() - start,
        }


def _open_alone(directory: Path) -> list[float]:
    command = [sys.executable, "-c", _OPEN, str(directory)]
    root = Path(__file__).resolve().parent.parent
    output = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [float(number) for number in output.split()]


def print_tables(result: dict[str, Any]) -> None:
    print(f"{'':34}{'sequences/s':>13}{'times the loader':>18}")
    for row in result["streams"]:
        print(f"  {row['what']:32}{row['sequences_per_s']:13,.0f}{row['ratio']:18.1f}")
    print("\nshare of the time a step waits for a batch of floats (a sleep stands for the step)")
    for row in result["waiting"]:
        threads = f"{row['threads']} threads"
        print(f"  {row['step_ms']:4} ms, {threads}: {row['waiting_share']:7.2%}")
    parts = ", ".join(f"{name} {value:.2f}" for name, value in result["parts_ms"].items())
    print(f"\nms per packed batch: {parts}")
    print(
        f"a forked worker's own memory, one batch of floats in it: {result['worker_mib']:.0f} MiB"
    )
    print(f"\n{'sequences':>12}{'open s':>10}{'CPU s':>10}{'MiB':>10}{'first batch s':>15}")
    for row in result["growth"]:
        print(
            f"{row['sequences']:12,}{row['open_s']:10.3f}{row['open_cpu_s']:10.3f}"
            f"{row['open_mib']:10.0f}{row['first_batch_s']:15.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=600)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="keep the stores here for the next run")
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        source = make_source(folder / "source", arguments.sequences, arguments.frames)
        pickles = ReferenceLoader(folder / ReferenceLoader.key)
        ours = FrameStoreFloats(folder / FrameStoreFloats.key)
        for contestant in (pickles, ours):
            build(contestant, source)
            contestant.open()
        result: dict[str, Any] = {
            "worker_mib": measure_worker(ours.store),
            "streams": measure_streams(pickles, ours.store, arguments.rounds),
            "waiting": measure_waiting(ours.store),
            "parts_ms": measure_parts(ours.store),
            "growth": list(measure_growth(Path(temporary))),
        }
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2))
    print_tables(result)


if __name__ == "__main__":
    main()
