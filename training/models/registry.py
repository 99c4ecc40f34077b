"""The models that an experiment can name: how each is built and which losses train it."""

from dataclasses import dataclass
from typing import Final, Literal

import torch

from training.models.blocks import (
    HorizontalPooling,
    LinearNeck,
    MeanPooling,
    PartwiseCosineNeck,
    PartwiseLinear,
    ResNet9,
    initialise,
)
from training.models.classifier import SilhouetteClassifier
from transforms.errors import SettingsError
from transforms.labels import SCOLIOSIS
from transforms.settings import TrainingSettings

Loss = Literal["cross_entropy", "triplet"]

# Channels last is faster (benchmarks/training_step.py) and unsafe below this width: with fewer
# input channels than a vector holds, 16 with AVX-512, oneDNN writes past its buffer in the backward
# pass of strided 1x1 convolutions (https://github.com/uxlfoundation/oneDNN/issues/6035).
_CHANNELS_LAST_FROM: Final = 16


@dataclass(frozen=True)
class ModelSpec:
    """A model's recipe.

    Attributes:
        has_strips: ScoNet's head, a classifier of cosines for each horizontal strip; without, one
            linear classifier of the mean over the whole figure.
        is_probe: the triplet loss alone shapes the embeddings. The paper does not say how it reads
            labels from those; ours are read by the same neck, whose gradient stops before them.
        losses: what is summed to train it.
    """

    has_strips: bool
    losses: tuple[Loss, ...]
    is_probe: bool = False

    def build(
        self, settings: TrainingSettings, class_count: int = len(SCOLIOSIS.classes)
    ) -> SilhouetteClassifier:
        """Make the module, its parameters not yet drawn."""
        channels, size, classes = settings.channels, settings.embedding_size, class_count
        parts = settings.parts if self.has_strips else 1
        model = SilhouetteClassifier(
            backbone=ResNet9(channels),
            pooling=HorizontalPooling(parts) if self.has_strips else MeanPooling(),
            projection=PartwiseLinear(parts, channels[-1], size),
            neck=PartwiseCosineNeck(parts, size, classes, scale=settings.logit_scale)
            if self.has_strips
            else LinearNeck(size, classes),
            is_probe=self.is_probe,
        )
        if min(channels) >= _CHANNELS_LAST_FROM:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's gap
        return model


MODELS: Final[dict[str, ModelSpec]] = {
    "baseline_cnn": ModelSpec(False, ("cross_entropy",)),
    "baseline_cnn_triplet": ModelSpec(False, ("cross_entropy", "triplet"), is_probe=True),
    "baseline_cnn_mt": ModelSpec(False, ("cross_entropy", "triplet")),
    "sconet": ModelSpec(True, ("cross_entropy",)),
    "sconet_triplet": ModelSpec(True, ("cross_entropy", "triplet"), is_probe=True),
    "sconet_mt": ModelSpec(True, ("cross_entropy", "triplet")),
}
"""The six classifiers of the Scoliosis1K paper."""


def find_model(name: str) -> ModelSpec:
    """Return the recipe of a model.

    Raises:
        SettingsError: there is no model of that name.
    """
    if name not in MODELS:
        raise SettingsError(
            "no such model",
            where="experiments.models",
            expected=" or ".join(sorted(MODELS)),
            found=name,
        )
    return MODELS[name]


def build_model(
    name: str, settings: TrainingSettings, seed: int, class_count: int = len(SCOLIOSIS.classes)
) -> SilhouetteClassifier:
    """Build a model with parameters drawn from `seed` alone.

    Raises:
        SettingsError: there is no model of that name.
    """
    model = find_model(name).build(settings, class_count)
    initialise(model, torch.Generator().manual_seed(seed))
    return model
