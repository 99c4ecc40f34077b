"""Pairs worth a closer look: sequences with stretches that look alike, found in an index.

The cost grows with the number of sequences times its logarithm: each stretch asks for a fixed
number of neighbours.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS: Final = 40
"""Per stretch and way round; a sequence's own stretches (7 in 300 frames) are among them."""
_PARTNERS: Final = 8
"""Per sequence at most: more would be strangers."""
_LEAF_SIZE: Final = 32
_DIRECTIONS: Final = 12
"""In which stretches vary most: an index of many more directions has to look at nearly all."""
_REACH: Final = 1.4
"""Of the limit: where the widest directions are those that copying changed."""
_SLACK: Final = 2.0
"""A neighbour may be missed for one that is up to so much farther, as a part of its distance."""

Stretches = NDArray[np.float32]


def find_candidates(
    stretches: Stretches,
    owners: NDArray[np.int64],
    signs: NDArray[np.float32],
    *,
    limit: float,
    worker_count: int,
) -> NDArray[np.int64]:
    """Return pairs, `(pair, 3)` int64: first, second, is_mirrored; first is the smaller.

    Args:
        stretches: `(stretch, direction)` float32, in units of what copying makes.
        owners: `(stretch,)` int64, the sequence of each.
        signs: `(direction,)`: what mirroring multiplies a stretch by.
        limit: greatest root mean squared difference per direction.
        worker_count: threads.
    """
    from scipy.spatial import cKDTree

    widest = np.sort(np.argsort(-stretches.var(axis=0), kind="stable")[:_DIRECTIONS])
    tree = cKDTree(stretches[:, widest], leafsize=_LEAF_SIZE)
    found, distances = [], []
    for is_mirrored in (0, 1):
        turned = stretches * signs if is_mirrored else stretches
        _, neighbours = tree.query(
            turned[:, widest],
            k=np.arange(1, min(_NEIGHBOURS, len(stretches)) + 1),
            eps=_SLACK,
            distance_upper_bound=_REACH * limit * np.sqrt(len(widest)),
            workers=worker_count,
        )
        asking, rank = np.nonzero(neighbours < len(stretches))  # the rest: none so near
        answering = neighbours[asking, rank]
        pairs = np.stack([owners[asking], owners[answering], np.full(len(asking), is_mirrored)], 1)
        found.append(pairs)
        distances.append(_measure(turned, stretches, asking, answering))
    return _keep_nearest(np.concatenate(found), np.concatenate(distances), limit)


def _measure(
    turned: Stretches, stretches: Stretches, asking: NDArray[np.int64], answering: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return root mean squared differences over all directions."""
    total = np.zeros(len(asking))
    for direction in range(stretches.shape[1]):
        total += np.square(turned[asking, direction] - stretches[answering, direction])
    return np.asarray(np.sqrt(total / stretches.shape[1]))


def _keep_nearest(
    pairs: NDArray[np.int64], distances: NDArray[np.float64], limit: float
) -> NDArray[np.int64]:
    """Keep, of each sequence that asked, the nearest others; each pair once per way round."""
    is_pair = (pairs[:, 0] != pairs[:, 1]) & (distances <= limit)
    pairs, distances = pairs[is_pair], distances[is_pair]
    order = np.lexsort((pairs[:, 2], pairs[:, 1], pairs[:, 0], distances))
    _, first_seen = np.unique(pairs[order], axis=0, return_index=True)
    nearest = order[np.sort(first_seen)]  # nearest first, each once
    by_asker = nearest[np.argsort(pairs[nearest, 0], kind="stable")]
    _, starts, counts = np.unique(pairs[by_asker, 0], return_index=True, return_counts=True)
    rank = np.arange(len(by_asker)) - np.repeat(starts, counts)
    kept = pairs[by_asker[rank < _PARTNERS]]
    kept[:, :2].sort(axis=1)
    return np.unique(kept, axis=0)
