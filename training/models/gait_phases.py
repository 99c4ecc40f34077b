"""Frames sorted into gait phases by k-means on what the backbone sees, begun from the gait cycle.

Nothing here has a gradient, nothing is drawn, and the order of the frames does not matter.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import one_hot

# More would let the clusters drift from the cycle to whatever else changes along the walk.
_ROUNDS: Final = 3


@torch.no_grad()
def assign_gait_phases(features: Tensor, silhouettes: Tensor, phase_count: int) -> Tensor:
    """Return a phase for each frame, `(sample, frame)` int64; a phase may be nobody's.

    Args:
        features: `(sample, frame, channel, row, column)`; the mean of each row describes a frame.
        silhouettes: `(sample, frame, height, width)` in [0, 1].
        phase_count: how many phases.
    """
    described = widen(features).mean(dim=-1).flatten(start_dim=2)
    described = described - described.mean(dim=1, keepdim=True)
    phases = sort_by_cycle(silhouettes, phase_count)
    for _ in range(_ROUNDS):
        members = one_hot(phases, phase_count).to(described.dtype)  # (sample, frame, phase)
        counts = members.sum(dim=1)
        centres = members.transpose(1, 2) @ described / counts.clamp(min=1.0)[..., None]
        # The square of the distance, without the frame's own part, which is the same for all.
        distances = centres.square().sum(dim=-1)[:, None] - 2 * described @ centres.transpose(1, 2)
        phases = distances.masked_fill(counts[:, None] == 0, math.inf).argmin(dim=-1)
    return phases


@torch.no_grad()
def sort_by_cycle(silhouettes: Tensor, phase_count: int) -> Tensor:
    """Return equal sectors of the gait cycle, as one picture of the legs shows it.

    The two strongest components of a periodic motion are its cosine and sine, so that the angle in
    their plane is the place in the cycle. The first sector is centred where the legs are widest,
    which makes the sectors independent of the components' signs and of the order of the frames.

    Args:
        silhouettes: `(sample, frame, height, width)` in [0, 1].
        phase_count: how many sectors.

    Returns:
        `(sample, frame)` int64 from 0; 0 throughout where there are too few frames for a plane.
    """
    legs = widen(silhouettes[..., silhouettes.shape[-2] // 2 :, :]).float()
    samples, frame_count = legs.shape[:2]
    if frame_count < 3:
        return legs.new_zeros((samples, frame_count), dtype=torch.long)
    flat = legs.flatten(start_dim=2)
    centred = flat - flat.mean(dim=1, keepdim=True)
    _, components = torch.linalg.eigh(centred @ centred.transpose(1, 2))
    plane = components[..., -2:]  # (sample, frame, 2), whitened: each has length 1
    width = _measure_width(legs)
    anchor = ((width - width.mean(dim=1, keepdim=True))[..., None] * plane).sum(dim=1)
    angles = torch.atan2(plane[..., 1], plane[..., 0])
    angles = angles - torch.atan2(anchor[:, 1], anchor[:, 0])[:, None]
    turns = angles / (2 * math.pi) * phase_count + 0.5
    return turns.floor().long() % phase_count


def _measure_width(legs: Tensor) -> Tensor:
    """Return the standard deviation of the legs' mass across the picture, `(sample, frame)`."""
    mass = legs.sum(dim=-2)  # (sample, frame, column)
    total = mass.sum(dim=-1).clamp(min=1e-6)
    columns = torch.arange(mass.shape[-1], device=mass.device, dtype=mass.dtype)
    mean = (mass * columns).sum(dim=-1) / total
    square = (mass * columns.square()).sum(dim=-1) / total
    return (square - mean.square()).clamp(min=0.0).sqrt()


def widen(values: Tensor) -> Tensor:
    """Return values in float32 or what is finer: sums over a walk need more than 16 bits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
