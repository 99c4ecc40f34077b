"""The models that an experiment can name: how each is built and which losses train it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import nn

from training.models.blocks import initialise
from training.models.sconet import ScoNet
from transforms.errors import SettingsError
from transforms.labels import SCOLIOSIS_LABELS
from transforms.settings import TrainingSettings

Loss = Literal["cross_entropy", "triplet"]


@dataclass(frozen=True)
class ModelSpec:
    """A model's recipe.

    Attributes:
        build: makes the module; it maps `(sample, 1, frame, 64, 44)` to a `ModelOutput`.
        losses: what is summed to train it.
    """

    build: Callable[[TrainingSettings], nn.Module]
    losses: tuple[Loss, ...]


def _build_sconet(settings: TrainingSettings) -> nn.Module:
    return ScoNet(
        channels=settings.channels,
        embedding_size=settings.embedding_size,
        parts=settings.parts,
        classes=len(SCOLIOSIS_LABELS),
    )


MODELS: Final[dict[str, ModelSpec]] = {
    "sconet": ModelSpec(_build_sconet, ("cross_entropy",)),
    "sconet_mt": ModelSpec(_build_sconet, ("cross_entropy", "triplet")),
}


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


def build_model(name: str, settings: TrainingSettings, seed: int) -> nn.Module:
    """Build a model with parameters drawn from `seed` alone.

    Raises:
        SettingsError: there is no model of that name.
    """
    model = find_model(name).build(settings)
    initialise(model, torch.Generator().manual_seed(seed))
    return model
