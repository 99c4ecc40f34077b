"""How fast `gaitworks release verify` is on a release of some 500 MB, beside `sha256sum -c`.

    python benchmarks/release_verify.py [--megabytes 500] [--rounds 5]

The release has the shards of both containers, index, lists and lineage; the silhouettes are
synthetic walks of about 300 frames, the same ones under ever new ids. Both programs read from a
warm page cache, in turns. `sha256sum` is coreutils' and hashes one file after the other; verifying
hashes on several threads, lists the folder and compares all lists with each other. The last line is
one damaged shard: what looking for the sequence that is hit costs.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa

from transforms.files import canonical_json, sha256_file
from transforms.manifest import MANIFEST_NAME, list_files, write_manifest
from transforms.progress import NoProgress
from transforms.release.build import FACTS_NAME, SUMS_NAME
from transforms.release.verify import RELEASE_KIND, verify_release
from transforms.schemas import SEQUENCE_INDEX, SEQUENCES, conform
from transforms.shards.parquet import encode_shard, read_table, write_table
from transforms.shards.part import PARQUET_FOLDER, TAR_FOLDER
from transforms.shards.webdataset import encode_tar
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

_MEGABYTE = 1_000_000
_SHAPE = CohortShape(
    participants={"positive": 8, "neutral": 8, "negative": 16},
    sequences={"positive": 8, "neutral": 8, "negative": 16},
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        release = Path(folder) / "release"
        sequence_count = make_release(release, Path(folder), options.megabytes * _MEGABYTE)
        files = [*list_files(release), release / MANIFEST_NAME]
        size = sum(path.stat().st_size for path in files) / _MEGABYTE

        def check_sums() -> None:
            command = ["sha256sum", "--check", "--strict", "--quiet", SUMS_NAME]
            subprocess.run(command, cwd=release, check=True)

        def verify() -> None:
            if problems := verify_release(release):
                raise RuntimeError(str(problems[0]))

        theirs, ours = time_in_turns(check_sums, verify, options.rounds)
        print(
            f"{len(files)} files, {size:.0f} MB, {sequence_count} sequences, "
            f"medians of {options.rounds} rounds, {os.cpu_count()} cores"
        )
        print(f"sha256sum -c      {size / theirs:8.0f} MB/s")
        print(f"release verify    {size / ours:8.0f} MB/s   {theirs / ours:.2f} x")
        print(f"with one damaged shard: {time_damaged(release):.2f} s instead of {ours:.2f} s")


def make_release(release: Path, scratch: Path, size: int) -> int:
    """Write a release of some size in bytes; return how many sequences it holds."""
    write_silhouette_batch(_SHAPE, 0, scratch, worker_count=1, progress=NoProgress())
    walks = read_table(scratch / "extraction" / "sequences.parquet", SEQUENCES)
    for folder in (PARQUET_FOLDER, TAR_FOLDER, "lineage"):
        (release / folder).mkdir(parents=True)
    rows: list[pl.DataFrame] = []
    shards: list[dict[str, str]] = []
    written = 0
    while written < size:
        number = len(shards)
        names = [f"{name}-{number}" for name in walks["sequence_id"].to_pylist()]
        place = SEQUENCES.get_field_index("sequence_id")
        table = walks.set_column(place, SEQUENCES.field("sequence_id"), pa.array(names))
        pair = {
            "parquet": f"{PARQUET_FOLDER}/part-{number:016x}.parquet",
            "tar": f"{TAR_FOLDER}/part-{number:016x}.tar",
        }
        for key, encode in (("parquet", encode_shard), ("tar", encode_tar)):
            written += (release / pair[key]).write_bytes(encode(table))
        index = pl.DataFrame(table.drop_columns(["silhouettes", "frame_index", "pts_s"]))
        rows.append(index.with_columns(shard=pl.lit(pair["parquet"]), row=pl.int_range(pl.len())))
        shards.append(pair)
    index_path = release / "index.parquet"
    write_table(conform(pl.concat(rows), SEQUENCE_INDEX, where=index_path), index_path)
    write_lists(release, shards)
    return sum(part.height for part in rows)


def write_lists(release: Path, shards: list[dict[str, str]]) -> None:
    """Write what a release says of its own files."""
    write_manifest(release, kind="silhouette_shards", facts={"shards": shards})
    dataset = release / "lineage" / "dataset.json"
    (release / MANIFEST_NAME).rename(dataset)
    facts = {"shards": shards, "dataset_version": sha256_file(dataset), "rows": {}}
    (release / FACTS_NAME).write_bytes(canonical_json(facts))
    lines = [
        f"{sha256_file(path)}  {path.relative_to(release).as_posix()}\n"
        for path in list_files(release)
    ]
    (release / SUMS_NAME).write_text("".join(lines))
    write_manifest(release, kind=RELEASE_KIND, facts=facts)


def time_in_turns(
    first: Callable[[], None], second: Callable[[], None], rounds: int
) -> tuple[float, float]:
    """Return the median seconds of two functions that are called in turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, taken in zip((first, second), seconds, strict=True):
            began = time.perf_counter()
            function()
            taken.append(time.perf_counter() - began)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def time_damaged(release: Path) -> float:
    """Return the seconds that verifying takes with one flipped bit."""
    path = sorted((release / PARQUET_FOLDER).iterdir())[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    began = time.perf_counter()
    if len(verify_release(release)) != 1:
        raise RuntimeError("expected one problem")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
