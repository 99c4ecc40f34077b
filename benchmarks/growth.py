"""What grows, and how, when a dataset does: 1, 10 and 100 times the published cohort.

    python benchmarks/growth.py [--batches 1 10 100] [--frames 30] [--folder DIR] [--json FILE]

A batch is the published cohort's 1,493 sequences. Real: every row, id, table, shard, manifest and
hash, written by the product's own writer and read by its own readers. Stood in for: the silhouettes
of the first batch are rendered, the others repeat them under ids of their own; and sequences
have `--frames` frames (30 unless told otherwise), not the 300 of a real one, so that the largest
dataset is written in minutes. Rates per byte are given where that matters.

Every measurement runs in a process of its own; those that take moments run twice, and the second
counts (page cache warm). Memory is the process's peak, which includes the interpreter and its
libraries, and where it is writing not the workers.
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.synth.sequence_plan import SCOLIOSIS1K_SHAPE, CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

BATCH_SEQUENCES: Final = sum(SCOLIOSIS1K_SHAPE.sequences.values())
BATCHES_NAME: Final = "batches.json"
ID_COLUMNS: Final = ("participant_id", "recording_id", "sequence_id", "batch_id", "file")
TABLES: Final = {
    "intake": ("participants", "recordings", "problems"),
    "extraction": ("recordings", "sequences", "frames", "tracks", "masks"),
}


def make_batches(folder: Path, count: int, frame_count: int) -> list[Path]:
    """Return `count` batch folders; the first is rendered, the others repeat it under new ids."""
    folders = [folder / f"batch_{number:03d}" for number in range(1, count + 1)]
    if not (folders[0] / "done").exists():
        shape = CohortShape(
            SCOLIOSIS1K_SHAPE.participants,
            SCOLIOSIS1K_SHAPE.sequences,
            frames_mean=frame_count,
            frames_sd=0.0,
        )
        workers = os.cpu_count() or 1
        write_silhouette_batch(shape, 2026, folders[0], worker_count=workers, progress=NoProgress())
        (folders[0] / "done").touch()
    for target in folders[1:]:
        if not (target / "done").exists():
            shutil.rmtree(target, ignore_errors=True)
            _repeat(folders[0], target)
            (target / "done").touch()
    return folders


def _repeat(source: Path, target: Path) -> None:
    """Copy a batch; ids get the new batch's number as a suffix."""
    for stage, names in TABLES.items():
        (target / stage).mkdir(parents=True)
        for name in names:
            table = pq.read_table(source / stage / f"{name}.parquet")
            for column in ID_COLUMNS:
                if column in table.column_names:
                    renamed = _rename(table, column, target.name)
                    table = table.set_column(
                        table.column_names.index(column), table.schema.field(column), renamed
                    )
            pq.write_table(
                table,
                target / stage / f"{name}.parquet",
                compression="zstd",
                row_group_size=64 if name == "sequences" else 1 << 16,
            )


def _rename(table: pa.Table, column: str, batch_id: str) -> pa.ChunkedArray:
    values = pl.from_arrow(table[column])
    assert isinstance(values, pl.Series)
    new = (
        values + f"-{batch_id[-3:]}" if column != "batch_id" else values.str.replace(".*", batch_id)
    )
    return pa.chunked_array([new.to_arrow().cast(table.schema.field(column).type)])


def write_dataset(batches: list[Path], output: Path, previous: Path | None = None) -> None:
    """Write a dataset of all batches; what is the same in `previous` is taken from there."""
    from transforms.shards.writer import write_shards

    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    facts = write_shards(
        [batch / "intake" for batch in batches],
        [batch / "extraction" for batch in batches],
        ShardSettings(),
        output,
        progress=NoProgress(),
        worker_count=os.cpu_count() or 1,
        previous=previous,
    )
    write_manifest(output, kind="silhouette_shards", facts=facts)


def measure_import(folder: Path) -> dict[str, Any]:
    """Import what the others need, and nothing else: the floor of their memory."""
    with Clock() as clock:
        importlib.import_module("training.frame_store")
    return clock.result()


def measure_open(folder: Path) -> dict[str, Any]:
    """Open the dataset: manifest, names and sizes of all files, the index."""
    from transforms.shards.reader import open_dataset

    with Clock() as clock:
        open_dataset(folder / "dataset")
    return clock.result()


def measure_read(folder: Path) -> dict[str, Any]:
    """Open the dataset and read its last sequence."""
    from transforms.shards.reader import open_dataset

    dataset = open_dataset(folder / "dataset")
    sequence_id = dataset.index["sequence_id"][-1]
    with Clock() as clock:
        dataset.read(sequence_id)
    return clock.result()


def measure_epoch(folder: Path) -> dict[str, Any]:
    """Open the dataset and its frame store, which is there, and draw and read the first batch."""
    import numpy as np

    from training.frame_sampling import draw_frames
    from training.frame_store import open_frame_store
    from transforms.shards.reader import open_dataset

    with Clock() as clock:
        dataset = open_dataset(folder / "dataset")
        store = open_frame_store(dataset, folder / "scratch", NoProgress())
        generator = np.random.default_rng(0)
        sequences = generator.choice(len(store), 64, replace=False)
        lengths = store.lengths[sequences]
        store.gather(sequences, draw_frames("fixed_unordered", lengths, 30, generator))
    return clock.result()


def measure_names_and_sizes(folder: Path) -> dict[str, Any]:
    """Compare names and sizes of all files with the manifest."""
    return _verify(folder, deep=False)


