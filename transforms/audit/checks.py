"""Look for leaks and broken promises in a split, without trusting who made it.

The audit sees the split table, the sequence index, the participants and the pairs of copies;
nothing of the solver or its proof. The checks themselves are in the modules beside this one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import polars as pl

from transforms.audit.dataset import check_dataset
from transforms.audit.findings import Check, Finding
from transforms.audit.leaks import check_copies, check_sides, find_used
from transforms.audit.protocols import LEAKY_BY_DESIGN, check_protocol
from transforms.audit.rows import check_columns, check_rows

__all__ = ["Check", "Finding", "audit_split", "judge_for_release", "run_checks"]

# What may be used at home, marked as what it is, but never be handed on.
_NEVER_RELEASED: Final = frozenset({LEAKY_BY_DESIGN})


def audit_split(
    split: pl.DataFrame,
    index: pl.DataFrame,
    near_duplicates: pl.DataFrame | None = None,
    participants: pl.DataFrame | None = None,
) -> list[Finding]:
    """Return everything that is wrong with a split; nothing means clean.

    Args:
        split: the split (schema `SPLIT`).
        index: the sequence index of its dataset (schema `SEQUENCE_INDEX`).
        near_duplicates: pairs of copies, see `run_checks`.
        participants: the participants of the dataset, see `run_checks`.

    Returns:
        Findings in a fixed order: the dataset, the split's rows, leaks between sides, copies, then
        what the protocol promises.
    """
    checks = run_checks(index, split, near_duplicates, participants)
    return [finding for check in checks for finding in check.findings]


def run_checks(
    index: pl.DataFrame,
    split: pl.DataFrame | None = None,
    near_duplicates: pl.DataFrame | None = None,
    participants: pl.DataFrame | None = None,
) -> list[Check]:
    """Return every check with how much it looked at and what it found.

    The time grows with the number of rows, not with that of pairs of rows.

    Args:
        index: the sequence index (schema `SEQUENCE_INDEX`).
        split: the split of that dataset (schema `SPLIT`); None: the dataset alone is audited.
        near_duplicates: columns first, second, kind (`identical` or `near`) and is_mirrored, one
            row per pair of sequences that are copies; None: nobody looked for them.
        participants: columns participant_id and label; None: they are not at hand.
    """
    return list(_run(index, split, near_duplicates, participants))


def judge_for_release(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings as they weigh in a release: a split that leaks by design is an error."""
    return [
        replace(finding, severity="error") if finding.code in _NEVER_RELEASED else finding
        for finding in findings
    ]


def _run(
    index: pl.DataFrame,
    split: pl.DataFrame | None,
    near_duplicates: pl.DataFrame | None,
    participants: pl.DataFrame | None,
) -> Iterator[Check]:
    yield from check_dataset(index, participants)
    # Joins of rows that are there many times on both sides would not stay linear.
    index = index.unique("sequence_id", keep="first", maintain_order=True)
    used = None
    if split is not None:
        columns = check_columns(split)
        yield columns
        if not columns.findings:
            used = find_used(split, index)
            yield from check_rows(split, index)
            yield from check_sides(used)
    yield from check_copies(near_duplicates, index, used)
    if split is not None and used is not None:
        for protocol in sorted(split["protocol"].unique()):
            rows = split.filter(pl.col("protocol") == protocol)
            yield from check_protocol(protocol, rows, used)
