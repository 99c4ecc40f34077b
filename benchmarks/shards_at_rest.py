"""How small the dataset is at rest, how fast it is written and read, and why it has this layout.

    python benchmarks/shards_at_rest.py [--cohort DIR] [--rounds 3] [--layouts 100]
                                        [--sequences FILE ...]

Makes the Scoliosis1K-shaped synthetic cohort (1,493 sequences, about 80 s on two cores; `--cohort`
keeps it in a folder for the next time) and prints bytes per frame of everything written, frames per
second of CPU time, and, for `--layouts` sequences of it, what other layouts would take.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.manifest import write_manifest
from transforms.processes import count_workers
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.codec import BITS, GREY, decode_silhouettes, encode_silhouettes, pack_frames
from transforms.shards.reader import open_dataset
from transforms.shards.writer import write_shards
from transforms.synth.sequence_plan import SCOLIOSIS1K_SHAPE
from transforms.synth.silhouettes import write_silhouette_batch

Frames = NDArray[np.uint8]
LEVELS = (1, 3, 5, 7, 9)
SHARED = ("index.parquet", "participants.parquet", "rejects.parquet", "manifest.json", "frames/*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cohort", type=Path, help="keep the cohort here, or take it from here")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layouts", type=int, default=100, metavar="SEQUENCES")
    parser.add_argument(
        "--sequences", type=Path, nargs="*", default=[], help="compare layouts on these tables too"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cohort = arguments.cohort or Path(scratch) / "cohort"
        if not cohort.exists():
            write_silhouette_batch(
                SCOLIOSIS1K_SHAPE,
                2026,
                cohort,
                worker_count=count_workers(0),
                progress=NoProgress(),
            )
        for codec in ("binary", "grey"):
            measure_dataset(cohort, codec, Path(scratch) / codec, arguments.rounds)
        measured = [cohort / "extraction" / "sequences.parquet", *arguments.sequences]
        for path in measured if arguments.layouts else []:
            print(f"layouts of {path}")
            compare_layouts(path, arguments.layouts)


def measure_dataset(cohort: Path, codec: str, output: Path, rounds: int) -> None:
    """Write the cohort several times in one process; print sizes and speeds."""
    settings = ShardSettings.model_validate({"codec": codec})
    seconds = []
    for _ in range(rounds):
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        start = time.process_time()
        facts = write_shards(
            [cohort / "intake"],
            [cohort / "extraction"],
            settings,
            output,
            progress=NoProgress(),
        )
        seconds.append(time.process_time() - start)
        write_manifest(output, kind="silhouette_shards", facts=facts)
    count = int(facts["counts"]["silhouettes"])

    def per_frame(pattern: str) -> float:
        return sum(path.stat().st_size for path in output.glob(pattern)) / count

    shared = sum(per_frame(pattern) for pattern in SHARED)
    print(f"{codec}: {facts['counts']['sequences']} sequences, {count} frames, {facts['codec']}")
    for container in ("sequences", "webdataset"):
        shards = per_frame(f"{container}/*")
        print(
            f"  {container:10} {shards:6.2f} bytes a frame, {shards + shared:6.2f} with all tables"
        )
    print("  tables    ", ", ".join(f"{name} {per_frame(name):.3f}" for name in SHARED))
    speed = count / statistics.median(seconds)
    print(f"  written    {speed:,.0f} frames/s of CPU time, both containers (median of {rounds})")
    measure_reading(output)


def measure_reading(directory: Path) -> None:
    """Print what one random read of a sequence takes, shards hashed before."""
    dataset = open_dataset(directory)
    names = np.random.default_rng(0).permutation(dataset.index["sequence_id"].to_list())[:300]
    for _ in range(2):  # the first time, shards are hashed
        times = []
        for name in names:
            start = time.perf_counter()
            dataset.read(str(name))
            times.append(time.perf_counter() - start)
    print(f"  random read of a sequence {statistics.median(times) * 1e3:.2f} ms (median)")


def compare_layouts(path: Path, sequence_count: int) -> None:
    """Print bytes and compression speed of other ways to lay the same frames out."""
    rows = pl.read_parquet(path).head(sequence_count)
    grey = []
    for row in rows.iter_rows(named=True):
        shape = (row["frame_count"], row["height_px"], row["width_px"])
        grey.append(decode_silhouettes(row["silhouettes"], row["codec"], shape)[:, :, 10:54])
    binary = [np.where(frames >= 128, np.uint8(255), np.uint8(0)) for frames in grey]
    for title, sequences, layouts in (("bits", binary, BIT_LAYOUTS), ("grey", grey, GREY_LAYOUTS)):
        count = sum(map(len, sequences))
        print(f"{title}: {len(sequences)} sequences, {count} frames; bytes a frame at zstd level")
        print("  " + " " * 34 + "".join(f"{level:>8}" for level in LEVELS))
        for name, lay_out in layouts.items():
            laid = [lay_out(frames).tobytes() for frames in sequences]
            sizes, speeds = zip(*(compress_all(laid, level) for level in LEVELS), strict=True)
            print(f"  {name:34}" + "".join(f"{size / count:8.1f}" for size in sizes))
            print("  " + " " * 34 + "".join(f"{count / took / 1e3:7.0f}k" for took in speeds))
    for codec, sequences in ((BITS, binary), (GREY, grey)):
        report_codec_speed(codec, sequences)


def compress_all(laid: list[bytes], level: int) -> tuple[int, float]:
    """Return the compressed size and the seconds of CPU time."""
    codec = pa.Codec("zstd", compression_level=level)
    start = time.process_time()
    size = sum(len(codec.compress(data, asbytes=True)) for data in laid)
    return size, time.process_time() - start


def report_codec_speed(codec: str, sequences: list[Frames]) -> None:
    """Print what the product's codec takes a frame, both ways."""
    count = sum(map(len, sequences))
    start = time.process_time()
    encoded = [encode_silhouettes(frames, codec, 7) for frames in sequences]
    middle = time.process_time()
    for data, frames in zip(encoded, sequences, strict=True):
        decode_silhouettes(data, codec, frames.shape)
    end = time.process_time()
    encoding, decoding = (middle - start) / count * 1e6, (end - middle) / count * 1e6
    print(f"{codec}: {encoding:.2f} us to encode a frame, {decoding:.2f} us to decode it")


