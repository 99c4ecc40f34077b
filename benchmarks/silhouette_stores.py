"""Silhouette stores side by side: size, random training reads, sequential and cold reads.

    python benchmarks/silhouette_stores.py [--sequences N] [--frames N] [--rounds N] [--json FILE]

The peers live in an environment of their own, made as `requirements/benchmarks.txt` says, with the
repository's root in `PYTHONPATH`; a store whose package is missing is left out, and said to be.
Every store holds the same synthetic binary silhouettes and is first held to give the same bytes
back. Then, round by round and in turns, in one process and without workers, each reads:

random      batches of 64 sequences x 30 frames as float32, ready for a model (page cache warm)
packed      the same up to the packed bytes: the unpacking is left to the device
sequential  every sequence whole, as uint8
cold        random batches after every page of the store has been dropped from memory; the store
            is opened before the clock runs

The table gives medians over the rounds of the rate, and of the ratio to the reference loader within
the same round (cold: to the naive memory map), so that noise of the machine meets all of them.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from stores.base import BATCH_FRAMES, BATCH_SEQUENCES, CUT, Source, Store, Wanted
from stores.cold import evict, resident_share
from stores.maps import NaiveMap, TarWithOffsets, WebDataset
from stores.ours import FrameStoreFloats, Shards
from stores.peers import (
    Ffcv,
    HuggingFace,
    HuggingFaceBatches,
    LanceFrames,
    LanceSequences,
    LitData,
    MosaicStreaming,
)
from stores.reference import ReferenceLoader, VectorisedPickles

from training.frame_sampling import draw_frames
from transforms.progress import NoProgress
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

STORES: Final[tuple[type[Store], ...]] = (
    ReferenceLoader,
    VectorisedPickles,
    NaiveMap,
    TarWithOffsets,
    WebDataset,
    MosaicStreaming,
    LitData,
    HuggingFace,
    HuggingFaceBatches,
    LanceSequences,
    LanceFrames,
    Ffcv,
    Shards,
    FrameStoreFloats,
)
PACKAGES: Final = ("mosaicml-streaming", "pylance", "datasets", "litdata", "ffcv", "webdataset")
Clock = Callable[[], float]
CLOCKS: Final[dict[str, Clock]] = {"wall": time.perf_counter, "processor": time.process_time}
COLD_LIMIT: Final = 0.02
"""Of a store's pages at most this part may be in memory for a read to count as cold."""


@dataclass
class Result:
    """What was measured of one store; rates per round, in sequences or (sequential) frames/s."""

    store: Store
    bytes_per_frame: float
    build_s: float | None
    rates: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep(self, kind: str, rate: float) -> None:
        """Add a round's rate."""
        self.rates.setdefault(kind, []).append(rate)


class Draws:
    """Random batches: sequences without, frames of each without replacement."""

    def __init__(self, lengths: np.ndarray, seed: int) -> None:
        self.lengths = lengths
        self.generator = np.random.default_rng(seed)

    def draw(self) -> Wanted:
        count = min(BATCH_SEQUENCES, len(self.lengths))
        sequences = self.generator.choice(len(self.lengths), count, replace=False)
        frames = draw_frames(
            "fixed_unordered", self.lengths[sequences], BATCH_FRAMES, self.generator
        )
        return Wanted(sequences, frames)


