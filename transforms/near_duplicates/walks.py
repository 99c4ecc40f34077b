"""What the search knows of each sequence: a hash of its pixels and its frames in a fitted space."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from transforms.near_duplicates.pictures import shrink_frames
from transforms.near_duplicates.space import Space, fit_space
from transforms.near_duplicates.tolerance import Trials, join_trials, try_copying
from transforms.progress import Progress
from transforms.shards.reader import SilhouetteDataset
from transforms.worker_pool import map_in_processes

MIN_FRAMES: Final = 16
"""Shorter sequences show too little of a walk to be told from another."""
_SAMPLE_SIZE: Final = 120
_CHUNK: Final = 16
_SEED: Final = 0


@dataclass(frozen=True)
class Features:
    """What tells bodies, moments and strides apart; each `(frame, direction)` float32."""

    shape: NDArray[np.float32]
    pose: NDArray[np.float32]
    stride: NDArray[np.float32]


@dataclass(frozen=True)
class Walk:
    """One sequence.

    Attributes:
        digest: sha256 of its frames and their shape.
        frame_count: how many it has.
        features: None: too few frames.
    """

    digest: str
    frame_count: int
    features: Features | None = None


def describe_sequences(
    dataset: SilhouetteDataset,
    sequence_ids: Sequence[str],
    *,
    fitted_to: Sequence[str],
    worker_count: int,
    progress: Progress,
) -> tuple[Space | None, list[Walk]]:
    """Fit a space to some sequences and return the walks of others in the order given.

    Args:
        dataset: where they lie.
        sequence_ids: what is described.
        fitted_to: what copying is tried on; a part of it, where it is large.
        worker_count: processes.
        progress: told of both.

    Returns:
        The space, None where no sequence is long enough, and the walks.
    """
    counts = dict(dataset.index.select("sequence_id", "frame_count").iter_rows())
    long = [name for name in fitted_to if counts[name] >= MIN_FRAMES]
    places = np.unique(np.linspace(0, len(long) - 1, min(_SAMPLE_SIZE, len(long))).astype(int))
    sample = _chunks([long[place] for place in places.tolist()])
    trials: dict[int, Trials] = {}
    progress.start("tolerance of copies", len(places))
    for position, part in map_in_processes(
        partial(_try_sequences, dataset), sample, worker_count=worker_count
    ):
        trials[position] = part
        progress.advance(len(sample[position]))
    space = fit_space(join_trials([trials[n] for n in sorted(trials)])) if trials else None

    chunks = _chunks(sequence_ids)
    walks: dict[int, list[Walk]] = {}
    progress.start("sequences described", len(sequence_ids))
    for position, described in map_in_processes(
        partial(_describe, dataset, space), chunks, worker_count=worker_count
    ):
        walks[position] = described
        progress.advance(len(chunks[position]))
    return space, [walk for position in sorted(walks) for walk in walks[position]]


def _chunks(names: Sequence[str]) -> list[list[str]]:
    return [list(names[start : start + _CHUNK]) for start in range(0, len(names), _CHUNK)]


def _try_sequences(dataset: SilhouetteDataset, names: list[str]) -> Trials:
    trials = []
    for name in names:
        key = np.frombuffer(sha256(name.encode()).digest()[:16], dtype="<u4")
        rng = np.random.default_rng([_SEED, *key.tolist()])
        with threadpool_limits(1, user_api="blas"):  # the processes share the cores
            trials.append(try_copying(dataset.read(name), rng))
    return join_trials(trials)


def _describe(dataset: SilhouetteDataset, space: Space | None, names: list[str]) -> list[Walk]:
    walks = []
    for name in names:
        silhouettes = dataset.read(name)
        digest = sha256(repr(silhouettes.shape).encode())
        digest.update(np.ascontiguousarray(silhouettes).data)
        if space is None or len(silhouettes) < MIN_FRAMES:
            walks.append(Walk(digest.hexdigest(), len(silhouettes)))
            continue
        pictures = shrink_frames(silhouettes)
        with threadpool_limits(1, user_api="blas"):
            parts = [part.project(pictures) for part in (space.shape, space.pose, space.stride)]
        features = Features(*parts)
        walks.append(Walk(digest.hexdigest(), len(silhouettes), features))
    return walks
