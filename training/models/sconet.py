"""ScoNet: a silhouette classifier that is blind to the order of the frames.

Architecture of the Scoliosis1K paper's reference code; see `training.models.reference` for names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.models.blocks import (
    HorizontalPooling,
    PartwiseCosineNeck,
    PartwiseLinear,
    ResNet9,
)


class ModelOutput(NamedTuple):
    """What a model of the family says of a batch.

    A named tuple: Fabric converts the tensors inside tuples, but not inside frozen dataclasses.

    Attributes:
        embeddings: `(sample, channel, part)`, before the neck's batch norm: the triplet's input.
        logits: cosines `(sample, class, part)`; the prediction is the argmax of their part mean.
    """

    embeddings: Tensor
    logits: Tensor


class ScoNet(nn.Module):
    """Backbone per frame, maximum over time, strips, and a classifier for each strip."""

    def __init__(
        self, *, channels: Sequence[int], embedding_size: int, parts: int, classes: int
    ) -> None:
        super().__init__()
        self.backbone = ResNet9(channels)
        self.pooling = HorizontalPooling(parts)
        self.projection = PartwiseLinear(parts, channels[-1], embedding_size)
        self.neck = PartwiseCosineNeck(parts, embedding_size, classes)

    def forward(
        self, silhouettes: Tensor, piece_lengths: Sequence[int] | None = None
    ) -> ModelOutput:
        """Classify sequences of silhouettes.

        Args:
            silhouettes: `(sample, 1, frame, 64, 44)` float in [0, 1].
            piece_lengths: with one sample that holds several sequences end to end, how many frames
                belong to each; the output then has one row per piece.
        """
        samples, _, frame_count, height, width = silhouettes.shape
        features = self.backbone(silhouettes.reshape(-1, 1, height, width))
        # (sample * frame, channel, 16, 11)
        if piece_lengths is None:
            by_sample = features.reshape(samples, frame_count, *features.shape[1:])
            pooled = by_sample.max(dim=1).values
        else:
            pieces = features.split(list(piece_lengths))
            pooled = torch.stack([piece.max(dim=0).values for piece in pieces])
        embeddings = self.projection(self.pooling(pooled))
        return ModelOutput(embeddings, self.neck(embeddings))
