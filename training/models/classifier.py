"""The one shape that all models of the ScoNet family have, and what a model says of a batch.

Which parts make which model is said in `training.models.registry`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from training.models.blocks import Neck
from training.models.temporal import TemporalPooling

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

    def probabilities(self) -> Tensor:
        """Return `(sample, class)` float64: logits averaged over parts, scaled, softmax."""
        return (self.logits.double().mean(dim=-1) * self.scale).softmax(dim=-1)


class SilhouetteClassifier(nn.Module):
    """Backbone per frame, pooling over time, then into parts, an embedding and logits of each.

    It is blind to the order of the frames.

    Args:
        backbone: maps `(frame, 1, 64, 44)` to `(frame, channel, height, width)`.
        temporal: maps the frames' maps to one.
        pooling: maps `(sample, channel, height, width)` to `(sample, channel, part)`.
        projection: maps that to embeddings `(sample, embedding channel, part)`.
        neck: maps those to logits.
        is_probe: the neck reads the embeddings and does not shape them: no gradient passes.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        temporal: TemporalPooling,
        pooling: nn.Module,
        projection: nn.Module,
        neck: Neck,
        is_probe: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.temporal = temporal
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
        if piece_lengths is None:
            by_sample = silhouettes[:, 0]
        else:
            lengths = list(piece_lengths)
            by_sample = silhouettes[0, 0].split(lengths)  # type: ignore[no-untyped-call]  # torch's
        if not (self.training or torch.is_grad_enabled()):
            pooled = torch.stack([self._pool_in_turns(frames) for frames in by_sample])
        elif piece_lengths is None:
            features = self.backbone(by_sample.reshape(-1, 1, *by_sample.shape[2:]))
            pooled = self.temporal(features.unflatten(0, by_sample.shape[:2]), by_sample)
        else:
            features = self.backbone(silhouettes[0, 0][:, None]).split(lengths)
            pieces = zip(features, by_sample, strict=True)
            pooled = torch.cat([self.temporal(maps[None], frames[None]) for maps, frames in pieces])
        return self.classify(pooled)

    def classify(self, pooled: Tensor) -> ModelOutput:
        """Classify walks of which `temporal` has made one map each, `(sample, channel, 16, 11)`."""
        embeddings = self.projection(self.pooling(pooled))
        logits = self.neck(embeddings.detach() if self._is_probe else embeddings)
        return ModelOutput(embeddings, logits, self.neck.scale)

    def _pool_in_turns(self, frames: Tensor) -> Tensor:
        """Map the frames of one sequence to `(channel, 16, 11)`, a few of them at a time."""
        chunks = frames[:, None].split(_FRAMES_AT_ONCE)  # type: ignore[no-untyped-call]  # torch's
        return self.temporal.pool_in_turns((self.backbone(some) for some in chunks), frames)
