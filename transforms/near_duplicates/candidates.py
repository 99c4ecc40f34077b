"""Pairs worth a closer look: sequences with stretches that look alike, found in an index.

The cost grows with the number of sequences times its logarithm: each stretch asks for a fixed
number of neighbours.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS: Final = 32
"""Per stretch and way round; a sequence's own stretches (7 in 300 frames) are among them."""
_LEAF_SIZE: Final = 32
_DIRECTIONS: Final = 12
"""In which stretches vary most: an index of many more directions has to look at nearly all."""
_SLACK: Final = 0.5
"""A neighbour may be missed for one that is up to so much farther, as a part of its distance."""


def find_candidates(
    stretches: NDArray[np.float32],
    owners: NDArray[np.int64],
    signs: NDArray[np.float32],
    *,
    limit: float,
    worker_count: int,
) -> NDArray[np.int64]:
    """Return pairs, `(pair, 5)` int64: first, second, is_mirrored, stretch of each.

    The first is the smaller; the stretches are positions in `stretches` of the two most alike.

    Args:
        stretches: `(stretch, direction)` float32, in units of what copying makes.
        owners: `(stretch,)` int64, the sequence of each.
        signs: `(direction,)`: what mirroring multiplies a stretch by.
        limit: greatest root mean squared difference per direction.
        worker_count: threads.
    """
    from scipy.spatial import cKDTree

    widest = np.sort(np.argsort(-stretches.var(axis=0), kind="stable")[:_DIRECTIONS])
    stretches, signs = stretches[:, widest], signs[widest]
    tree = cKDTree(stretches, leafsize=_LEAF_SIZE)
    found = []
    for is_mirrored in (0, 1):
        distances, neighbours = tree.query(
            stretches * signs if is_mirrored else stretches,
            k=np.arange(1, min(_NEIGHBOURS, len(stretches)) + 1),
            eps=_SLACK,
            distance_upper_bound=limit * np.sqrt(stretches.shape[1]),
            workers=worker_count,
        )
        asking, rank = np.nonzero(neighbours < len(stretches))  # the rest: none so near
        distance, answering = distances[asking, rank], neighbours[asking, rank]
        is_turned = owners[asking] > owners[answering]
        first = np.where(is_turned, answering, asking)
        second = np.where(is_turned, asking, answering)
        is_pair = owners[first] != owners[second]
        order = np.lexsort((second, first, distance))
        order = order[is_pair[order]]
        kind = np.full(len(order), is_mirrored)
        rows = [owners[first], owners[second], kind, first, second]
        rows = [row if row is kind else row[order] for row in rows]
        found.append(np.stack(rows, axis=1))
    pairs = np.concatenate(found)
    _, nearest = np.unique(pairs[:, :3], axis=0, return_index=True)
    return pairs[nearest]
