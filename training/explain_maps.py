"""Maps of one sequence: where the backbone is active, Grad-CAM, and what the pixels speak for.

All maps have the size of the last stage, before the maximum over time. What is made of them
(phases, regions, tables) belongs in `transforms.explanation`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.models.blocks import PartwiseCosineNeck
from training.models.classifier import SilhouetteClassifier

# Frames that go through the backbone at once while gradients are kept.
_CHUNK: Final = 32

Maps = dict[str, NDArray[np.float32]]


class ExplainedSequence(NamedTuple):
    """What the maps of one sequence say.

    Attributes:
        explained: index of the class that is explained.
        maps: by the names in `transforms.explanation.shares.METHODS`, each
            `(frame, 16, 11) float32`; all but `evidence` are nowhere below 0.
    """

    explained: int
    maps: Maps


def explain_sequence(
    model: SilhouetteClassifier,
    silhouettes: Tensor,
    reference: Tensor,
    explained: int | None = None,
) -> ExplainedSequence:
    """Return all maps of one sequence.

    Args:
        model: in evaluation mode.
        silhouettes: `(frame, 64, 44)` float in [0, 1], on the model's device.
        reference: `(64, 44)`, what a pixel is compared with.
        explained: the class to explain; None: the one the model predicts.
    """
    frames = silhouettes[:, None]
    with torch.no_grad():
        features = torch.cat([model.backbone(chunk) for _, chunk in _chunks(frames)])
        attention = features.square().sum(dim=1)  # (frame, 16, 11)
        slopes = model.temporal.slopes(features, silhouettes)
        contributions = slopes * features
    inputs = contributions.sum(dim=0).requires_grad_()
    logits = _classify(model, inputs)
    scores = logits.mean(dim=-1)
    explained = int(scores.argmax()) if explained is None else explained
    (gradient,) = torch.autograd.grad(scores[explained], inputs)
    weights = average_by_strip(gradient, parts=logits.shape[-1])
    grad_cam = divide_evidence((weights * contributions).sum(dim=1))
    maps = {
        "attention": attention.cpu().numpy(),
        "grad_cam": grad_cam.cpu().numpy(),
        "evidence": _map_evidence(model, frames, reference, inputs, slopes, explained),
    }
    return ExplainedSequence(explained, maps)


def average_by_strip(gradient: Tensor, parts: int) -> Tensor:
    """Return Grad-CAM's weights `(channel, row, column)`.

    Grad-CAM averages the gradient of a channel over the map, because one classifier reads all of
    it. Here each strip has a classifier of its own, so the average is taken over the strip.
    """
    strips = gradient.reshape(len(gradient), parts, -1)
    return strips.mean(dim=-1, keepdim=True).expand_as(strips).reshape(gradient.shape)


def divide_evidence(evidence: Tensor) -> Tensor:
    """Give what speaks for a class at each place of a walk to its frames.

    Behind a pooling over time, Grad-CAM is a map of the walk: behind a maximum, a frame has a
    gradient only in the channels whose maximum it holds. The map, the positive part of the evidence
    of all frames, is divided at each place among the frames by the positive part of their own.

    Args:
        evidence: `(frame, row, column)`, the frames' contributions to the pooled activations times
            their Grad-CAM weights, summed over channels.

    Returns:
        `(frame, row, column)`, not below 0, whose sum over frames is the map of the walk.
    """
    whole = evidence.sum(dim=0).relu()
    own = evidence.relu()
    total = own.sum(dim=0)  # at least `whole`
    return own * torch.where(total > 0, whole / total, 0.0)


def _classify(model: SilhouetteClassifier, pooled: Tensor) -> Tensor:
    """Return logits `(class, part)` of pooled features `(channel, row, column)`.

    Not by `model(...)`, which keeps the gradient of a probe from the embeddings.
    """
    logits: Tensor = model.neck(model.projection(model.pooling(pooled[None])))[0]
    return logits


def _classify_at_fixed_length(model: SilhouetteClassifier, pooled: Tensor) -> Tensor:
    """Return the same logits, their gradient taken with the length of the embedding held.

    The gradient of a cosine stands at right angles to its vector, so that an activation times its
    gradient adds up to nearly nothing. A linear neck has no length to hold.
    """
    logits = _classify(model, pooled)
    if not isinstance(model.neck, PartwiseCosineNeck):
        return logits
    embeddings = model.projection(model.pooling(pooled[None]))
    normalised = model.neck.norm(embeddings.flatten(start_dim=1)).view_as(embeddings)
    length = normalised.norm(dim=1)  # (1, part)
    rescaled: Tensor = logits * (length / length.detach())
    return rescaled


def _map_evidence(
    model: SilhouetteClassifier,
    frames: Tensor,
    reference: Tensor,
    pooled: Tensor,
    slopes: Tensor,
    explained: int,
) -> NDArray[np.float32]:
    """Return how much each cell of 4 x 4 pixels raises the class above the others, first order.

    The score, less the mean score of the other classes, is carried back to the pixels of the
    frames as far as the pooling over time let them through (behind a maximum: those that won), and
    multiplied by how far they are from the reference.
    """
    scores = _classify_at_fixed_length(model, pooled).mean(dim=-1)
    others = (scores.sum() - scores[explained]) / (len(scores) - 1)
    (gradient,) = torch.autograd.grad(scores[explained] - others, pooled)
    cells = []
    for start, chunk in _chunks(frames):
        inputs = chunk.detach().requires_grad_()
        features = model.backbone(inputs)
        passed = gradient[None] * slopes[start : start + len(chunk)]
        # As a sum: handing `passed` to `grad` would load a package of symbols for half a second.
        (slope,) = torch.autograd.grad((features * passed).sum(), inputs)
        relevance = (slope * (inputs.detach() - reference))[:, 0]
        rows, columns = features.shape[2:]
        blocks = relevance.reshape(len(chunk), rows, -1, columns, relevance.shape[2] // columns)
        cells.append(blocks.sum(dim=(2, 4)))
    return torch.cat(cells).cpu().numpy()


def _chunks(frames: Tensor) -> Sequence[tuple[int, Tensor]]:
    return [(start, frames[start : start + _CHUNK]) for start in range(0, len(frames), _CHUNK)]
