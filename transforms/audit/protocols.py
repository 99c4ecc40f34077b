"""Audit what each protocol promises of its split, beyond sides that share nothing."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

import polars as pl

from transforms.audit.findings import Check, Finding, error, name_some, warning
from transforms.errors import SettingsError
from transforms.fold_names import number_of_fold
from transforms.splits import folds, imported, nested, paper_exact, sequence_wise
from transforms.splits.ratios import class_counts, parse_ratio
from transforms.splits.split import SELECTION, TEST, TRAIN

GROUP: Final = "protocol"
LEAKY_BY_DESIGN: Final = "leaky_by_design"
_UNITS: Final = {
    "variant": "variants",
    "participant_id": "participants",
    "sequence_id": "sequences",
}
# What must hold, the column whose values it must hold for, and what contradicts it.
_Promise = tuple[str, str, Callable[[pl.DataFrame], Iterator[Finding]]]


def check_protocol(protocol: str, split: pl.DataFrame, used: pl.DataFrame) -> Iterator[Check]:
    """Yield the checks of what a protocol promises; one that is unknown promises nothing.

    Args:
        protocol: its name.
        split: the rows of that protocol.
        used: what `transforms.audit.leaks.find_used` returns.
    """
    for claim, column, find in _PROMISES.get(protocol, ()):
        findings = tuple(find(split))
        yield Check(GROUP, claim, split[column].n_unique(), _UNITS[column], findings)
    if protocol == sequence_wise.PROTOCOL:
        yield _check_intent(used)
    if protocol not in _PROMISES:
        text = "what this protocol promises is not known, and was not checked"
        finding = warning("protocol_unknown", [protocol], text)
        yield Check(GROUP, "the protocol is known", 1, "protocols", (finding,))


def _find_moving_sides(split: pl.DataFrame) -> Iterator[Finding]:
    variants = split["variant"].n_unique()
    for side in (TEST, SELECTION):
        rows = split.filter(pl.col("side") == side)
        times = rows.unique(["variant", "sequence_id"]).group_by("sequence_id").len()
        partial = times.filter(pl.col("len") < variants)
        if not partial.is_empty():
            yield error(
                f"{side}_differs_between_variants",
                partial["sequence_id"].to_list(),
                f"in the {side} set of some variants only",
            )


def _find_untested_classes(split: pl.DataFrame) -> Iterator[Finding]:
    tested = split.filter(pl.col("side") == TEST).select("variant", "label").unique()
    expected = split.select("variant", "label").unique()
    untested = expected.join(tested, on=["variant", "label"], how="anti")
    if not untested.is_empty():
        names = [f"{variant}/{label}" for variant, label in untested.iter_rows()]
        yield error("class_not_tested", names, "a class has no sequence in the test set")


def _find_unnested(split: pl.DataFrame) -> Iterator[Finding]:
    """Sorted by size, each class's training set must hold the one before it."""
    trained = split.filter(pl.col("side") == TRAIN)
    for (label,), rows in sorted(trained.group_by("label"), key=lambda group: str(group[0][0])):
        sets = sorted(
            (
                (set(part["sequence_id"]), str(variant))
                for (variant,), part in rows.group_by("variant")
            ),
            key=lambda entry: (len(entry[0]), entry[1]),
        )
        for (small, small_name), (large, large_name) in pairwise(sets):
            if outside := small - large:
                yield error(
                    "training_not_nested",
                    outside,
                    f"{label} sequences of {small_name} are not in {large_name}",
                )


def _find_sizes(split: pl.DataFrame) -> Iterator[Finding]:
    sizes = {name: sum(counts.values()) for name, counts in _count_training(split).items()}
    if len(set(sizes.values())) > 1:
        said = name_some(f"{variant} {size}" for variant, size in sizes.items())
        yield error("training_size_differs", list(sizes), f"training sizes differ: {said}")


def _find_counts(split: pl.DataFrame) -> Iterator[Finding]:
    """Training sets must be divided as their variants' names say."""
    for variant, counts in _count_training(split).items():
        try:
            weights = parse_ratio(variant)
        except (SettingsError, ValueError):  # Python converts no text of thousands of digits
            yield error("variant_not_a_ratio", [variant], "the name says no class ratio")
            continue
        found = dict.fromkeys(weights, 0) | counts
        size = sum(found.values())
        expected = class_counts(weights, size)
        if found != expected:
            yield error(
                "class_counts_not_the_ratio",
                [variant],
                f"trains on {_say(found)}, the ratio at {size} is {_say(expected)}",
            )


