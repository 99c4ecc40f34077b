"""Which frames of a walk a model with attention over time takes: a table, pictures, a summary."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from training.explained_walks import Walk
from training.models.gait_mil import PhaseAttention
from transforms.describe.attention_figure import plot_attention
from transforms.explanation.over_time import (
    OVER_TIME_NAME,
    OVER_TIME_PICTURE,
    WeighedWalk,
    order_phases,
    summarise_over_time,
    tabulate_over_time,
)
from transforms.explanation.shares import SequenceMaps
from transforms.shards.parquet import write_table

_FRAMES_AT_ONCE: Final = 32


def explain_over_time(
    backbone: nn.Module,
    temporal: PhaseAttention,
    walks: Sequence[Walk],
    explained: Sequence[SequenceMaps],
    output: Path,
) -> list[dict[str, Any]]:
    """Write the weights of all frames, and a picture per view, into `output`.

    Args:
        backbone: of the model, in evaluation mode.
        temporal: its attention, on the same device.
        walks: what was explained.
        explained: what the model said of each, in the same order.
        output: a directory.

    Returns:
        See `transforms.explanation.over_time.summarise_over_time`.
    """
    weighed = [
        weigh_walk(backbone, temporal, walk, one)
        for walk, one in zip(walks, explained, strict=True)
    ]
    write_table(tabulate_over_time(weighed).to_arrow(), output / OVER_TIME_NAME)
    for view in sorted({one.view for one in weighed}):
        png = plot_attention([one for one in weighed if one.view == view])
        if png is not None:
            (output / f"{OVER_TIME_PICTURE}-{view}.png").write_bytes(png)
    return summarise_over_time(weighed, temporal.phase_count)


def weigh_walk(
    backbone: nn.Module, temporal: PhaseAttention, walk: Walk, one: SequenceMaps
) -> WeighedWalk:
    """Return how much of the model's view of a walk each frame makes; see `explain_over_time`."""
    device = next(backbone.parameters()).device
    frames = torch.from_numpy(walk.silhouettes).to(device)
    with torch.inference_mode():
        chunks = frames[:, None].split(_FRAMES_AT_ONCE)  # type: ignore[no-untyped-call]  # torch's
        features = torch.cat([backbone(chunk) for chunk in chunks])
        weights = temporal.weigh(features[None], frames[None])
    return WeighedWalk(
        sequence_id=one.sequence_id,
        participant_id=one.participant_id,
        view=one.view,
        label=one.label,
        predicted=one.predicted,
        silhouettes=walk.silhouettes,
        times_s=walk.times_s,
        phases=order_phases(weights.phases[0].cpu().numpy(), walk.cycle),
        within=weights.within[0].cpu().numpy(),
        weights=weights.whole[0].cpu().numpy(),
        cycle=walk.cycle,
    )
