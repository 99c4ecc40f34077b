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
from transforms.splits.ratios import (
    RATIO_LABELS,
    class_counts,
    parse_ratio,
    require_ratio_labels,
)
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
        RefusalError: the labels are not those of scoliosis, or whole participants can't give a
            class's count; the message shows why and the nearest training size that can be met.
    """
    require_ratio_labels(sequences["label"])
    totals = {label: sequences.filter(pl.col("label") == label).height for label in RATIO_LABELS}
    counts_of = {
        label: participants.filter(pl.col("label") == label)["sequence_count"].to_list()
        for label in RATIO_LABELS
    }
    tables, problems = [], []
    requested: dict[str, Counts] = {}
    counts_by_variant: dict[str, dict[str, int]] = {
        variant: training_counts(variant, totals, settings.training_size)
        for variant in settings.ratios
    }
    _require_reachable(counts_by_variant, counts_of, settings)
    for variant, counts in counts_by_variant.items():
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
        least_on_rest=_least_left(settings),
    )
    sides, proofs = dict(trained.sides), list(trained.proofs.items())
    missed = {label: proof.deviation for label, proof in proofs if proof.deviation}
    if missed:
        raise RefusalError(
            "no assignment was found that gives exactly the counts, though there is one",
            where="splits.ratios",
            expected="0 sequences missed",
            found=", ".join(f"{count} {label}" for label, count in missed.items()),
            fix="set splits.training_size to another size",
        )
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


def _least_left(settings: SplitSettings) -> int:
    """Return how many participants of a class must not be trained on."""
    return 2 if settings.selection_fraction > 0 else 1


def _require_reachable(
    counts_by_variant: Mapping[str, Mapping[str, int]],
    counts_of: Mapping[str, list[int]],
    settings: SplitSettings,
) -> None:
    """Refuse counts that no set of whole participants adds up to, before anything is solved."""
    left = _least_left(settings)
    sums = {label: reachable_sums(counts, left) for label, counts in counts_of.items()}
    wrong = [
        (variant, label)
        for variant, counts in counts_by_variant.items()
        for label, count in counts.items()
        if not sums[label] >> count & 1
    ]
    if not wrong:
        return
    sizes = [sum(counts.values()) for counts in counts_by_variant.values()]
    nearest = _find_nearest(settings, sums, max(sizes), sum(map(sum, counts_of.values())))
    raise RefusalError(
        "whole participants cannot give exactly: "
        + "; ".join(
            f"{variant}, "
            + _explain(label, counts_by_variant[variant][label], counts_of[label], sums[label])
            for variant, label in wrong
        ),
        where="splits.ratios" if settings.training_size is None else "splits.training_size",
        expected="training sequences that whole participants add up to, and of each class at "
        f"least {left} participant(s) left to {'select and test on' if left > 1 else 'test on'}",
        fix="drop a ratio or add participants"
        if nearest is None
        else f"the nearest training size that all ratios can be met with is {nearest}: "
        "set splits.training_size",
    )


def _find_nearest(
    settings: SplitSettings, sums: Mapping[str, int], size: int, most: int
) -> int | None:
    weights = [parse_ratio(variant) for variant in settings.ratios]
    for one in sorted(range(1, most), key=lambda other: (abs(other - size), other)):
        if all(
            sums[label] >> count & 1
            for ratio in weights
            for label, count in class_counts(ratio, one).items()
        ):
            return one
    return None


def reachable_sums(counts: list[int], least_left: int) -> int:
    """Return a number whose bit n says that participants with n sequences together can be taken.

    Somebody is taken, and at least `least_left` (1 or 2) are left.
    """
    # Of those who are left: nobody, exactly one, two or more.
    none, one, more = 1, 0, 0
    for count in counts:
        more |= (more | one) << count
        one |= none << count
    total = sum(counts)
    left = more if least_left > 1 else one | more
    # Whoever is not left is taken: the same bits, read from the other end.
    taken = int(format(left, f"0{total + 1}b")[::-1], 2)
    return taken & ~1


def _explain(label: str, wanted: int, counts: list[int], sums: int) -> str:
    total = sum(counts)
    below = next((n for n in range(min(wanted, total), 0, -1) if sums >> n & 1), None)
    above = next((n for n in range(wanted, total) if sums >> n & 1), None)
    near = " or ".join(str(n) for n in (below, above) if n is not None) or "none"
    return (
        f"{wanted} {label} of {total} in {len(counts)} participants, "
        f"the nearest that leave enough are {near}"
    )
