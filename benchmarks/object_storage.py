"""Throughput of one epoch's shuffled stream: local shards, a warm cache, S3 on loopback.

`PYTHONPATH=. python benchmarks/object_storage.py --sequences 300 --rounds 5` makes a synthetic
dataset, serves it with moto on this machine, reads all of it each way, round by round, and prints
medians and ratios.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tests.integration.object_storage import CREDENTIALS, serve_s3, upload
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.remote import RemoteDataset, open_remote_dataset
from transforms.shards.shard_cache import ShardCache
from transforms.shards.shard_stream import stream_rows
from transforms.shards.stream_order import StreamOrder
from transforms.shards.writer import write_shards
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

LIMIT_BYTES = 10 * 2**30
WINDOW_SHARDS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=300, help="of about 300 frames each")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ |= CREDENTIALS
    with tempfile.TemporaryDirectory() as folder, serve_s3() as endpoint:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        directory = _make_dataset(Path(folder), arguments.sequences)
        url = upload(endpoint, directory, "path")
        caches = iter(range(10**6))

        def fresh() -> RemoteDataset:
            return _open(url, Path(folder) / f"cold-{next(caches)}")

        warm = _open(url, Path(folder) / "warm")
        local = open_dataset(directory)
        order = StreamOrder(np.arange(len(warm)), warm.shard_of, 1, WINDOW_SHARDS).epoch(0)
        frames = int(local.index["frame_count"].sum())
        _stream(warm, order)
        ways: dict[str, Callable[[], object]] = {
            "local files, index order": lambda: _read(local, warm.sequence_ids),
            "local files, stream order": lambda: _read(
                local, [warm.sequence_ids[row] for row in order.tolist()]
            ),
            "warm cache, stream": lambda: _stream(warm, order),
            "warm cache, opened and hashed again": lambda: _stream(
                _open(url, Path(folder) / "warm"), order
            ),
            "S3 on loopback, empty cache, stream": lambda: _stream(fresh(), order),
        }
        _report(ways, frames, arguments.rounds)


def _make_dataset(folder: Path, sequences: int) -> Path:
    shape = CohortShape(participants={"negative": sequences}, sequences={"negative": sequences})
    write_silhouette_batch(shape, 1, folder / "batch", worker_count=2, progress=NoProgress())
    directory = folder / "dataset"
    directory.mkdir()
    batch = folder / "batch"
    facts = write_shards(
        [batch / "intake"],
        [batch / "extraction"],
        ShardSettings(),
        directory,
        progress=NoProgress(),
    )
    write_manifest(directory, kind="silhouette_shards", facts=facts)
    return directory


def _open(url: str, cache: Path) -> RemoteDataset:
    return open_remote_dataset(url, ShardCache(cache, LIMIT_BYTES))


def _read(dataset: SilhouetteDataset, sequence_ids: Iterable[str]) -> None:
    for sequence_id in sequence_ids:
        dataset.read(sequence_id)


def _stream(dataset: RemoteDataset, order: np.ndarray) -> None:
    for _ in stream_rows(dataset, order, ahead_shards=WINDOW_SHARDS):
        pass


def _report(ways: dict[str, Callable[[], object]], frames: int, rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - began)
    reference = statistics.median(next(iter(times.values())))
    print(f"{frames:,} frames, {rounds} rounds")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{name:38} {frames / median:12,.0f} frames/s {reference / median:6.2f}x")


if __name__ == "__main__":
    main()
