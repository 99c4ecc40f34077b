"""The one shape that all models of the ScoNet family have, and what a model says of a batch.

Which parts make which model is said in `training.models.registry`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.models.blocks import Neck


class ModelOutput(NamedTuple):
    """What a model of the family says of a batch.

    A named tuple: Fabric converts the tensors inside tuples, but not inside frozen dataclasses.

    Attributes:
        embeddings: `(sample, channel, part)`, before the neck: the triplet's input.
        logits: `(sample, class, part)`; the prediction is the argmax of their part mean.
        scale: what logits are multiplied by before a softmax; cosines alone say too little.
    """

    embeddings: Tensor
    logits: Tensor
    scale: float


class SilhouetteClassifier(nn.Module):
    """Backbone per frame, maximum over time, pooling into parts, an embedding and logits of each.

    It is blind to the order of the frames.

    Args:
        backbone: maps `(frame, 1, 64, 44)` to `(frame, channel, height, width)`.
        pooling: maps `(sample, channel, height, width)` to `(sample, channel, part)`.
        projection: maps that to embeddings `(sample, embedding channel, part)`.
        neck: maps those to logits.
        is_probe: the neck reads the embeddings and does not shape them: no gradient passes.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        pooling: nn.Module,
        projection: nn.Module,
        neck: Neck,
        is_probe: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self.projection = projection
        self.neck = neck
        self._is_probe = is_probe

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
        logits = self.neck(embeddings.detach() if self._is_probe else embeddings)
        return ModelOutput(embeddings, logits, self.neck.scale)
