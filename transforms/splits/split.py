"""What every protocol returns: who is on which side, what was solved for it, and what it proves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import polars as pl

from transforms.splits.solving.solver import GoalProof, status_of

TRAIN: Final = "train"
SELECTION: Final = "selection"
TEST: Final = "test"
UNUSED: Final = "unused"

Disjointness = Literal["proved", "violated", "violated_by_design", "unverifiable"]
"""Whether a participant is on one side only: `unverifiable` where ids may hide who is who."""

Counts = Mapping[str, Mapping[str, int]]
"""label -> side -> sequences, or side -> label -> sequences."""


@dataclass(frozen=True)
class SolvedProblem:
    """One problem that was solved on the way to a split.

    Attributes:
        name: the class, or `all classes`.
        variants: those that rest on it.
        requested: label -> side -> sequences.
        achieved: label -> side -> sequences.
        goals: what was pursued, in order, and how far.
    """

    name: str
    variants: tuple[str, ...]
    requested: Counts
    achieved: Counts
    goals: tuple[GoalProof, ...]

    def describe(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "variants": list(self.variants),
            "requested": {label: dict(sides) for label, sides in self.requested.items()},
            "achieved": {label: dict(sides) for label, sides in self.achieved.items()},
            "goals": [
                {
                    "name": goal.name,
                    "value": goal.value,
                    "bound": goal.bound,
                    "is_proved": goal.is_proved,
                }
                for goal in self.goals
            ],
            "status": status_of(self.goals),
        }


@dataclass(frozen=True)
class Split:
    """A split with what it was asked for.

    Attributes:
        table: columns variant, sequence_id, participant_id, label, side; one row per variant and
            sequence, sorted by both.
        disjointness: see there.
        problems: what was solved.
        requested: variant -> side -> label -> sequences, for the sides that have a target.
        training: what bounds the training sets, as plain JSON values; None where nothing does.
        notes: what a reader of results must know.
    """

    table: pl.DataFrame
    disjointness: Disjointness
    problems: tuple[SolvedProblem, ...] = ()
    requested: Mapping[str, Counts] = field(default_factory=dict)
    training: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


def lay_out(
    sequences: pl.DataFrame, sides: Mapping[str, str], variant: str, *, by: str = "participant_id"
) -> pl.DataFrame:
    """Return a variant's rows, each on the side of its participant (or of what `by` names)."""
    return sequences.select(
        pl.lit(variant).alias("variant"),
        "sequence_id",
        "participant_id",
        "label",
        pl.col(by).replace_strict(dict(sides), return_dtype=pl.String).alias("side"),
    )
