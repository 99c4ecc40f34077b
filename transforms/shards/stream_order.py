"""In which order an epoch's sequences are streamed: a pure function of the seed and the epoch.

Shards come in random order, sequences in random order within a window of shards, so that a reader
holds a few shards at a time and still mixes. Nothing is read here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.errors import SettingsError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class StreamOrder:
    """The order of some sequences of a dataset.

    Attributes:
        rows: `(sequence,)` rows of the index, each once.
        shard_of: `(row of the index,)` the shard of every row, also of those not in `rows`.
        seed: of all epochs.
        window_shards: sequences are mixed over this many shards.
    """

    rows: Rows
    shard_of: Rows
    seed: int
    window_shards: int

    def __post_init__(self) -> None:
        if self.window_shards < 1 or self.seed < 0:
            raise SettingsError(
                "a stream needs a window and a seed",
                expected="window_shards of at least 1, seed of at least 0",
                found=f"{self.window_shards}, {self.seed}",
            )

    def epoch(self, epoch: int) -> Rows:
        """Return all `rows` in the order of an epoch, counted from 0."""
        shards = np.unique(self.shard_of[self.rows])
        generator = np.random.default_rng([self.seed, epoch])
        turn = np.full(int(self.shard_of.max(initial=-1)) + 1, -1)
        turn[generator.permutation(shards)] = np.arange(len(shards))
        window = turn[self.shard_of[self.rows]] // self.window_shards
        # Sorted first: the order depends on which rows there are, not on how they were listed.
        by_row = np.argsort(self.rows)
        keys = generator.permutation(len(self.rows))
        order = np.lexsort((keys, window[by_row]))
        return self.rows[by_row][order]

    def share(self, epoch: int, rank: int = 0, world_size: int = 1) -> Rows:
        """Return what one of `world_size` processes reads in an epoch: a run of the epoch's order.

        Shares differ by at most one sequence, do not overlap, and leave nothing out. A shard is in
        one share, or in two that meet in its window.
        """
        if not 0 <= rank < world_size:
            raise SettingsError(
                "no such rank", expected=f"0 to {world_size - 1}", found=f"rank {rank}"
            )
        order = self.epoch(epoch)
        start, stop = (len(order) * part // world_size for part in (rank, rank + 1))
        return order[start:stop]
