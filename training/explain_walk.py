"""Where on the body one walk's answer comes from, and from which of its frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.explain_maps import explain_sequence
from training.explain_over_time import weigh_walk
from training.explained_walks import Walk
from training.model_card import DescribedModel
from training.models.gait_mil import PhaseAttention
from transforms.explanation.cycle import follow_cycle
from transforms.explanation.over_time import WeighedWalk, summarise_over_time
from transforms.explanation.reference import Reference
from transforms.explanation.shares import (
    Floats,
    Group,
    SequenceMaps,
    reduce_frames,
    tabulate_shares,
)

METHOD = "evidence"


@dataclass(frozen=True)
class WalkExplanation:
    """Maps of one walk.

    Attributes:
        maps: of the walk and of the phases of its gait cycle.
        over_time: how much each frame weighs; None for a model that weighs none.
        reference: what pixels were compared with.
        frames: how many frames were explained, from the beginning of the walk.
        phase_count: of a model that weighs frames.
    """

    maps: SequenceMaps
    over_time: WeighedWalk | None
    reference: Reference
    frames: int
    phase_count: int = 0

    @property
    def has_rhythm(self) -> bool:
        """Whether the walk could be divided into phases of the gait cycle."""
        return self.maps.phase_silhouettes is not None

    @property
    def shares(self) -> list[dict[str, Any]]:
        """The share of each region and half of the body in the evidence of the whole walk."""
        # `Any`: rows of a table.
        group = Group(self.maps.view, self.maps.predicted, (self.maps,))
        table = tabulate_shares([group])
        return [
            {name: row[name] for name in ("region", "half", "share", "body_share")}
            for row in table.to_dicts()
            if row["method"] == METHOD and row["phase"] is None
        ]

    def describe(self) -> dict[str, Any]:
        """Return the part `explanation` of a prediction."""
        return {
            "method": METHOD,
            "explained_class": self.maps.predicted,
            "frames": self.frames,
            "reference": self.reference.words,
            "gait_cycle_found": self.has_rhythm,
            "shares": self.shares,
            "over_time": None
            if self.over_time is None
            else summarise_over_time([self.over_time], self.phase_count)[0],
        }


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
    one = SequenceMaps(
        sequence_id="",
        participant_id="",
        view=view,
        label="",
        predicted=label,
        **reduce_frames(maps, pixels, None if cycle is None else cycle.phases),
    )
    if not isinstance(model.temporal, PhaseAttention):
        return WalkExplanation(one, None, reference, len(pixels))
    weighed = weigh_walk(model.backbone, model.temporal, walk, one)
    return WalkExplanation(one, weighed, reference, len(pixels), model.temporal.phase_count)
