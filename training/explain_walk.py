"""An answer explained by a model of silhouette sequences: maps of the walk, weights of frames."""

import numpy as np
import torch
from numpy.typing import NDArray

from training.described_model import DescribedModel
from training.explain_maps import explain_sequence
from training.explain_over_time import weigh_walk
from training.explained_walks import Walk
from training.models.gait_mil import PhaseAttention
from training.walk_explanation import WalkExplanation, map_nobody
from transforms.explanation.cycle import follow_cycle
from transforms.explanation.reference import Reference
from transforms.explanation.shares import Floats, reduce_frames


def explain_walk(
    described: DescribedModel,
    silhouettes: Floats,
    times_s: NDArray[np.float64],
    reference: Reference,
    *,
    explained: int,
    view: str,
    frame_cap: int,
) -> WalkExplanation:
    """Return the maps of one walk.

    Args:
        described: the model.
        silhouettes: `(frame, 64, 44)` in [0, 1].
        times_s: `(frame,)` rising.
        reference: what pixels are compared with.
        explained: the class to explain.
        view: of the camera, or `unknown`.
        frame_cap: the most frames to explain, from the beginning of the walk.
    """
    pixels, times = np.ascontiguousarray(silhouettes[:frame_cap]), times_s[:frame_cap]
    cycle = follow_cycle(np.rint(pixels * 255).astype(np.uint8), times, view)
    walk = Walk({"view": view}, pixels, times, cycle, described.scheme)
    model = described.model
    _, maps = explain_sequence(
        model, torch.from_numpy(pixels), torch.from_numpy(reference.silhouette), explained
    )
    label = described.scheme.classes[explained]
    fields = reduce_frames(maps, pixels, None if cycle is None else cycle.phases)
    one = map_nobody(view, label, fields)
    if not isinstance(model.temporal, PhaseAttention):
        return WalkExplanation(one, 1.0, None, reference, len(pixels))
    weighed = weigh_walk(model.backbone, model.temporal, walk, one)
    return WalkExplanation(one, 1.0, weighed, reference, len(pixels), model.temporal.phase_count)
