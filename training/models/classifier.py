"""The one shape that all models of the ScoNet family have, and what a model says of a batch.

Which parts make which model is said in `training.models.registry`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from training.models.blocks import Neck

# Judging takes so many frames at a time: a sequence of 720 needs no more memory than one of 30, and
# the features of a few frames are still in the cache when the next layer reads them.
_FRAMES_AT_ONCE: Final = 15


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
        frames = silhouettes.reshape(-1, 1, height, width)
        lengths = [frame_count] * samples if piece_lengths is None else list(piece_lengths)
        if self.training or torch.is_grad_enabled():
            features = self.backbone(frames)  # (sample * frame, channel, 16, 11)
            if piece_lengths is None:
                by_sample = features.reshape(samples, frame_count, *features.shape[1:])
                pooled = by_sample.max(dim=1).values
            else:
                pooled = torch.stack([piece.max(dim=0).values for piece in features.split(lengths)])
        else:
            pieces = frames.split(lengths)  # type: ignore[no-untyped-call]  # torch's own gap
            pooled = torch.stack([self._pool_in_turns(piece) for piece in pieces])
        embeddings = self.projection(self.pooling(pooled))
        logits = self.neck(embeddings.detach() if self._is_probe else embeddings)
        return ModelOutput(embeddings, logits, self.neck.scale)

    def _pool_in_turns(self, frames: Tensor) -> Tensor:
        """Map the frames of one sequence to `(channel, 16, 11)`, a few of them at a time."""
        first, *others = frames.split(_FRAMES_AT_ONCE)  # type: ignore[no-untyped-call]  # torch's
        highest: Tensor = self.backbone(first).amax(dim=0)
        for some in others:
            highest = torch.maximum(highest, self.backbone(some).amax(dim=0))
        return highest
