"""Readers of a remote dataset for tests, in a module that a spawned process imports quickly."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from transforms.shards.object_store import ObjectStore
from transforms.shards.remote import RemoteDataset, open_stored_dataset
from transforms.shards.shard_cache import ShardCache
from transforms.shards.shard_stream import stream_rows

LIMIT_BYTES: Final = 10_000_000


def open_quickly(url: str, endpoint: str, cache: Path, timeout_s: float = 30.0) -> RemoteDataset:
    # s3fs tries by itself too; without that, every fault reaches us.
    options = {"endpoint_url": endpoint, "config_kwargs": {"retries": {"max_attempts": 0}}}
    store = ObjectStore(url, options, timeout_s=timeout_s, pauses_s=(0.0, 0.05, 0.05))
    return open_stored_dataset(store, ShardCache(cache, LIMIT_BYTES))


def read_all(dataset: RemoteDataset) -> dict[str, np.ndarray]:
    rows = np.arange(len(dataset))
    return {
        dataset.sequence_ids[row]: frames
        for row, frames in stream_rows(dataset, rows, ahead_shards=3)
    }


def stream_in_a_child(url: str, endpoint: str, cache: Path, results: Any) -> None:
    dataset = open_quickly(url, endpoint, cache)
    results.put({name: frames.sum() for name, frames in read_all(dataset).items()})
