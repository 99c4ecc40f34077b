"""Hold the class counts of a split against what its settings asked for and its proof says.

The audit asks whether counts are the ratio that a variant is named after; this asks whether they
are the very numbers that were promised, on every side.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from transforms.audit.findings import Finding, error
from transforms.splits.split import TRAIN

Counts = dict[str, dict[str, int]]  # side -> label -> sequences


def count_classes(split: pl.DataFrame) -> dict[str, Counts]:
    """Return variant -> side -> label -> number of sequences, of a table of schema `SPLIT`."""
    found: dict[str, Counts] = {}
    groups = split.group_by("variant", "side", "label").len().sort("variant", "side", "label")
    for variant, side, label, count in groups.iter_rows():
        found.setdefault(variant, {}).setdefault(side, {})[label] = count
    return found


def find_broken_counts(split: pl.DataFrame, proof: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield every variant that is absent, or whose sides do not hold the promised classes.

    Args:
        split: table of schema `SPLIT`.
        proof: the content of the `proof.json` beside it.
    """
    counted, promised = count_classes(split), proof["variants"]
    ratios = proof["settings"]["ratios"] if _is_by_ratio(proof) else []
    absent = sorted((set(promised) | set(ratios)) - set(counted))
    if absent:
        yield error("variant_missing", absent, "promised variants are not in the split")
    unknown = sorted(set(counted) - set(promised))
    if unknown:
        yield error("variant_unproved", unknown, "the proof says nothing of variants of the split")
    for variant in sorted(set(counted) & set(promised)):
        said, asked = promised[variant]["sequences"], promised[variant]["requested"]
        for side in sorted(set(said) | set(counted[variant])):
            text = f"{side} does not hold what the proof says"
            found = counted[variant].get(side, {})
            yield from _compare("counts_not_proved", variant, text, said.get(side, {}), found)
        # Of the other sides the request is a goal, since whole participants must go to one side.
        if TRAIN in asked:
            text = "the training set does not hold the classes that were asked for"
            found = counted[variant].get(TRAIN, {})
            yield from _compare("counts_not_requested", variant, text, asked[TRAIN], found)


def _compare(
    code: str, variant: str, text: str, wanted: Mapping[str, int], found: Mapping[str, int]
) -> Iterator[Finding]:
    wrong = [
        f"{found.get(label, 0)} {label} instead of {wanted.get(label, 0)}"
        for label in sorted(set(wanted) | set(found))
        if wanted.get(label, 0) != found.get(label, 0)
    ]
    if wrong:
        yield error(code, [variant], f"{text}: {', '.join(wrong)}")


def _is_by_ratio(proof: Mapping[str, Any]) -> bool:
    return proof["protocol"] in ("fixed_test_nested", "paper_exact", "sequence_wise")
