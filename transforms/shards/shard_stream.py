"""Read sequences of a remote dataset in a given order while threads bring the next shards.

What the order is, and how it is split over processes, is said in `transforms.shards.stream_order`.
"""

import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.shards.remote import Blobs, RemoteDataset
from transforms.shards.stream_order import Rows

_THREADS: Final = 8  # they wait for the storage most of the time


def stream_rows(
    dataset: RemoteDataset, rows: Rows, *, ahead_shards: int
) -> Generator[tuple[int, NDArray[np.uint8]]]:
    """Yield `(row, silhouettes)` of rows of the index in exactly the given order.

    Each shard is read once, before its first sequence is due, and let go after its last one. In
    memory are the encoded sequences still due of the shards that are begun, and of `ahead_shards`
    more. Shards that are mixed in a window are all begun at its start, so bring a window ahead.

    Yields:
        The row, and its silhouettes: uint8 [frame, height, width] in 0..255.

    Raises:
        GaitworksError: a shard can't be had; names it and its sequences that were due.
    """
    rows_of: dict[int, list[int]] = {}
    for row, shard in zip(rows.tolist(), dataset.shard_of[rows].tolist(), strict=True):
        rows_of.setdefault(shard, []).append(row)
    waiting = deque(rows_of)  # in the order of their first sequence
    stop = threading.Event()
    pool = ThreadPoolExecutor(
        min(max(1, ahead_shards), _THREADS), thread_name_prefix="gaitworks-shards"
    )
    coming: dict[int, Future[Blobs]] = {}
    begun: dict[int, Blobs] = {}

    def bring_next() -> None:
        shard = waiting.popleft()
        coming[shard] = pool.submit(dataset.read_shard, shard, rows_of.pop(shard), stop=stop)

    try:
        for row in rows.tolist():
            shard = int(dataset.shard_of[row])
            if shard not in begun:
                if shard not in coming:
                    bring_next()
                begun[shard] = coming.pop(shard).result()
            while waiting and len(coming) < ahead_shards:
                bring_next()
            yield row, dataset.decode(row, begun[shard].pop(dataset.sequence_ids[row]))
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
