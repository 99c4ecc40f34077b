"""`docs/literature.md`: published figures, the counts behind them, and their clinical reading.

Every cell that is not printed in a paper is computed here from `transforms.published`.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from transforms.labels import SCOLIOSIS_LABELS
from transforms.metrics.denominators import (
    counts_printed_as,
    least_accuracy,
    split_one_against_rest,
)
from transforms.published import (
    DUAL_VIEW_ROWS,
    DUAL_VIEW_SOURCE,
    DUAL_VIEW_STUDY,
    MODEL_ROWS,
    PUBLISHED_RATIO,
    RATIO_ROWS,
    SCREENING_NOTE,
    SCREENING_ROWS,
    TEST_COUNTS,
    PublishedRow,
)

_TESTED: Final = TEST_COUNTS[PUBLISHED_RATIO]
_NOTHING: Final = "\u2013"


def render_literature() -> str:
    """Return the page as Markdown."""
    return "\n\n".join([_INTRODUCTION, *_sections()]) + "\n"


def count_fits(rows: Iterable[PublishedRow], label: str) -> tuple[int, int]:
    """Return how many printed sensitivities and specificities can be those of one class."""
    of_class, others = split_one_against_rest(_TESTED, label)
    rows = list(rows)
    return (
        sum(bool(_counts(row.printed_sensitivity_percent, of_class)) for row in rows),
        sum(bool(_counts(row.printed_specificity_percent, others)) for row in rows),
    )


def _sections() -> Iterable[str]:
    total = sum(_TESTED.values())
    sizes = ", ".join(f"{count} {label}" for label, count in _TESTED.items())
    yield "## As printed, and as a clinician reads it"
    yield f"Test set of 1:1:8: {total} sequences, {sizes}."
    yield _table(
        (
            "system",
            "accuracy",
            "printed “sensitivity”",
            "printed “specificity”",
            "sensitivity for any abnormality",
            "specificity for any abnormality",
            "abnormal found",
            "negative cleared",
        ),
        [_reading(row) for row in MODEL_ROWS],
    )
    yield _READING_NOTE
    yield "## Whose percentages they can be"
    yield _FITS_NOTE
    yield _table(("system", *_fit_titles()), [*(_fits(row) for row in MODEL_ROWS), _fit_totals()])
    yield "## What the headings would require"
    yield _REQUIRED_NOTE
    yield _table(
        (
            "system",
            "“sensitivity” as printed",
            "accuracy at least",
            "accuracy as printed",
            "possible",
        ),
        [_required(row) for row in MODEL_ROWS],
    )
    yield "## Accuracy by class ratio"
    yield _RATIO_NOTE
    yield _table(
        (
            "ratio",
            "tested: negative / neutral / positive",
            "always the commonest class",
            *_systems(),
        ),
        [_ratio(name) for name in TEST_COUNTS],
    )
    yield "## Methods of school screening"
    yield f"Sensitivity and specificity in the usual sense of the words. {SCREENING_NOTE}"
    yield _table(
        ("method", "sensitivity", "specificity", "source"),
        [
            (
                row.system,
                _percent(row.clinical_sensitivity_percent),
                _percent(row.clinical_specificity_percent),
                row.source,
            )
            for row in SCREENING_ROWS
        ],
    )
    yield "## Two views"
    yield f"Published: {DUAL_VIEW_STUDY}. {DUAL_VIEW_SOURCE}"
    yield _table(
        ("system", "our name", "accuracy", "F1"),
        [
            (row.system, f"`{row.model}`", _spread(row.accuracy), _spread(row.f1))
            for row in DUAL_VIEW_ROWS
        ],
    )
    yield _TWO_VIEWS_NOTE
    yield "## Sources\n\n" + "\n".join(
        f"- {source}" for source in sorted({row.source for row in (*MODEL_ROWS, *RATIO_ROWS)})
    )


def _reading(row: PublishedRow) -> Sequence[str]:
    negative, abnormal = split_one_against_rest(_TESTED, "negative")
    return (
        row.system,
        _percent(row.accuracy_percent),
        _percent(row.printed_sensitivity_percent),
        _percent(row.printed_specificity_percent),
        _percent(row.clinical_sensitivity_percent),
        _percent(row.clinical_specificity_percent),
        f"{_range(_counts(row.clinical_sensitivity_percent, abnormal))} of {abnormal}",
        f"{_range(_counts(row.clinical_specificity_percent, negative))} of {negative}",
    )


def _fit_titles() -> Iterable[str]:
    for label in SCOLIOSIS_LABELS:
        for people in split_one_against_rest(_TESTED, label):
            yield f"{label}: of {people}"


def _fits(row: PublishedRow) -> Sequence[str]:
    cells = [row.system]
    for label in SCOLIOSIS_LABELS:
        of_class, others = split_one_against_rest(_TESTED, label)
        cells.append(_range(_counts(row.printed_sensitivity_percent, of_class)))
        cells.append(_range(_counts(row.printed_specificity_percent, others)))
    return cells


def _fit_totals() -> Sequence[str]:
    cells = ["**fit**"]
    for label in SCOLIOSIS_LABELS:
        cells += [f"**{fits} of {len(MODEL_ROWS)}**" for fits in count_fits(MODEL_ROWS, label)]
    return cells


def _required(row: PublishedRow) -> Sequence[str]:
    printed, accuracy = row.printed_sensitivity_percent, row.accuracy_percent
    if printed is None or accuracy is None:
        return (row.system, _percent(printed), _NOTHING, _percent(accuracy), _NOTHING)
    people = _TESTED["positive"]
    if not counts_printed_as(printed, people):
        least, verdict = _NOTHING, f"no: no share of {people}"
    else:
        floor = least_accuracy(printed, people, sum(_TESTED.values()))
        least, verdict = f"{floor:.1f}", "no" if floor > accuracy + 0.05 else "yes"
    return (row.system, _percent(printed), least, _percent(accuracy), verdict)


def _systems() -> Sequence[str]:
    return tuple(dict.fromkeys(row.system for row in RATIO_ROWS))


def _ratio(name: str) -> Sequence[str]:
    counts = TEST_COUNTS[name]
    found = {row.system: row.accuracy_percent for row in RATIO_ROWS if row.ratio == name}
    return (
        name.removeprefix("ratio_").replace("_", ":"),
        " / ".join(str(counts[label]) for label in SCOLIOSIS_LABELS),
        f"{100 * max(counts.values()) / sum(counts.values()):.1f}",
        *(_percent(found.get(system)) for system in _systems()),
    )


def _counts(percent: float | None, people: int) -> tuple[int, ...]:
    return () if percent is None else counts_printed_as(percent, people)


def _range(counts: tuple[int, ...]) -> str:
    if not counts:
        return "no"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1f}"


def _spread(value: tuple[float, float] | None) -> str:
    return _NOTHING if value is None else f"{value[0]:.2f} ± {value[1]:.2f}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_INTRODUCTION: Final = """# Published figures and what they say

