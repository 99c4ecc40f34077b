"""The recipe of classifiers of silhouettes: ScoNet's family, and what is built on its backbone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from training.losses import Loss
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
from training.models.recipe import ModelSettings, Samples
from training.models.temporal import MaximumOverTime, TemporalPooling
from transforms.labels import SCOLIOSIS
from transforms.training_settings import TrainingSettings

# Channels last is faster (benchmarks/training_step.py) and unsafe below this width: with fewer
# input channels than a vector holds, 16 with AVX-512, oneDNN writes past its buffer in the backward
# pass of strided 1x1 convolutions (https://github.com/uxlfoundation/oneDNN/issues/6035).
_CHANNELS_LAST_FROM: Final = 16


def _take_maximum(_: TrainingSettings) -> TemporalPooling:
    return MaximumOverTime()


@dataclass(frozen=True)
class SilhouetteSpec:
    """A model's recipe.

    Attributes:
        has_strips: ScoNet's head, a classifier of cosines for each horizontal strip; without, one
            linear classifier of the mean over the whole figure.
        losses: what is summed to train it.
        is_probe: the triplet loss alone shapes the embeddings. The paper does not say how it reads
            labels from those; ours are read by the same neck, whose gradient stops before them.
        pool_time: makes the pooling over time.
    """

    has_strips: bool
    losses: tuple[Loss, ...]
    is_probe: bool = False
    pool_time: Callable[[TrainingSettings], TemporalPooling] = _take_maximum

    @property
    def reads(self) -> Samples:
        """What a sample of this model is."""
        return "walks"

    def build(
        self, settings: ModelSettings, class_count: int = len(SCOLIOSIS.classes)
    ) -> SilhouetteClassifier:
        """Make the module, its parameters not yet drawn."""
        assert isinstance(settings, TrainingSettings)  # what models of walks are given
        channels, size = settings.channels, settings.embedding_size
        parts = settings.parts if self.has_strips else 1
        model = SilhouetteClassifier(
            backbone=ResNet9(channels),
            temporal=self.pool_time(settings),
            pooling=HorizontalPooling(parts) if self.has_strips else MeanPooling(),
            projection=PartwiseLinear(parts, channels[-1], size),
            neck=PartwiseCosineNeck(parts, size, class_count, scale=settings.logit_scale)
            if self.has_strips
            else LinearNeck(size, class_count),
            is_probe=self.is_probe,
        )
        if min(channels) >= _CHANNELS_LAST_FROM:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's gap
        return model

    def draw(self, model: nn.Module, generator: torch.Generator) -> None:
        """Fill every parameter from `generator`."""
        initialise(model, generator)