def make_source(folder: Path, sequence_count: int, frame_count: int) -> Source:
    """Render the silhouettes, three classes in the proportions 1:1:8."""
    if not (folder / "done").exists():
        part = max(1, sequence_count // 10)
        counts = {"positive": part, "neutral": part, "negative": sequence_count - 2 * part}
        shape = CohortShape(counts, counts, frames_mean=frame_count, frames_sd=0.0)
        write_silhouette_batch(
            shape, 2026, folder, worker_count=os.cpu_count() or 1, progress=NoProgress()
        )
        (folder / "done").touch()
    return Source(folder)


def build(store: Store, source: Source) -> float | None:
    """Build a store unless it is there; return the seconds it took."""
    mark = store.folder.with_name(store.folder.name + ".done")
    if mark.exists():
        return None
    start = time.perf_counter()
    store.rebuild(source)
    mark.touch()
    return time.perf_counter() - start


def check(store: Store, source: Source, wanted: Wanted) -> None:
    """Hold a store to the source's bytes: every sequence, and one batch."""
    count = len(source.lengths())
    expected = {}
    for position, (found, truth) in enumerate(
        zip(store.sequences(count), source.sequences(), strict=True)
    ):
        found = found[:, :, CUT] if found.shape[2] == 64 else found
        if not np.array_equal(found, truth[:, :, CUT]):
            raise SystemExit(f"{store.name}: sequence {position} came back changed")
        if position in wanted.sequences:
            expected[position] = truth[:, :, CUT]
    if type(store) in (ReferenceLoader, WebDataset):  # these draw for themselves
        return
    truth = np.stack(
        [
            expected[sequence][frames]
            for sequence, frames in zip(wanted.sequences.tolist(), wanted.frames, strict=True)
        ]
    )
    batch = store.batch(wanted)
    if batch.dtype != np.float32 or not np.array_equal(batch[:, 0], truth / np.float32(255)):
        raise SystemExit(f"{store.name}: a batch came back changed")


def read_random(
    store: Store, draws: Draws, batch_count: int, clock: Clock = time.perf_counter
) -> float:
    """Return sequences per second; drawing the frames is part of it."""
    start = clock()
    wanted = [draws.draw() for _ in range(batch_count)]
    read = sum(len(batch) for batch in store.batches(wanted))
    return read / (clock() - start)


def read_packed(store: Store, draws: Draws, batch_count: int, clock: Clock) -> float:
    """Return sequences per second."""
    start = clock()
    wanted = [draws.draw() for _ in range(batch_count)]
    read = sum(len(batch) for batch in store.packed_batches(wanted))
    return read / (clock() - start)


def read_sequential(store: Store, lengths: np.ndarray, clock: Clock) -> float:
    """Return frames per second."""
    start = clock()
    read = sum(len(sequence) for sequence in store.sequences(len(lengths)))
    return read / (clock() - start)


def read_cold(result: Result, draws: Draws) -> float | None:
    """Return sequences per second from a store out of memory; None where it stays in memory."""
    store = result.store
    gc.collect()  # maps live until their last view is gone
    files = store.files()
    evict(files)
    share = resident_share(files)
    if share > COLD_LIMIT:
        result.notes.append(f"a cold read skipped: {share:.0%} of its pages stayed in memory")
        return None
    store.open()
    rate = read_random(store, draws, batch_count=1)
    store.close()
    return rate


def batches_for(store: Store, draws: Draws, seconds: float) -> int:
    """Return how many batches take about so long, measured after a first one to warm up."""
    read_random(store, draws, 2)
    start = time.perf_counter()
    read_random(store, draws, 3)
    return max(3, min(400, round(3 * seconds / (time.perf_counter() - start))))


def measure(results: Sequence[Result], lengths: np.ndarray, arguments: argparse.Namespace) -> None:
    """Run the rounds; whoever comes first moves on by one each round."""
    draws = Draws(lengths, seed=1)
    clock = CLOCKS[arguments.clock]
    warm_rounds = 0 if arguments.only_cold else arguments.rounds
    counts = {id(r): batches_for(r.store, draws, arguments.seconds) for r in results}
    for number in range(warm_rounds):
        first = number % len(results)
        for result in [*results[first:], *results[:first]]:
            store, count = result.store, counts[id(result)]
            result.keep("random", read_random(store, draws, count, clock))
            if store.reports_packed:
                result.keep("packed", read_packed(store, draws, count, clock))
            result.keep("sequential", read_sequential(store, lengths, clock))
        print(f"round {number + 1} of {warm_rounds}", file=sys.stderr)
    for result in results:
        result.store.close()  # two may read the same files
    if arguments.no_cold:
        return
    for number in range(arguments.rounds):
        first = number % len(results)
        for result in [*results[first:], *results[:first]]:
            rate = read_cold(result, draws)
            if rate is not None:
                result.keep("cold", rate)


def summarise(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the table's rows."""
    reference = next((r for r in results if isinstance(r.store, ReferenceLoader)), None)
    naive = next((r for r in results if isinstance(r.store, NaiveMap)), None)
    rows = []
    for result in results:
        row: dict[str, Any] = {
            "store": result.store.name,
            "is_peer": result.store.is_peer,
            "bytes_per_frame": result.bytes_per_frame,
            "build_s": result.build_s,
            "notes": result.notes,
        }
        for kind, rates in result.rates.items():
            anchor = naive if kind == "cold" else reference
            base = anchor.rates.get("random" if kind == "packed" else kind) if anchor else None
            row[kind] = {"rate": statistics.median(rates), "rates": rates}
            if base and len(base) == len(rates):
                ratios = [rate / other for rate, other in zip(rates, base, strict=True)]
                row[kind] |= {
                    "ratio": statistics.median(ratios),
                    "lowest": min(ratios),
                    "highest": max(ratios),
                }
        rows.append(row)
    return rows


def print_table(rows: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    print(
        f"{report['sequences']} sequences x {report['frames']} frames, {report['rounds']} rounds, "
        f"{report['clock']} clock; "
        f"rate (ratio); random, packed and cold in sequences/s, sequential in frames/s"
    )
    kinds = ("random", "packed", "sequential", "cold")
    print(f"{'store':38}{'B/frame':>9}" + "".join(f"{kind:>19}" for kind in kinds))
    for row in rows:
        line = f"{row['store']:38}{row['bytes_per_frame']:9.1f}"
        for kind in kinds:
            cell = ""
            if kind in row:
                ratio = f" ({row[kind]['ratio']:.2f})" if "ratio" in row[kind] else ""
                cell = f"{row[kind]['rate']:,.0f}{ratio}"
            line += f"{cell:>19}"
        print(line)
    for row in rows:
        for note in sorted(set(row["notes"])):
            print(f"  {row['store']}: {note}")
    for name, reason in report["left_out"].items():
        print(f"  LEFT OUT {name}: {reason}")


def installed_versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in (*PACKAGES, "numpy", "pyarrow", "torch", "numba"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def run(arguments: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Build, check and measure; return everything that was found."""
    import torch

    torch.set_num_threads(1)
    source = make_source(root / "source", arguments.sequences, arguments.frames)
    lengths = source.lengths()
    results, left_out = [], {}
    for kind in STORES:
        if arguments.stores and not any(word in kind.__name__.lower() for word in arguments.stores):
            continue
        store = kind(root / kind.key)
        try:
            seconds = build(store, source)
            store.open()
        except ImportError as error:
            left_out[store.name] = f"{type(error).__name__}: {error}"
            continue
        check(store, source, Draws(lengths, seed=2).draw())
        results.append(Result(store, store.footprint() / int(lengths.sum()), seconds))
        print(f"{store.name}: ready", file=sys.stderr)
    measure(results, lengths, arguments)
    return {
        "sequences": len(lengths),
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "clock": arguments.clock,
        "machine": {"processor": platform.processor(), "cores": os.cpu_count()},
        "versions": installed_versions(),
        "left_out": left_out,
        "stores": summarise(results),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=600)
    parser.add_argument("--frames", type=int, default=300, help="of every sequence")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="a random read of one round")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="processor: of all threads, for a machine that others use too; cold reads keep wall",
    )
    parser.add_argument("--no-cold", action="store_true", help="leave the cold reads out")
    parser.add_argument(
        "--only-cold",
        action="store_true",
        help="nothing but cold reads, without the field's loader: for stores that are larger than "
        "what the system reads ahead",
    )
    parser.add_argument(
        "--stores", nargs="*", help="only classes with one of these words in their names"
    )
    parser.add_argument("--folder", type=Path, help="keep the stores here and use them again")
    parser.add_argument("--json", type=Path, help="also write everything that was found here")
    arguments = parser.parse_args()
    if arguments.stores:
        anchors = ["naivemap"] if arguments.only_cold else ["referenceloader", "naivemap"]
        arguments.stores = [*map(str.lower, arguments.stores), *anchors]
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        report = run(arguments, arguments.folder)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            report = run(arguments, Path(scratch))
    print_table(report["stores"], report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
