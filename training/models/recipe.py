"""What the registry holds of every model: how it is built, what it reads and what trains it."""

from typing import Literal, Protocol

import torch
from torch import nn

from training.losses import Loss
from transforms.training_settings import DualViewSettings, TrainingSettings

Samples = Literal["walks", "clips"]
"""A sample: the silhouettes of a walk in one view, or some frames of both views at once."""

ModelSettings = TrainingSettings | DualViewSettings
"""The section of `params.yaml` for models of walks, and that for models of clips."""


class Recipe(Protocol):
    """A model's recipe; modules return a `training.models.classifier.ModelOutput`."""

    @property
    def reads(self) -> Samples:
        """What a sample of this model is."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What is summed to train it."""

    @property
    def is_probe(self) -> bool:
        """Whether its classifier reads the embeddings without shaping them."""

    def build(self, settings: ModelSettings, class_count: int) -> nn.Module:
        """Make the module, its parameters not yet drawn."""

    def draw(self, model: nn.Module, generator: torch.Generator) -> None:
        """Fill every parameter of a module that `build` made from `generator` alone."""
