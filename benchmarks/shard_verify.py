"""How fast `gaitworks shards verify` hashes, against plain sha256 over the same files.

    python benchmarks/shard_verify.py [--megabytes 512] [--rounds 9]

Both read from a warm page cache, in turns. Plain sha256 is `hashlib` over one whole file after the
other, in one thread. The second ratio compares processor time with one hashing thread: what the
bookkeeping around the hashes costs.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from transforms import manifest
from transforms.manifest import verify_directory, write_manifest

_FILE_MEGABYTES = 4
_MEGABYTE = 1_000_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        generator = np.random.default_rng(0)
        paths = []
        for number in range(max(1, options.megabytes // _FILE_MEGABYTES)):
            path = directory / f"part-{number:016x}.parquet"
            path.write_bytes(generator.bytes(_FILE_MEGABYTES * _MEGABYTE))
            paths.append(path)
        write_manifest(directory, kind="silhouette_shards", facts={})

        def hash_plainly() -> None:
            for path in paths:
                hashlib.sha256(path.read_bytes()).hexdigest()

        def verify() -> None:
            if verify_directory(directory):
                raise RuntimeError("the files changed")

        size = len(paths) * _FILE_MEGABYTES
        plain, ours = time_in_turns(hash_plainly, verify, options.rounds, time.perf_counter)
        print(f"{len(paths)} files, {size} MB, medians of {options.rounds} rounds")
        print(f"plain sha256            {size / plain:8.0f} MB/s")
        print(f"verify                  {size / ours:8.0f} MB/s   {plain / ours:.2f} x")
        manifest._HASHING_THREADS = 1  # type: ignore[misc]  # a constant, but for this question
        plain, ours = time_in_turns(hash_plainly, verify, options.rounds, time.process_time)
        print(f"verify, one thread, processor time    {plain / ours:.2f} x")


def time_in_turns(
    first: Callable[[], None],
    second: Callable[[], None],
    rounds: int,
    clock: Callable[[], float],
) -> tuple[float, float]:
    """Return the median seconds of two functions that are called in turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, taken in zip((first, second), seconds, strict=True):
            began = clock()
            function()
            taken.append(clock() - began)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


if __name__ == "__main__":
    main()
