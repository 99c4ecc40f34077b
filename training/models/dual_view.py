"""Classifiers of clips that show one walk from two views.

A model is named by where its views meet, since the literature's words are used both ways: the paper
on adult spinal deformity averages class probabilities in what it calls late fusion and joins
features in slow fusion; the code of its authors has the two names the other way round.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from training.losses import Loss
from training.models.classifier import ModelOutput
from training.models.recipe import ModelSettings, Samples
from training.models.resnet3d import ResNet3D, ResNet3DArchitecture, initialise_fan_out
from transforms.dual_view.pairing import VIEWS
from transforms.errors import InputError
from transforms.training_settings import DualViewSettings

Fusion = Literal["channels", "features", "probabilities", "logits"]
View = Literal["front", "side"]

CHANNEL_COUNTS: Final = {"silhouettes": 1, "rgb": 3}
"""Channels of one view by `dual_view.input`."""


@dataclass(frozen=True)
class DualViewSpec:
    """A model's recipe.

    Attributes:
        fusion: where views meet: their channels at the input of one network; their pooled features
            before one classifier; the class probabilities, or the logits, of a network and
            classifier each. One view alone has nothing to meet: `channels`.
        views: what the model looks at.
    """

    fusion: Fusion
    views: tuple[View, ...] = VIEWS

    losses: tuple[Loss, ...] = ("cross_entropy",)
    is_probe: bool = False

    @property
    def reads(self) -> Samples:
        """What a sample of this model is."""
        return "clips"

    def build(self, settings: ModelSettings, class_count: int) -> "DualViewClassifier":
        """Make the module, its parameters not yet drawn from a seed."""
        assert isinstance(settings, DualViewSettings)  # what models of clips are given
        architecture = ResNet3DArchitecture(settings.width, settings.depths)
        return DualViewClassifier(self, architecture, class_count, CHANNEL_COUNTS[settings.input])

    def draw(self, model: nn.Module, generator: torch.Generator) -> None:
        """Fill every parameter from `generator`."""
        initialise_fan_out(model, generator)


class DualViewClassifier(nn.Module):
    """3D networks that describe a clip, and classifiers of what they say.

    It is not blind to the order of the frames.

    Attributes:
        spec: its recipe.
        channel_count: channels of one view.
        backbones: one network for all views where their channels meet, else one for each view, in
            the order of `spec.views`.
    """

    def __init__(
        self,
        spec: DualViewSpec,
        architecture: ResNet3DArchitecture,
        class_count: int,
        channel_count: int,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.channel_count = channel_count
        positions = [VIEWS.index(view) for view in spec.views]
        # The views that each network reads.
        self._streams = [positions] if spec.fusion == "channels" else [[one] for one in positions]
        self.backbones = nn.ModuleList(
            ResNet3D(architecture, channel_count * len(stream)) for stream in self._streams
        )
        has_one_classifier = spec.fusion in ("channels", "features")
        length, count = architecture.feature_count, len(self._streams)
        self.classifiers = nn.ModuleList(
            nn.Linear(length * count if has_one_classifier else length, class_count)
            for _ in range(1 if has_one_classifier else count)
        )

    def forward(self, clips: Tensor) -> ModelOutput:
        """Classify clips.

        Args:
            clips: `(sample, view, channel, frame, height, width)` float in [0, 1], views in the
                order of `VIEWS`. A view that the model does not look at may hold anything.

        Returns:
            Embeddings `(sample, feature, 1)`: the pooled features, one view after the other.
            Logits `(sample, class, 1)`, whose softmax is the class probabilities.

        Raises:
            InputError: the clips have other axes.
        """
        self._check_axes(clips)
        features = [
            backbone(clips[:, stream].flatten(start_dim=1, end_dim=2))
            for backbone, stream in zip(self.backbones, self._streams, strict=True)
        ]
        described = torch.cat(features, dim=1)
        inputs = [described] if len(self.classifiers) == 1 else features
        logits = [classifier(one) for classifier, one in zip(self.classifiers, inputs, strict=True)]
        if self.spec.fusion == "probabilities":
            fused = log_mean_probabilities(logits)
        else:
            fused = torch.stack(logits).mean(dim=0)
        return ModelOutput(described[:, :, None], fused[:, :, None], 1.0)

    def _check_axes(self, clips: Tensor) -> None:
        if clips.ndim != 6 or clips.shape[1:3] != (len(VIEWS), self.channel_count):
            raise InputError(
                "clips with other axes than this model reads",
                expected=f"(sample, {len(VIEWS)}, {self.channel_count}, frame, height, width)",
                found=tuple(clips.shape),
            )


def log_mean_probabilities(logits: Sequence[Tensor]) -> Tensor:
    """Return the logarithm of the mean of the probabilities that each of `logits` says.

    Its softmax is that mean, so that it can stand for logits wherever those are read. Computed from
    logarithms: a probability too small for a float does not become an infinite loss.

    Args:
        logits: `(sample, class)` of each classifier.
    """
    logarithms = torch.stack([one.log_softmax(dim=1) for one in logits])
    return logarithms.logsumexp(dim=0) - math.log(len(logits))
