"""What the pixels of one walk are compared with: people in general, or only the walker's own mean.

Evidence says what a departure from the reference is worth to a model. Beside the walker's own mean
a posture that is kept all along departs from nothing: where the dataset is at hand, it is better.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from transforms.errors import GaitworksError
from transforms.explanation.shares import Floats
from transforms.shards.reader import open_dataset

_SHARDS: Final = 4
_WIDTH_PX: Final = 44
UNKNOWN_VIEW: Final = "unknown"


@dataclass(frozen=True)
class Reference:
    """A mean silhouette.

    Attributes:
        silhouette: `(64, 44)` in [0, 1].
        words: of whom, for a person.
    """

    silhouette: Floats
    words: str


def find_reference(dataset: Path, dataset_version: str, view: str) -> Reference | str:
    """Return the mean silhouette of a dataset's view, or why there is none.

    Each walk of the view in at most `_SHARDS` shards, evenly spread, counts once.

    Args:
        dataset: where it would lie.
        dataset_version: what the model was trained on; another dataset is not taken.
        view: of the walk; `UNKNOWN_VIEW` does where the dataset has one only.

    Raises:
        IntegrityError: a shard is damaged.
    """
    try:
        opened = open_dataset(dataset)
    except GaitworksError:
        return "the dataset that the model was trained on is not here"
    if opened.version != dataset_version:
        return "the dataset here is not what the model was trained on"
    views = sorted(opened.index["view"].unique())
    if view == UNKNOWN_VIEW and len(views) == 1:
        view = views[0]
    if view not in views:
        return f"the dataset has the views {', '.join(views)} and the walk's is {view}"
    index = opened.index.filter(opened.index["view"] == view).sort("sequence_id")
    shards = sorted(index["shard"].unique())
    chosen = {
        shards[place] for place in np.linspace(0, len(shards) - 1, _SHARDS).round().astype(int)
    }
    ids = [
        name for name, shard in index.select("sequence_id", "shard").iter_rows() if shard in chosen
    ]
    means = []
    for sequence_id in ids:
        found = opened.read(sequence_id)
        cut = (found.shape[2] - _WIDTH_PX) // 2
        means.append(found[:, :, cut : cut + _WIDTH_PX].mean(axis=0, dtype=np.float64) / 255)
    words = f"the mean silhouette of {len(ids)} walks of the dataset, {view} view"
    return Reference(np.mean(means, axis=0).astype(np.float32), words)


def take_own_mean(silhouettes: Floats, reason: str) -> Reference:
    """Return the mean of a walk `(frame, 64, 44)`, for want of a better one."""
    return Reference(
        np.asarray(silhouettes.mean(axis=0), dtype=np.float32),
        f"the walk's own mean silhouette, since {reason}: only what changes during the walk can "
        "be evidence, a posture that is kept cannot",
    )
