"""What may be claimed of a split, claim by claim, each checked against its table and its proof."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from transforms.describe.formatting import plural
from transforms.describe.page import Statement
from transforms.describe.proof_tables import (
    ALIKE_SD,
    compare_sides,
    count_missed,
    name_column,
    unproved_goals,
)
from transforms.describe.split_facts import (
    has_one_test,
    mark_of,
    order_variants,
    protocol_of,
    shared_participants,
)
from transforms.labels import order_labels

_SHOWN: Final = 4


def disjoint_statement(split: pl.DataFrame, proof: Mapping[str, Any] | None = None) -> Statement:
    """Return whether no participant is on two sides of any variant, counted from the table.

    Without a proof, ids count as people: only a proof knows that they may not be.
    """
    # `Any`: a proof.json.
    proof = proof or {}
    used = split.filter(pl.col("side") != "unused")
    shared = shared_participants(split)["participant_id"].n_unique()
    people = used["participant_id"].n_unique()
    counted = (
        f"Counted again from the split table: {plural(people, 'participant')}, "
        f"{plural(split['variant'].n_unique(), 'variant')}, {shared} on more than one side of "
        "a variant."
    )
    claim = "No participant is on two sides of a split."
    if protocol_of(split) == "sequence_wise":
        claim = "LEAKY BY DESIGN: participants are on both sides of this split."
        return Statement("fails", claim, f"{counted} {_count_leaks(split)}")
    if shared:
        return Statement("fails", claim, f"{counted} {_count_leaks(split)}")
    mark = mark_of(split, proof)
    if mark is not None:
        claim = "Whether a participant is on two sides can't be known."
        return Statement("caution", claim, end_sentences(proof.get("notes", [])) or mark.text)
    return Statement("holds", claim, counted)


def same_test_statement(split: pl.DataFrame) -> Statement:
    """Return whether the test side is what the protocol says: fixed, moving, or each fold once."""
    protocol = protocol_of(split)
    if protocol == "k_fold":
        return _folds_statement(split)
    test = split.filter(pl.col("side") == "test")
    claim = "Every variant is tested on the same sequences."
    if has_one_test(split):
        detail = (
            f"{plural(test['participant_id'].n_unique(), 'participant')} with "
            f"{plural(test['sequence_id'].n_unique(), 'sequence')}, so results differ by what was "
            "trained, not by what was asked."
        )
        return Statement("holds", claim, detail)
    labels = order_labels(test["label"].unique().to_list())
    sizes = [
        f"{variant} "
        + " / ".join(str(some.filter(pl.col("label") == label).height) for label in labels)
        for variant in order_variants(split["variant"])
        for some in [test.filter(pl.col("variant") == variant)]
    ]
    detail = (
        f"Compare models within a variant only. Test sequences, {' / '.join(labels)}: "
        f"{', '.join(sizes)}."
    )
    if protocol == "paper_exact":
        claim = "The test side moves with the variant, as published."
        return Statement("caution", claim, detail)
    return Statement("fails", claim, f"The test side moves with the variant. {detail}")


def solver_statements(proof: Mapping[str, Any]) -> list[Statement]:
    """Return whether the solver proved that nothing meets its goals better; none if none ran."""
    # `Any`: a proof.json.
    problems = proof.get("problems", [])
    if not problems:
        return []
    solved = sum(one["status"] == "optimal" for one in problems)
    said = f"{solved} of {plural(len(problems), 'problem')} solved to a proof. "
    said += count_missed(problems)
    unproved = unproved_goals(problems)
    if not unproved:
        claim = "No other assignment meets the goals of the split better, in their order."
        return [Statement("holds", claim, said)]
    more = f"; and {len(unproved) - _SHOWN} more" if len(unproved) > _SHOWN else ""
    claim = "The split is what its table says, but a better balanced one may exist."
    return [Statement("caution", claim, f"{said} {'; '.join(unproved[:_SHOWN])}{more}.")]


def alike_statements(proof: Mapping[str, Any]) -> list[Statement]:
    """Return whether people of a class are alike on all sides; none if it was not measured."""
    # `Any`: a proof.json.
    differences = compare_sides(proof.get("balance", []))
    if differences.is_empty():
        return []
    size = pl.col("difference").abs()
    beyond = differences.filter(size > ALIKE_SD)
    claim = f"Within a class, the sides differ by at most {ALIKE_SD} standard deviations."
    detail = (
        f"{differences.height - beyond.height:,} of "
        f"{plural(differences.height, 'standardised mean difference')} against train within "
        f"{ALIKE_SD}."
    )
    if beyond.is_empty():
        return [Statement("holds", claim, detail)]
    worst = beyond.sort(-size, "variant", "label", "side", "column").row(0, named=True)
    detail += (
        f" The largest: {name_column(worst['column'])} of {worst['label']}, {worst['side']} of "
        f"{worst['variant']}: {worst['difference']:+.2f}."
    )
    return [Statement("caution", claim, detail)]


def _folds_statement(split: pl.DataFrame) -> Statement:
    claim = "Every participant is tested exactly once."
    test = split.filter(pl.col("side") == "test")
    times = test.group_by("participant_id").agg(pl.col("variant").n_unique().alias("times"))
    everyone = split["participant_id"].n_unique()
    never, more = everyone - times.height, times.filter(pl.col("times") > 1).height
    folds = split["variant"].unique()
    spans = []
    for label in order_labels(split["label"].unique().to_list()):
        some = test.filter(pl.col("label") == label).group_by("variant")
        counts = some.agg(pl.col("participant_id").n_unique().alias("people"))["people"].to_list()
        counts += [0] * (len(folds) - len(counts))
        fewest, most = min(counts), max(counts)
        spans.append(f"{fewest:,} {'' if fewest == most else f'to {most:,} '}{label}")
    detail = (
        f"Counted from the split table: {plural(everyone, 'participant')} in "
        f"{plural(len(folds), 'fold')}, {never:,} tested never, {more:,} more than once. "
        f"Participants that a fold tests: {', '.join(spans)}."
    )
    return Statement("fails" if never or more else "holds", claim, detail)


def end_sentences(notes: Sequence[str]) -> str:
    """Return the notes of a proof as sentences of one paragraph."""
    return " ".join(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in notes if note)


def _count_leaks(split: pl.DataFrame) -> str:
    """Return how much of the test side is of people who are trained or selected on."""
    test = split.filter(pl.col("side") == "test")
    leaked = test.join(shared_participants(split), on=["variant", "participant_id"], how="semi")
    counts = [
        (leaked.filter(belongs).height, test.filter(belongs).height, variant)
        for variant in order_variants(split["variant"])
        for belongs in [pl.col("variant") == variant]
    ]
    said = ", ".join(f"{one:,} of {every:,} ({name})" for one, every, name in counts)
    return f"Test sequences of people who are also on another side: {said}."
