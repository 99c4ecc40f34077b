"""The two losses of the ScoNet family, both part-wise and both in float32."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Loss = Literal["cross_entropy", "triplet"]

# The reference's guard against division by zero; part of the loss's value in the last digits.
_COUNT_GUARD = 1e-9


@dataclass(frozen=True)
class TripletLoss:
    """A batch-all triplet loss and what it was made of.

    Attributes:
        loss: the mean over parts, a scalar.
        per_part: `(part,)`, the mean over the part's violating triplets, 0 where none violates.
        violations: `(part,)`, how many triplets violate the margin.
    """

    loss: Tensor
    per_part: Tensor
    violations: Tensor


def triplet_loss(embeddings: Tensor, identities: Tensor, margin: float) -> TripletLoss:
    """Ask of every part that samples of one identity lie closer together than to any other.

    All triplets (anchor, positive, negative) of the batch count, the anchor as its own positive
    included, as in the reference; any number of samples per identity is right. The hinge is
    averaged over the triplets that violate the margin.

    Args:
        embeddings: `(sample, channel, part)`.
        identities: `(sample,)`, equal where samples belong together.
        margin: by how much a negative must be farther away.
    """
    by_part = embeddings.float().permute(2, 0, 1)  # (part, sample, channel)
    distances = _pairwise_distances(by_part)
    same = identities[:, None] == identities[None, :]
    is_triplet = same[:, :, None] & ~same[:, None, :]  # (anchor, positive, negative)
    hinge = functional.relu(distances[:, :, :, None] - distances[:, :, None, :] + margin)
    hinge = torch.where(is_triplet, hinge, 0.0).flatten(start_dim=1)
    violations = (hinge > 0).sum(dim=1)
    per_part = hinge.sum(dim=1) / (violations + _COUNT_GUARD)
    return TripletLoss(per_part.mean(), per_part, violations)


def _pairwise_distances(vectors: Tensor) -> Tensor:
    """Euclidean distances `(part, sample, sample)` of `(part, sample, channel)`.

    The relu before the root keeps the gradient at zero distance at zero instead of infinity.
    """
    squares = vectors.square().sum(dim=-1)
    squared = squares[:, :, None] + squares[:, None, :] - 2 * vectors @ vectors.transpose(1, 2)
    return functional.relu(squared).sqrt()


def cross_entropy_loss(
    logits: Tensor, labels: Tensor, *, scale: float, label_smoothing: float
) -> Tensor:
    """Mean cross-entropy over samples and parts, a scalar.

    Args:
        logits: cosines `(sample, class, part)`.
        labels: class indices `(sample,)`.
        scale: the cosines are multiplied by it first.
        label_smoothing: the share of the target that is spread over all classes.
    """
    # Rows of (sample, part) instead of a part axis: the 2-D kernel is deterministic on CUDA too.
    rows = logits.float().permute(0, 2, 1).flatten(end_dim=1)
    targets = labels.repeat_interleave(logits.shape[2])
    return functional.cross_entropy(rows * scale, targets, label_smoothing=label_smoothing)