def _count_training(split: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Return variant -> label -> sequences trained on, sorted by variant."""
    found: dict[str, dict[str, int]] = {name: {} for name in sorted(split["variant"].unique())}
    trained = split.filter(pl.col("side") == TRAIN)
    for variant, label, count in trained.group_by("variant", "label").len().iter_rows():
        found[variant][label] = count
    return found


def _find_odd_folds(split: pl.DataFrame) -> Iterator[Finding]:
    folds = sorted(split["variant"].unique())
    odd = [fold for fold in folds if number_of_fold(fold) is None]
    if odd:
        yield error("variant_not_a_fold", odd, "the name says no fold")
    if len(folds) == 1:
        yield error("one_fold_only", folds, "a single fold leaves nobody to train on")


def _find_untested_people(split: pl.DataFrame) -> Iterator[Finding]:
    is_test = pl.col("side") == TEST
    folds = split.group_by("participant_id").agg(
        pl.col("variant").filter(is_test).n_unique().alias("folds")
    )
    never = folds.filter(pl.col("folds") == 0)["participant_id"].to_list()
    if never:
        yield error("participant_not_tested", never, "in the test set of no fold")
    often = folds.filter(pl.col("folds") > 1)["participant_id"].to_list()
    if often:
        text = "in the test sets of several folds"
        yield error("participant_tested_in_several_folds", often, text)


def _find_uncovered(split: pl.DataFrame) -> Iterator[Finding]:
    tested = split.filter(pl.col("side") == TEST)
    left_out = split.join(tested, on="sequence_id", how="anti").unique("sequence_id")
    if not left_out.is_empty():
        yield error(
            "sequence_not_tested",
            left_out["sequence_id"].to_list(),
            "in the test set of no fold",
        )


def _find_uneven(split: pl.DataFrame) -> Iterator[Finding]:
    """In every fold a class must have its participants divided by the folds, up or down."""
    fold_count = split["variant"].n_unique()
    people = pl.col("participant_id").n_unique().cast(pl.Int64)
    low = pl.col("people") // fold_count
    bounds = (
        split.group_by("label")
        .agg(people.alias("people"))
        .with_columns(low=low, high=low + (pl.col("people") % fold_count > 0))
    )
    tested = split.filter(pl.col("side") == TEST)
    found = tested.group_by("variant", "label").agg(people.alias("tested")).join(bounds, on="label")
    uneven = found.filter(~pl.col("tested").is_between("low", "high"))
    # A fold that tests nobody of a class has no row.
    everywhere = found.group_by("label").len().filter(pl.col("len") == fold_count)
    absent = bounds.filter(pl.col("low") > 0).join(everywhere, on="label", how="anti")
    names = uneven.select(pl.concat_str("variant", "label", separator="/")).to_series().to_list()
    names += absent["label"].to_list()
    if names:
        labels = {*uneven["label"], *absent["label"]}
        wanted = bounds.filter(pl.col("label").is_in(labels)).sort("label")
        said = name_some(
            f"{label} {low} to {high}"
            for label, low, high in wanted.select("label", "low", "high").iter_rows()
        )
        text = f"a fold tests more or fewer participants of a class than an even spread: {said}"
        yield warning("class_spread_uneven", names, text)


def _check_intent(used: pl.DataFrame) -> Check:
    """Say of a split by sequences what it is, and how much of it leaks."""
    leaky = used.filter("is_leaky")
    sides = leaky.group_by("variant", "participant_id").agg(pl.col("side").n_unique())
    shared = sides.filter(pl.col("side") > 1)["participant_id"].n_unique()
    people = leaky["participant_id"].n_unique()
    text = (
        f"{shared} of {people} participants are on more than one side, which is what this protocol "
        "is for: it measures what leaking is worth, and a release refuses it"
    )
    finding = warning(LEAKY_BY_DESIGN, leaky["variant"].unique().to_list(), text)
    claim = "the protocol keeps participants apart"
    return Check(GROUP, claim, people, "participants", (finding,))


def _say(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))


_TESTED: Final[_Promise] = ("every class is tested", "variant", _find_untested_classes)
_COUNTED: Final[_Promise] = ("training counts are the ratio", "variant", _find_counts)
_NESTED: Final[tuple[_Promise, ...]] = (
    ("test and selection are the same in every variant", "variant", _find_moving_sides),
    _TESTED,
    ("smaller training sets are nested in larger ones", "variant", _find_unnested),
    _COUNTED,
    ("training sets are equally large", "variant", _find_sizes),
)
_PROMISES: Final[Mapping[str, tuple[_Promise, ...]]] = {
    nested.PROTOCOL: _NESTED,
    paper_exact.PROTOCOL: (_TESTED, _COUNTED),
    folds.PROTOCOL: (
        ("every variant is a fold", "variant", _find_odd_folds),
        ("every participant is tested in one fold", "participant_id", _find_untested_people),
        ("the folds' tests cover the dataset", "sequence_id", _find_uncovered),
        ("classes are spread over the folds as evenly as can be", "variant", _find_uneven),
    ),
    sequence_wise.PROTOCOL: _NESTED,
    imported.PROTOCOL: (),
}
