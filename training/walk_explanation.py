"""Where on the body an answer about one walk comes from, in one view, and from which frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from transforms.errors import IntegrityError
from transforms.explanation.over_time import WeighedWalk, summarise_over_time
from transforms.explanation.reference import Reference
from transforms.explanation.shares import Group, SequenceMaps, tabulate_shares

METHOD: Final = "evidence"


def map_nobody(view: str, predicted: str, fields: Mapping[str, Any]) -> SequenceMaps:
    """Return the maps of a walk of which nobody said whose it is, or with what label.

    Args:
        view: of the camera.
        predicted: the class that is explained.
        fields: as `reduce_frames` gives them.
    """
    return SequenceMaps(
        sequence_id="", participant_id="", view=view, label="", predicted=predicted, **fields
    )


@dataclass(frozen=True)
class WalkExplanation:
    """Maps of one walk as one camera saw it.

    Attributes:
        maps: of the walk and of the phases of its gait cycle.
        weight: the share of all evidence, of every view, that lies in this one.
        over_time: how much each frame weighs; None for a model that weighs none.
        reference: what pixels were compared with.
        frames: how many frames were explained, from the beginning of the walk.
        phase_count: of a model that weighs frames.
    """

    maps: SequenceMaps
    weight: float
    over_time: WeighedWalk | None
    reference: Reference
    frames: int
    phase_count: int = 0

    def __post_init__(self) -> None:
        """Refuse maps that show nothing; a slope may overflow where the answer does not.

        Raises:
            IntegrityError: a number is not finite.
        """
        maps = self.maps.whole.values()
        if not (np.isfinite(self.weight) and all(np.isfinite(one).all() for one in maps)):
            raise IntegrityError(
                "the model's answer for this walk can't be explained",
                expected="finite numbers",
                fix="name another model: the weights of this one are of no use",
            )

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
        """Return what a prediction says of it."""
        return {
            "view": self.maps.view,
            "share": self.weight,
            "frames": self.frames,
            "reference": self.reference.words,
            "gait_cycle_found": self.has_rhythm,
            "shares": self.shares,
            "over_time": None
            if self.over_time is None
            else summarise_over_time([self.over_time], self.phase_count)[0],
        }
