"""The protocol `paper_exact`: the published training counts, met by whole participants.

What is not trained on is tested on, as published, so that the test set moves with the ratio:
compare models within a variant, not ratios with each other.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from transforms.errors import RefusalError
from transforms.settings import SplitSettings
from transforms.splits.hold_out import ClassProof, assign_participants
from transforms.splits.nested import held_out_counts
from transforms.splits.ratios import RATIO_LABELS, class_counts, parse_ratio
from transforms.splits.split import SELECTION, TEST, TRAIN, Counts, SolvedProblem, Split, lay_out

PROTOCOL: Final = "paper_exact"
PUBLISHED_TOTALS: Final = {"positive": 493, "neutral": 200, "negative": 800}
PUBLISHED_SIZE: Final = 745
PUBLISHED_COUNTS: Final = {
    "ratio_1_1_2": {"positive": 186, "neutral": 186, "negative": 373},
    "ratio_1_1_4": {"positive": 124, "neutral": 124, "negative": 497},
    "ratio_1_1_8": {"positive": 74, "neutral": 74, "negative": 596},
    "ratio_1_1_16": {"positive": 41, "neutral": 41, "negative": 663},
}
"""Training sequences as published for Scoliosis1K; those of 1:1:8 add up to one less."""


def training_counts(
    variant: str, totals: Mapping[str, int], training_size: int | None
) -> dict[str, int]:
    """Return how many sequences of each class a variant trains on.

    The published counts on a cohort with the published totals; on others, the same share of all
    sequences (745 of 1,493, rounded down), divided by the ratio.
    """
    if training_size is None:
        if dict(totals) == PUBLISHED_TOTALS:
            return PUBLISHED_COUNTS[variant]
        everything = sum(PUBLISHED_TOTALS.values())
        training_size = sum(totals.values()) * PUBLISHED_SIZE // everything
    return class_counts(parse_ratio(variant), training_size)


def split_paper_exact(
    sequences: pl.DataFrame, participants: pl.DataFrame, settings: SplitSettings
) -> Split:
    """Train on exactly the counts of each variant; select on a share of the rest, test on the rest.

    Args:
        sequences: columns sequence_id, participant_id, label.
        participants: what `assign_participants` takes, one row per participant of `sequences`.
        settings: ratios, training size, selection fraction and seed.

    Raises:
        RefusalError: whole participants can't give a class's count; the message shows why and the
            nearest training size that can be met.
    """
    totals = {label: sequences.filter(pl.col("label") == label).height for label in RATIO_LABELS}
    counts_of = {
        label: participants.filter(pl.col("label") == label)["sequence_count"].to_list()
        for label in RATIO_LABELS
    }
    tables, problems = [], []
    requested: dict[str, Counts] = {}
    for variant in settings.ratios:
        counts = training_counts(variant, totals, settings.training_size)
        _require_reachable(variant, counts, counts_of, settings)
        sides, proofs = _solve_variant(participants, counts, settings)
        tables.append(lay_out(sequences, sides, variant))
        problems += [
            SolvedProblem(
                name=label,
                variants=(variant,),
                requested={label: proof.requested},
                achieved={label: proof.achieved},
                goals=proof.goals,
            )
            for label, proof in proofs
        ]
        requested[variant] = {TRAIN: counts}
    return Split(
        table=pl.concat(tables).sort("variant", "sequence_id"),
        disjointness="proved",
        problems=tuple(problems),
        requested=requested,
        notes=("the test set moves with the ratio: compare models within a variant only",),
    )


def _solve_variant(
    participants: pl.DataFrame, counts: Mapping[str, int], settings: SplitSettings
) -> tuple[dict[str, str], list[tuple[str, ClassProof]]]:
    trained = assign_participants(
        participants,
        {label: {TRAIN: count} for label, count in counts.items()},
        rest=TEST,
        seed=settings.seed,
    )
    sides, proofs = dict(trained.sides), list(trained.proofs.items())
    if settings.selection_fraction > 0:
        is_left = pl.col("participant_id").replace_strict(sides, return_dtype=pl.String) == TEST
        left = participants.filter(is_left)
        totals = dict(left.group_by("label").agg(pl.col("sequence_count").sum()).iter_rows())
        wanted = {
            label: {SELECTION: sides_[TEST]}
            for label, sides_ in held_out_counts(totals, settings.selection_fraction, 0.0).items()
        }
        selected = assign_participants(left, wanted, rest=TEST, seed=settings.seed)
        sides |= selected.sides
        proofs += selected.proofs.items()
    return sides, proofs


def _require_reachable(
    variant: str,
    counts: Mapping[str, int],
    counts_of: Mapping[str, list[int]],
    settings: SplitSettings,
) -> None:
    """Refuse counts that no set of whole participants adds up to, before anything is solved."""
    reachable = {label: reachable_sums(counts_of[label]) for label in counts}
    wrong = [label for label, count in counts.items() if not reachable[label] >> count & 1]
    if not wrong:
        return
    weights = parse_ratio(variant)
    size = sum(counts.values())
    most = sum(map(sum, counts_of.values()))
    nearest = next(
        (
            one
            for one in sorted(range(1, most), key=lambda other: (abs(other - size), other))
            if all(
                reachable[label] >> count & 1 for label, count in class_counts(weights, one).items()
            )
        ),
        None,
    )
    raise RefusalError(
        f"{variant} cannot be met exactly by whole participants: "
        + "; ".join(_explain(label, counts[label], counts_of[label]) for label in wrong),
        where="splits.ratios" if settings.training_size is None else "splits.training_size",
        expected="training sequences that whole participants add up to, and somebody left to test",
        found="/".join(str(counts[label]) for label in RATIO_LABELS)
        + f" ({'/'.join(RATIO_LABELS)})",
        fix="drop the ratio or add participants"
        if nearest is None
        else f"the nearest training size that {variant} can be met with is {nearest}: "
        "set splits.training_size",
    )


def reachable_sums(counts: list[int]) -> int:
    """Return a number whose bit n says that some, not all, participants have n sequences together.

    Nobody (n = 0) and everybody are left out: each side needs somebody.
    """
    sums = 1
    for count in counts:
        sums |= sums << count
    return sums & ~1 & ~(1 << sum(counts))


def _explain(label: str, wanted: int, counts: list[int]) -> str:
    sums = reachable_sums(counts)
    total = sum(counts)
    below = next((n for n in range(min(wanted, total), 0, -1) if sums >> n & 1), None)
    above = next((n for n in range(wanted, total) if sums >> n & 1), None)
    near = " or ".join(str(n) for n in (below, above) if n is not None) or "none"
    return (
        f"{wanted} {label} of {total} in {len(counts)} participants, "
        f"the nearest that leave somebody to test are {near}"
    )
