"""How a model that weighs frames divides a walk into phases, and which frames it takes.

Weights come from `training.explain`; here they become tables, and are compared with the gait cycle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.explanation.cycle import Cycle
from transforms.explanation.shares import Floats

OVER_TIME_NAME: Final = "attention_over_time.parquet"
OVER_TIME_PICTURE: Final = "attention_over_time"
_PLACES: Final = 8
"""Where in a sector the comparison's first sector may begin: nothing says where a phase begins."""


@dataclass(frozen=True)
class WeighedWalk:
    """One walk, and how much of the model's view of it each frame makes.

    Attributes:
        label: empty where nobody knows.
        predicted: the model's class.
        silhouettes: `(frame, 64, 44)` in [0, 1].
        times_s: `(frame,)`.
        phases: `(frame,)`, the bag of each frame, from 0.
        within: `(frame,)`, adds up to 1 in each bag.
        weights: `(frame,)`, adds up to 1.
        cycle: from the walk's rhythm; None where it has none.
    """

    sequence_id: str
    participant_id: str
    view: str
    label: str
    predicted: str
    silhouettes: Floats
    times_s: NDArray[np.float64]
    phases: NDArray[np.int64]
    within: Floats
    weights: Floats
    cycle: Cycle | None


def order_phases(phases: NDArray[np.int64], cycle: Cycle | None) -> NDArray[np.int64]:
    """Number the bags of a walk in the order in which the gait cycle meets them.

    Without a rhythm they are numbered as they first appear.
    """
    names = list(dict.fromkeys(phases.tolist()))
    if cycle is not None:
        angles = 2j * np.pi * cycle.turns
        middles = {
            name: float(np.angle(np.exp(angles[phases == name]).sum()) % (2 * np.pi))
            for name in names
        }
        names.sort(key=lambda name: (middles[name], name))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[name] for name in phases.tolist()], dtype=np.int64)


def measure_agreement(phases: NDArray[np.int64], cycle: Cycle, phase_count: int) -> float:
    """Return the adjusted mutual information between bags and equal sectors of the gait cycle.

    1: the same division; 0: no more alike than by chance. Of the places where the first sector may
    begin the best counts. Where the cycle's halves look alike, the sectors are those of a half.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    turns = cycle.turns * (2 if cycle.has_halves_alike else 1)
    found = []
    for place in range(_PLACES):
        sectors = np.floor(turns * phase_count + place / _PLACES).astype(np.int64) % phase_count
        found.append(float(adjusted_mutual_info_score(sectors, phases)))
    return max(found)


def tabulate_over_time(walks: Iterable[WeighedWalk]) -> pl.DataFrame:
    """Return one row per walk and frame."""
    schema = {
        "sequence_id": pl.String,
        "frame": pl.Int32,
        "time_s": pl.Float64,
        "phase": pl.Int32,
        "within_phase": pl.Float64,
        "weight": pl.Float64,
        "cycle": pl.Float64,  # 0..1, null where the walk has no clear rhythm
    }
    tables = [
        pl.DataFrame(
            {
                "sequence_id": [walk.sequence_id] * len(walk.weights),
                "frame": np.arange(len(walk.weights)),
                "time_s": walk.times_s,
                "phase": walk.phases,
                "within_phase": walk.within.astype(np.float64),
                "weight": walk.weights.astype(np.float64),
                "cycle": [None] * len(walk.weights) if walk.cycle is None else walk.cycle.turns,
            },
            schema=schema,
        )
        for walk in walks
    ]
    return pl.concat(tables) if tables else pl.DataFrame(schema=schema)


def summarise_over_time(walks: Sequence[WeighedWalk], phase_count: int) -> list[dict[str, Any]]:
    """Return one entry per view: agreement with the gait cycle, and how even the weights are.

    `even_frames` is the share of frames that equal weights of the same concentration would take
    (1 over the sum of squares, divided by the frames): 1 is a mean over all frames.
    """
    # `Any`: JSON.
    entries: list[dict[str, Any]] = []
    for view in sorted({walk.view for walk in walks}):
        here = [walk for walk in walks if walk.view == view]
        found = [
            measure_agreement(walk.phases, walk.cycle, phase_count)
            for walk in here
            if walk.cycle is not None and phase_count > 1
        ]
        even = [1 / float(np.square(walk.weights).sum()) / len(walk.weights) for walk in here]
        entries.append(
            {
                "view": view,
                "phases": phase_count,
                "sequences": len(here),
                "agreement": None if not found else float(np.mean(found)),
                "agreement_lowest": None if not found else min(found),
                "agreement_sequences": len(found),
                "even_frames": float(np.mean(even)),
            }
        )
    return entries
