"""What an explanation of any model consists of before tables and pictures are made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from torch import nn

from training.finished_model import FinishedModel
from training.models.registry import build_model
from transforms.explanation.shares import Floats, SequenceMaps

# A training's own seed would give back the weights it began with.
_SEED_STEP: Final = 1_000_003
_SEEDS: Final = 2**32

Comparison = tuple[Floats, Mapping[str, Floats], Mapping[str, Floats]]
"""A sequence's silhouette, its maps, and its maps by a model with other weights."""


@dataclass(frozen=True)
class Explained:
    """The maps of a sample of the test side.

    Attributes:
        sequences: by the trained model.
        randomised: by sanity check, some of them beside those of a model drawn anew.
    """

    sequences: Sequence[SequenceMaps]
    randomised: Mapping[str, Sequence[Comparison]]


def compare_maps(before: Sequence[SequenceMaps], after: Sequence[SequenceMaps]) -> list[Comparison]:
    """Return every sequence of `after` beside what it was `before`."""
    known = {one.sequence_id: one for one in before}
    return [(one.silhouette, known[one.sequence_id].whole, one.whole) for one in after]


def draw_anew(opened: FinishedModel) -> nn.Module:
    """Return the model with weights that were never trained, nor begun to be."""
    data = opened.data
    seed = (data.job.seed + _SEED_STEP) % _SEEDS
    return build_model(data.job.model, data.model_settings, seed, len(data.scheme.classes))
