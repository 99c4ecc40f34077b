"""The search for near-duplicates in a dataset, from its frames to a table of pairs."""

import itertools
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.near_duplicates.candidates import find_candidates
from transforms.near_duplicates.judge import Match, match_walks, measure_distance
from transforms.near_duplicates.space import Space
from transforms.near_duplicates.tolerance import mean_pictures
from transforms.near_duplicates.walks import MIN_FRAMES, Walk, describe_sequences
from transforms.progress import Progress
from transforms.schemas import NEAR_DUPLICATES, conform
from transforms.shards.reader import SilhouetteDataset

CANDIDATE_LIMIT: Final = 3.5
"""Root mean squared difference between stretches; copies lie around 1, up to 2.5."""
_MIN_SPACE_SEQUENCES: Final = 40
"""A camera that saw fewer has no space of its own: too few bodies to tell people apart."""
_MOST_SPACES: Final = 8
"""Views with a space of their own: everything is read once for each, and views are free text."""
_WHOLE_GROUP: Final = 64
"""Up to so many identical sequences are reported pair by pair, more of them against the first."""
_DECIMALS: Final = 3  # in the table: the last digits depend on the machine's arithmetic


def find_near_duplicates(
    dataset: SilhouetteDataset, *, worker_count: int, progress: Progress
) -> pl.DataFrame:
    """Return the pairs of sequences that look like one recording (schema `NEAR_DUPLICATES`).

    Pairs inside one participant are among them. A function of the dataset's content alone.

    Args:
        dataset: any version or release.
        worker_count: processes that read and describe, threads that compare.
        progress: told of each of three stretches, once per space.

    Raises:
        IntegrityError: a shard is damaged.
    """
    names = sorted(dataset.index["sequence_id"].to_list())
    spaces = _name_spaces(dataset, names)
    groups: dict[str, list[int]] = {}
    walks: list[Walk] = []
    matches: dict[tuple[int, int], list[Match]] = defaultdict(list)
    for name in sorted(set(spaces)):
        space, walks = describe_sequences(
            dataset,
            names,
            fitted_to=[n for n, at in zip(names, spaces, strict=True) if name in ("", at)],
            worker_count=worker_count,
            progress=progress,
        )
        groups = _group_identical(walks)
        if space is None:
            continue
        distinct = [group[0] for group in groups.values() if walks[group[0]].features is not None]
        for first, second, match in _match_distinct(walks, distinct, space, worker_count, progress):
            if name in (spaces[first], spaces[second]):
                matches[first, second].append(match)
    rows = [
        _identical_row(names, walks, *pair)
        for group in groups.values()
        for pair in _pair_group(group)
    ]
    for (first, second), seen in matches.items():
        if len(seen) == len({spaces[first], spaces[second]}):  # a copy is one in every space
            members = itertools.product(
                groups[walks[first].digest][:_WHOLE_GROUP],
                groups[walks[second].digest][:_WHOLE_GROUP],
            )
            worst = max(seen, key=measure_distance)
            rows += [_near_row(names, worst, *pair) for pair in members]
    table = pl.DataFrame(rows, schema=pl.DataFrame(NEAR_DUPLICATES.empty_table()).schema)
    found = table.sort("first", "second")
    return pl.DataFrame(conform(found, NEAR_DUPLICATES, where="near-duplicates"))


def _name_spaces(dataset: SilhouetteDataset, names: list[str]) -> list[str]:
    """Return in which space each sequence is judged: its camera's, or "", that of all.

    In a space of front and side together few directions are the front's, which shows less movement.
    The cameras that saw the most come first, the others share that of all.
    """
    about = dataset.index.select("sequence_id", "view", "frame_count").rows()
    views = {name: view for name, view, _ in about}
    seen = Counter(view for _, view, frame_count in about if frame_count >= MIN_FRAMES)
    enough = [view for view, count in seen.items() if count >= _MIN_SPACE_SEQUENCES]
    own = sorted(enough, key=lambda view: (-seen[view], view))[:_MOST_SPACES]
    return [views[name] if views[name] in own else "" for name in names]


def _group_identical(walks: list[Walk]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for position, walk in enumerate(walks):
        groups[walk.digest].append(position)
    return groups


def _match_distinct(
    walks: list[Walk],
    distinct: list[int],
    space: Space,
    worker_count: int,
    progress: Progress,
) -> list[tuple[int, int, Match]]:
    """Return `(first, second, match)` for walks whose pixels differ and yet agree, best way round.

    The first is the smaller position.
    """
    described = [walks[position].features for position in distinct]
    means = [mean_pictures(features.shape) for features in described if features is not None]
    if not means:
        return []
    candidates = find_candidates(
        np.concatenate(means).astype(np.float32),
        np.repeat(np.array(distinct, dtype=np.int64), [len(mean) for mean in means]),
        space.shape.signs,
        limit=CANDIDATE_LIMIT,
        worker_count=worker_count,
    )
    progress.start("pairs compared", len(candidates))
    best: dict[tuple[int, int], Match] = {}

    def compare(candidate: list[int]) -> Match | None:
        first, second, is_mirrored = candidate
        return match_walks(walks[first], walks[second], space, is_mirrored=bool(is_mirrored))

    with ThreadPoolExecutor(worker_count) as threads:  # the compiled alignment releases the GIL
        listed = candidates.tolist()
        for (first, second, _), match in zip(listed, threads.map(compare, listed), strict=True):
            progress.advance()
            if match is None or measure_distance(match) >= 1:
                continue
            known = best.get((first, second))
            if known is None or measure_distance(match) < measure_distance(known):
                best[first, second] = match
    return [(first, second, match) for (first, second), match in sorted(best.items())]


def _pair_group(group: list[int]) -> list[tuple[int, int]]:
    if len(group) <= _WHOLE_GROUP:
        return list(itertools.combinations(group, 2))
    return [(group[0], other) for other in group[1:]]


def _identical_row(names: list[str], walks: list[Walk], first: int, second: int) -> dict[str, Any]:
    return {
        "first": names[first],
        "second": names[second],
        "kind": "identical",
        "is_mirrored": False,
        "rate": 1.0,
        "overlap_frames": walks[first].frame_count,
        "distance": 0.0,
    }


def _near_row(names: list[str], match: Match, first: int, second: int) -> dict[str, Any]:
    rate = match.rate
    if first > second:
        first, second, rate = second, first, 1 / rate
    return {
        "first": names[first],
        "second": names[second],
        "kind": "near",
        "is_mirrored": match.is_mirrored,
        "rate": round(rate, _DECIMALS),
        "overlap_frames": match.overlap_frames,
        "distance": round(measure_distance(match), _DECIMALS),
    }
