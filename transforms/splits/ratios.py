"""Class ratios of training sets and the one training size that all of them share.

Only arithmetic on counts: who the sequences belong to is the solver's and the protocols' concern.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transforms.errors import RefusalError, SettingsError

# The order in which the field writes its ratios: 1:1:8 is positive:neutral:negative.
RATIO_LABELS: Final = ("positive", "neutral", "negative")
_PATTERN: Final = re.compile(r"ratio_([1-9]\d*)_([1-9]\d*)_([1-9]\d*)")


@dataclass(frozen=True)
class TrainingPlan:
    """How many training sequences of each class every variant takes.

    `size` is the same for all variants; `bounding_variant` is the one that allows no more.
    """

    size: int
    bounding_variant: str
    counts: Mapping[str, Mapping[str, int]]  # variant -> label -> sequences


def require_ratio_labels(
    labels: Iterable[str],
    *,
    where: str = "splits.protocol",
    fix: str = "`gaitworks preset spinal_deformity --write`, if it is a cohort of that, splits by "
    "folds; or have a cohort of scoliosis in raw/ (`gaitworks synth` makes one)",
) -> None:
    """Make sure that a cohort's labels are those that ratios are about.

    Args:
        labels: of its sequences.
        where: what asks for ratios.
        fix: what to do with other labels.

    Raises:
        RefusalError: there is another label.
    """
    strange = sorted(set(labels) - set(RATIO_LABELS))
    if strange:
        raise RefusalError(
            "class ratios are about cohorts of scoliosis",
            where=where,
            expected=f"labels {', '.join(RATIO_LABELS)}",
            found=", ".join(strange),
            fix=fix,
        )


def parse_ratio(variant: str) -> dict[str, int]:
    """Return the weight of each label in a name such as `ratio_1_1_8`.

    Raises:
        SettingsError: the name is not a ratio of three whole numbers from 1 up.
    """
    match = _PATTERN.fullmatch(variant)
    if match is None:
        raise SettingsError(
            "not a class ratio",
            where="splits.ratios",
            expected="ratio_<positive>_<neutral>_<negative>, for example ratio_1_1_8",
            found=repr(variant),
        )
    return dict(zip(RATIO_LABELS, (int(group) for group in match.groups()), strict=True))


def class_counts(weights: Mapping[str, int], size: int) -> dict[str, int]:
    """Divide a training set of `size` sequences by `weights`.

    Every class but the heaviest takes `size * weight // sum of weights`; the heaviest (the last
    one named among equals) takes what is left, so that the counts always add up to `size`:
    640 at 1:1:4 is 106 + 106 + 428.
    """
    total = sum(weights.values())
    counts = {label: size * weight // total for label, weight in weights.items()}
    heaviest = max(reversed(list(weights)), key=lambda label: weights[label])
    counts[heaviest] += size - sum(counts.values())
    return counts


def largest_exact_size(weights: Mapping[str, int], available: Mapping[str, int]) -> int:
    """Return the largest size at which `available` sequences meet the ratio without remainder."""
    times = min(available[label] // weight for label, weight in weights.items())
    return times * sum(weights.values())


def plan_training_sets(
    variants: Sequence[str], available: Mapping[str, int], size: int | None = None
) -> TrainingPlan:
    """Choose one training size for all variants and divide it by each one's ratio.

    Without a requested `size`, each ratio has a largest size that it meets exactly, and the
    smallest of these is taken: its ratio bounds the plan. (On 394/160/640 available sequences
    1:1:2 allows 4 x 160 = 640, 1:1:4 6 x 160 = 960, 1:1:8 10 x 80 = 800 and 1:1:16
    18 x 40 = 720: 640 it is.) Where the remainder that another ratio gives to its heaviest class
    is one more than there is, the size steps down (or, with none below, up) until every class has
    enough.

    Raises:
        RefusalError: a class has too few sequences; the message shows the arithmetic and the
            nearest size that can be met.
    """
    weights = {variant: parse_ratio(variant) for variant in variants}
    bounds = {variant: largest_exact_size(weights[variant], available) for variant in variants}
    bounding = min(variants, key=lambda variant: bounds[variant])
    # Where a ratio fits not even once, rounding may still leave each class one sequence.
    wanted = size or bounds[bounding] or sum(weights[bounding].values())
    candidates = range(1, sum(available.values()) + 1)
    if size is None:
        sizes = sorted(candidates, key=lambda one: (one > wanted, abs(one - wanted)))
    else:
        sizes = sorted(candidates, key=lambda one: abs(one - wanted))
    met = next((s for s in sizes if not _shortfalls(weights, available, s)), None)
    if met is None or (size is not None and met != size):
        raise _refusal(weights, available, size, met)
    counts = {variant: class_counts(weights[variant], met) for variant in variants}
    return TrainingPlan(size=met, bounding_variant=bounding, counts=counts)


def _shortfalls(
    weights: Mapping[str, Mapping[str, int]], available: Mapping[str, int], size: int
) -> list[str]:
    lines = []
    for variant, ratio in weights.items():
        for label, count in class_counts(ratio, size).items():
            if not 1 <= count <= available[label]:
                lines.append(
                    f"{variant} at {size} takes {count} {label}, "
                    f"{available[label]} can be trained on"
                )
    return lines


def _refusal(
    weights: Mapping[str, Mapping[str, int]],
    available: Mapping[str, int],
    size: int | None,
    nearest: int | None,
) -> RefusalError:
    pool = "/".join(str(available[label]) for label in RATIO_LABELS)
    least = max(sum(ratio.values()) for ratio in weights.values())
    shown = least if size is None else size
    return RefusalError(
        f"no training size of {'all ratios' if size is None else size} can be met: "
        + "; ".join(_shortfalls(weights, available, shown)),
        where="splits.ratios" if size is None else "splits.training_size",
        expected="every class to have enough sequences that are neither tested nor selected on",
        found=f"{pool} ({'/'.join(RATIO_LABELS)})",
        fix=(
            "drop the steepest ratio, lower splits.test_fraction or add participants"
            if nearest is None
            else f"the nearest training size that can be met is {nearest}"
        ),
    )
