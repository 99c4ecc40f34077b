"""From the maps of single sequences to shares of classes, phases and regions of the body.

A map is cut to what speaks for the class and scaled to a sum of 1 within its sequence; sequences
are averaged to participants, participants to the class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.explanation.cycle import PHASE_COUNT
from transforms.explanation.regions import HALVES, REGIONS, Reals, cover_cells, sum_by_region
from transforms.labels import order_labels

METHODS: Final = ("attention", "grad_cam", "evidence")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SequenceMaps:
    """One explained sequence.

    Attributes:
        predicted: the class that is explained.
        silhouette: `(64, 44)`, the mean of its frames in [0, 1].
        whole: by method, `(16, 11)` of the whole walk; sums to 1, or is 0 everywhere where
            nothing speaks for the class.
        phase_silhouettes: `(phase, 64, 44)`; None where the walk has no clear rhythm.
        phases: by method, `(phase, 16, 11)`; sums to 1 over all phases.
    """

    sequence_id: str
    participant_id: str
    view: str
    label: str
    predicted: str
    silhouette: Floats
    whole: Mapping[str, Floats]
    phase_silhouettes: Floats | None
    phases: Mapping[str, Floats]


@dataclass(frozen=True)
class Group:
    """The sequences of one view with one prediction."""

    view: str
    predicted: str
    members: tuple[SequenceMaps, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """The maps that its sequences have, in the order of `METHODS`."""
        return tuple(method for method in METHODS if method in self.members[0].whole)

    @property
    def participant_count(self) -> int:
        """How many people the sequences belong to."""
        return len({one.participant_id for one in self.members})


def reduce_frames(
    maps: Mapping[str, Floats], silhouettes: Floats, phases: NDArray[np.int64] | None
) -> dict[str, Any]:
    """Return the fields of `SequenceMaps` that follow from frames.

    Args:
        maps: by method, `(frame, 16, 11)`; negative values speak against the class.
        silhouettes: `(frame, 64, 44)` in [0, 1].
        phases: of each frame, or None. A walk that lacks a phase counts as one without rhythm.
    """
    # `Any`: arrays, and mappings of them.
    members = None if phases is None else [phases == phase for phase in range(PHASE_COUNT)]
    if members is None or not all(chosen.any() for chosen in members):
        members = []
    return {
        "silhouette": silhouettes.mean(axis=0),
        "whole": {name: _scale(found.mean(axis=0)) for name, found in maps.items()},
        "phase_silhouettes": (
            np.stack([silhouettes[chosen].mean(axis=0) for chosen in members]) if members else None
        ),
        "phases": {
            name: _scale(np.stack([found[chosen].mean(axis=0) for chosen in members]))
            for name, found in maps.items()
            if members
        },
    }


def group_sequences(sequences: Sequence[SequenceMaps]) -> list[Group]:
    """Return the groups that have a member, views by name, classes in their order."""
    groups = []
    for view in sorted({one.view for one in sequences}):
        for predicted in order_labels(one.predicted for one in sequences):
            members = tuple(
                one for one in sequences if (one.view, one.predicted) == (view, predicted)
            )
            if members:
                groups.append(Group(view, predicted, members))
    return groups


def tabulate_shares(groups: Sequence[Group]) -> pl.DataFrame:
    """Return one row per group, method, phase (null: the whole walk), region and half.

    `share` is that of the region in the map of its phase, `body_share` the region's share of the
    silhouette there, `spread` the standard deviation of `share` between participants, and
    `phase_share` the share of the whole map that lies in the phase.
    """
    rows: list[dict[str, Any]] = []
    for group in groups:
        for method in group.methods:
            for phase in (None, *range(PHASE_COUNT)):
                rows += _rows(group, method, phase)
    schema = {
        "view": pl.String,
        "predicted": pl.String,
        "method": pl.String,
        "phase": pl.Int32,
        "region": pl.String,
        "half": pl.String,
        "share": pl.Float64,
        "spread": pl.Float64,
        "body_share": pl.Float64,
        "phase_share": pl.Float64,
        "sequences": pl.Int32,
        "participants": pl.Int32,
    }
    return pl.DataFrame(rows, schema=schema)


def average_people(group: Group, values: Mapping[str, Reals]) -> tuple[Reals, Reals]:
    """Return the mean and the standard deviation between participants of values by sequence id.

    The deviation of one participant is NaN.
    """
    people: dict[str, list[Reals]] = {}
    for one in group.members:
        if one.sequence_id in values:
            people.setdefault(one.participant_id, []).append(values[one.sequence_id])
    means = np.stack([np.mean(found, axis=0) for _, found in sorted(people.items())])
    if len(means) < 2:
        return means[0], np.full_like(means[0], np.nan)
    return means.mean(axis=0), means.std(axis=0, ddof=1)


def _scale(maps: Floats) -> Floats:
    positive = np.maximum(maps, 0.0)
    total = positive.sum(dtype=np.float64)
    return np.asarray(positive / total if total > 0 else positive, dtype=np.float32)


def _share_by_region(cells: Floats) -> Reals:
    sums = sum_by_region(cells)
    return np.asarray(sums / sums[:, HALVES.index("all")].sum())


def _rows(group: Group, method: str, phase: int | None) -> list[dict[str, Any]]:
    maps, bodies = {}, {}
    for one in group.members:
        if phase is None:
            maps[one.sequence_id], bodies[one.sequence_id] = one.whole[method], one.silhouette
        elif one.phase_silhouettes is not None:
            maps[one.sequence_id] = one.phases[method][phase]
            bodies[one.sequence_id] = one.phase_silhouettes[phase]
    maps = {name: found for name, found in maps.items() if found.sum() > 0}
    if not maps:
        return []
    shares = {name: _share_by_region(found) for name, found in maps.items()}
    body_shares = {name: _share_by_region(cover_cells(bodies[name])) for name in maps}
    weights = {name: np.asarray([found.sum()]) for name, found in maps.items()}
    share, spread = average_people(group, shares)
    body_share, _ = average_people(group, body_shares)
    (phase_share,), _ = average_people(group, weights)
    explained = [one for one in group.members if one.sequence_id in maps]
    return [
        {
            "view": group.view,
            "predicted": group.predicted,
            "method": method,
            "phase": phase,
            "region": region,
            "half": half,
            "share": float(share[row, column]),
            "spread": None if np.isnan(spread[row, column]) else float(spread[row, column]),
            "body_share": float(body_share[row, column]),
            "phase_share": float(phase_share),
            "sequences": len(explained),
            "participants": len({one.participant_id for one in explained}),
        }
        for row, region in enumerate(REGIONS)
        for column, half in enumerate(HALVES)
    ]