def through_time(packed: Frames) -> Frames:
    """Return `(frame, byte)` as `(byte, frame)`."""
    return packed.reshape(len(packed), -1).T


def since_frame_before(packed: Frames) -> Frames:
    """XOR every frame with the one before."""
    changed = packed.copy()
    changed[1:] ^= packed[:-1]
    return changed


def since_row_above(frames: Frames) -> Frames:
    """XOR every row with the one above."""
    changed = frames.copy()
    changed[:, 1:] ^= frames[:, :-1]
    return changed


BIT_LAYOUTS: dict[str, Callable[[Frames], Frames]] = {
    "rows (bits-zstd/1)": lambda frames: np.packbits(frames, axis=2),
    "whole frames, 352 bytes": lambda frames: np.packbits(frames.reshape(len(frames), -1), axis=1),
    "columns": lambda frames: np.packbits(frames.transpose(0, 2, 1), axis=2),
    "columns, XOR frame before": lambda frames: since_frame_before(
        np.packbits(frames.transpose(0, 2, 1), axis=2)
    ),
    "rows, XOR row above": lambda frames: np.packbits(since_row_above(frames), axis=2),
    "rows through time": lambda frames: through_time(np.packbits(frames, axis=2)),
    "whole frames through time": lambda frames: through_time(
        np.packbits(frames.reshape(len(frames), -1), axis=1)
    ),
    "columns through time": lambda frames: through_time(
        np.packbits(frames.transpose(0, 2, 1), axis=2)
    ),
    "eight frames a byte": lambda frames: through_time(
        np.packbits(frames.reshape(len(frames), -1), axis=0)
    ),
    "row groups through time (/2)": lambda frames: pack_frames(frames, BITS),
}
GREY_LAYOUTS: dict[str, Callable[[Frames], Frames]] = {
    "rows (grey-zstd/1)": lambda frames: frames,
    "columns": lambda frames: frames.transpose(0, 2, 1),
    "rows through time": through_time,
    "columns through time": lambda frames: through_time(frames.transpose(0, 2, 1)),
    "planes and values (/2)": lambda frames: pack_frames(frames, GREY),
}


if __name__ == "__main__":
    main()
