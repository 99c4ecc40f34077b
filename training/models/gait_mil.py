"""Gait-MIL: a walk as bags of frames, one per gait phase, weighed by attention. A reconstruction.

Published (arXiv:2504.03894) are the idea and the results, not the layers: `docs/models.md` says
what is the paper's and what is ours. The frame's features, the head and the losses are ScoNet-MT's.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from training.models.gait_phases import assign_gait_phases, widen
from training.models.temporal import TemporalPooling
from transforms.training_settings import TrainingSettings


class FrameWeights(NamedTuple):
    """How much of the walk's map each frame makes.

    Attributes:
        phases: `(sample, frame)` int64, the bag a frame lies in.
        within: `(sample, frame)`, adds up to 1 in each bag.
        of_phase: `(sample, phase)`, adds up to 1; 0 for a bag without frames.
        whole: `(sample, frame)`, their product, adds up to 1.
    """

    phases: Tensor
    within: Tensor
    of_phase: Tensor
    whole: Tensor


class GatedAttention(nn.Module):
    """One score per row of features, after Ilse et al. 2018: tanh times sigmoid, then a line."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.content = nn.Linear(inputs, hidden)
        self.gate = nn.Linear(inputs, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # a softmax takes a bias out again

    def forward(self, features: Tensor) -> Tensor:
        """Map `(..., inputs)` to `(...)`."""
        gated = torch.tanh(self.content(features)) * torch.sigmoid(self.gate(features))
        scores: Tensor = self.score(gated)
        return scores.squeeze(dim=-1)


class PhaseAttention(TemporalPooling):
    """The weighted mean of the frames' maps: attention within each gait phase, then across them.

    Args:
        phase_count: bags of a walk.
        frames: scores frames from their features; None: all alike.
        bags: scores bags from the mean features of their frames; None: all alike.
    """

    def __init__(
        self, phase_count: int, frames: GatedAttention | None, bags: GatedAttention | None
    ) -> None:
        super().__init__()
        self.phase_count = phase_count
        self.frames = frames
        self.bags = bags

    def forward(self, features: Tensor, silhouettes: Tensor) -> Tensor:
        """Pool the frames of each sample; see `TemporalPooling`."""
        weights = self.weigh(features, silhouettes).whole.to(features.dtype)
        return torch.einsum("sf,sfcyx->scyx", weights, features)

    def slopes(self, features: Tensor, silhouettes: Tensor) -> Tensor:
        """Return the frames' weights; how they would change with the features is left out."""
        weights = self.weigh(features[None], silhouettes[None]).whole[0]
        return weights[:, None, None, None].to(features.dtype)

    def weigh(self, features: Tensor, silhouettes: Tensor) -> FrameWeights:
        """Return the weights of the frames; arguments as of `forward`."""
        if self.phase_count > 1:
            phases = assign_gait_phases(features, silhouettes, self.phase_count)
        else:
            phases = features.new_zeros(features.shape[:2], dtype=torch.long)
        # In full precision: a softmax over hundreds of frames is made of small numbers.
        with torch.autocast(features.device.type, enabled=False):
            described = widen(features).mean(dim=(-2, -1))  # (sample, frame, channel)
            is_member = one_hot(phases, self.phase_count).bool().transpose(1, 2)
            scores = described.new_zeros(phases.shape)
            if self.frames is not None:
                scores = self.frames(described)
            shares = _softmax_of(scores[:, None].expand(is_member.shape), is_member)
            bags = shares @ described  # (sample, phase, channel)
            bag_scores = described.new_zeros(bags.shape[:2])
            if self.bags is not None:
                bag_scores = self.bags(bags)
            of_phase = _softmax_of(bag_scores, is_member.any(dim=-1))
        within = shares.sum(dim=1)
        return FrameWeights(phases, within, of_phase, within * of_phase.gather(1, phases))


@dataclass(frozen=True)
class PhaseAttentionSpec:
    """Which parts a Gait-MIL has; an ablation lacks one.

    Attributes:
        has_phases: frames are clustered; otherwise all are one bag.
        weighs_frames: attention within a bag; otherwise its mean.
        weighs_phases: attention across bags; otherwise the mean of those that have frames.
    """

    has_phases: bool = True
    weighs_frames: bool = True
    weighs_phases: bool = True

    def build(self, settings: TrainingSettings) -> PhaseAttention:
        """Make the module, its parameters not yet drawn."""
        inputs, hidden = settings.channels[-1], settings.attention_size
        return PhaseAttention(
            settings.phase_count if self.has_phases else 1,
            GatedAttention(inputs, hidden) if self.weighs_frames else None,
            GatedAttention(inputs, hidden) if self.weighs_phases else None,
        )


def _softmax_of(scores: Tensor, is_there: Tensor) -> Tensor:
    """Return a softmax over the last axis among those that are there; 0 for the others."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~is_there, lowest).softmax(dim=-1) * is_there