def measure_hashes(folder: Path) -> dict[str, Any]:
    """Hash all files and compare them with the manifest."""
    return _verify(folder, deep=True)


def _verify(folder: Path, *, deep: bool) -> dict[str, Any]:
    from transforms.manifest import verify_directory

    with Clock() as clock:
        problems = verify_directory(folder / "dataset", deep=deep)
    if problems:
        raise SystemExit(f"{len(problems)} problems, the first: {problems[0]}")
    return clock.result()


def measure_write(folder: Path) -> dict[str, Any]:
    """Write the dataset from nothing."""
    with Clock() as clock:
        write_dataset(_planned_batches(folder)[:-1], folder / "dataset")
    return clock.result()


def measure_append(folder: Path) -> dict[str, Any]:
    """Write the dataset of one more batch, next to the one that is there."""
    with Clock() as clock:
        write_dataset(_planned_batches(folder), folder / "appended", previous=folder / "dataset")
    return clock.result()


def measure_frame_store(folder: Path) -> dict[str, Any]:
    """Build the frame store, as the first training run of a dataset does."""
    from training.frame_store import open_frame_store
    from transforms.shards.reader import open_dataset

    dataset = open_dataset(folder / "dataset")
    with Clock() as clock:
        open_frame_store(dataset, folder / "scratch", NoProgress())
    return clock.result()


def _planned_batches(folder: Path) -> list[Path]:
    return [Path(name) for name in json.loads((folder / BATCHES_NAME).read_text())]


MEASUREMENTS: Final[dict[str, tuple[int, Callable[[Path], dict[str, Any]]]]] = {
    "import": (1, measure_import),
    "write": (1, measure_write),
    "frame_store": (1, measure_frame_store),
    "open": (2, measure_open),
    "read": (2, measure_read),
    "epoch": (2, measure_epoch),
    "names": (2, measure_names_and_sizes),
    "hashes": (2, measure_hashes),
    "append": (1, measure_append),
}
"""How often each runs, in this order."""


class Clock:
    """Seconds by the clock on the wall and by the processor's."""

    def __enter__(self) -> "Clock":
        self.started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.started[0]
        self.processor_s = time.process_time() - self.started[1]

    def result(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "processor_s": self.processor_s}


def in_own_process(name: str, folder: Path) -> dict[str, Any]:
    """Run one measurement in a new interpreter, as often as it says; return the last result."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", name, str(folder)]
    for _ in range(MEASUREMENTS[name][0]):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    print(f"{name}: {result}", file=sys.stderr)
    return result


def peak_mb() -> float:
    """Return this process's peak; unlike `getrusage`, without what its parent had before."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def measure_size(folder: Path, batches: list[Path]) -> dict[str, Any]:
    """Write a dataset of these batches but the last, measure it, and append the last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / BATCHES_NAME).write_text(json.dumps([str(batch) for batch in batches]))
    row: dict[str, Any] = {"sequences": BATCH_SEQUENCES * (len(batches) - 1)}
    row |= {name: in_own_process(name, folder) for name in MEASUREMENTS}
    dataset = folder / "dataset"
    files = [path for path in dataset.rglob("*") if path.is_file()]
    row |= {
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "manifest_bytes": (dataset / "manifest.json").stat().st_size,
        "index_bytes": (dataset / "index.parquet").stat().st_size,
    }
    shutil.rmtree(folder)
    return row


def print_table(rows: list[dict[str, Any]]) -> None:
    lines: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("files of the dataset", lambda row: f"{row['files']:,}"),
        ("bytes of the dataset", lambda row: f"{row['bytes'] / 1e6:,.0f} MB"),
        ("manifest", lambda row: f"{row['manifest_bytes'] / 1e6:.2f} MB"),
        ("index", lambda row: f"{row['index_bytes'] / 1e6:.2f} MB"),
        ("memory: imports alone", lambda row: f"{row['import']['peak_mb']:.0f} MB"),
        ("open the dataset", lambda row: _cell(row["open"])),
        ("read one sequence after that", lambda row: _cell(row["read"])),
        ("open, and the first batch of an epoch", lambda row: _cell(row["epoch"])),
        ("verify: names and sizes", lambda row: _cell(row["names"])),
        ("verify: all hashes", lambda row: _cell(row["hashes"])),
        (
            "verify: bytes per second",
            lambda row: f"{row['bytes'] / row['hashes']['seconds'] / 1e6:,.0f} MB/s",
        ),
        ("write everything", lambda row: _cell(row["write"])),
        ("build the frame store, once", lambda row: _cell(row["frame_store"])),
        (f"append {BATCH_SEQUENCES:,} sequences", lambda row: _cell(row["append"])),
    ]
    print(f"{'sequences':40}" + "".join(f"{row['sequences']:>20,}" for row in rows))
    for label, cell in lines:
        print(f"{label:40}" + "".join(f"{cell(row):>20}" for row in rows))


def _cell(result: dict[str, Any]) -> str:
    return f"{result['seconds']:.3f} s {result['peak_mb']:5.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--frames", type=int, default=30, help="of every sequence, at least 30")
    parser.add_argument("--folder", type=Path, help="keep the batches here and use them again")
    parser.add_argument("--json", type=Path, help="also write everything that was found here")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, folder = arguments.measure
        found = MEASUREMENTS[name][1](Path(folder))
        print(json.dumps(found | {"peak_mb": peak_mb()}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.folder or Path(scratch)
        batches = make_batches(root, max(arguments.batches) + 1, arguments.frames)
        rows = [
            measure_size(root / "size", batches[: count + 1]) for count in sorted(arguments.batches)
        ]
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