Figures of the Scoliosis1K papers and, at the end, of a study of two views, in percent, as printed
and as they have to be read. The 2024 evaluator of Scoliosis1K encodes negative 0, positive 1,
neutral 2 and prints the rates of class 0 under the name of the positive class: its “sensitivity” is
the specificity for any abnormality, and its “specificity” the sensitivity. `metrics.json` repeats
that convention under `as_published_2024` and nowhere else.

`python -m transforms.metrics.literature > docs/literature.md` makes this page from
`transforms/published.py`, which holds what is printed; tests keep the two equal and recompute every
other cell."""
_READING_NOTE: Final = """The last two columns are the numbers of sequences that print as these
percentages. A high printed “sensitivity” is a high specificity: the healthy are cleared."""
_FITS_NOTE: Final = """Each class one-vs-rest has two denominators: its own sequences for the
sensitivity and the others for the specificity. A cell holds the numbers out of them that print as
the published percentage, `no` where there is none."""
_REQUIRED_NOTE: Final = """If the printed “sensitivity” were that of *positive*, so many positive
sequences would be named rightly, and the accuracy could not be lower than they alone make it."""
_RATIO_NOTE: Final = """The published test set moves with the training ratio, so these accuracies
mix imbalance in training with another test set. The third column is the accuracy of an answer that
is always the commonest class of the test set."""
_TWO_VIEWS_NOTE: Final = """Percent over clips, mean ± standard deviation over the folds. How
the F1 was averaged, and the F1 of the other rows, we do not know.
[dual-view-models.md](dual-view-models.md) has the protocol and what we do differently."""

if __name__ == "__main__":
    sys.stdout.write(render_literature())
