"""Hold a `metrics.json` against the predictions and the split it should follow from.

Everything is counted anew with means of its own, so that a fault of the code that made the metrics
is not repeated here.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import numpy as np
import polars as pl

_EXACT: Final = 1e-9  # what division and rounding to ten digits may cost
_ABOVE_ONE: Final = {"brier": 2.0}  # all other metrics end at 1
# By name, and written anew: the indices of a scheme may be what is wrong.
_POSITIVE_SETS: Final[Mapping[tuple[str, ...], Mapping[str, tuple[str, ...]]]] = {
    ("negative", "neutral", "positive"): {
        "any_abnormality": ("neutral", "positive"),
        "positive_vs_rest": ("positive",),
    },
    ("non_asd", "asd"): {"asd": ("asd",)},
}


def find_contradictions(
    metrics: Mapping[str, Any],
    predictions: pl.DataFrame,
    tested: Collection[str],
    *,
    clips: pl.DataFrame | None = None,
) -> list[str]:
    """Return where an experiment's metrics contradict its predictions, its split or themselves.

    Args:
        metrics: the content of `metrics.json`.
        predictions: the table of `predictions_schema` beside it.
        tested: the sequences of the test side of the experiment's variant.
        clips: the predictions of single clips, where there are any.
    """
    problems = [*_compare_sides(predictions, set(tested))]
    by_unit = {"sequence": predictions, "participant": _average(predictions)}
    by_unit |= {} if clips is None else {"clip": clips}
    for unit, summary in metrics["units"].items():
        if tuple(summary["labels"]) not in _POSITIVE_SETS:
            problems.append(f"{metrics['experiment']}, {unit}: odd classes, {summary['labels']}")
            continue
        found = [*_contradict_matrix(summary), *_leave_their_range(summary["metrics"])]
        if unit in by_unit:
            found += _contradict_rows(summary, by_unit[unit])
        problems += [f"{metrics['experiment']}, {unit}: {problem}" for problem in found]
    return problems


def _compare_sides(predictions: pl.DataFrame, tested: set[str]) -> Iterator[str]:
    judged = set(predictions["sequence_id"])
    if predictions.height != len(judged):
        yield f"{predictions.height - len(judged)} rows judge a sequence a second time"
    for names, what in (
        (judged - tested, "are judged and not on the test side"),
        (tested - judged, "are on the test side and not judged"),
    ):
        if names:
            yield f"{len(names)} sequences {what}, such as {min(names)}"


def _average(predictions: pl.DataFrame) -> pl.DataFrame:
    chances = [name for name in predictions.columns if name.startswith("p_")]
    return (
        predictions.group_by("participant_id")
        .agg(pl.col("label").first(), *[pl.col(name).mean() for name in chances])
        .sort("participant_id")
    )


def _contradict_matrix(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not follow from the confusion matrix (rows: truth)."""
    matrix = np.array(summary["confusion"], dtype=np.int64)
    names = tuple(summary["labels"])
    total = int(matrix.sum())
    if total != summary["count"]:
        yield f"{total} in the matrix, {summary['count']} were counted"
    derived = {"accuracy": (np.trace(matrix), total)}
    for question, members in _POSITIVE_SETS[names].items():
        ill = [place for place, name in enumerate(names) if name in members]
        others = [place for place, name in enumerate(names) if name not in members]
        for kind, chosen in (("sensitivity", ill), ("specificity", others)):
            right = matrix[np.ix_(chosen, chosen)].sum()
            derived[f"{question}/{kind}"] = (right, matrix[chosen].sum())
    for name, (part, whole) in derived.items():
        value = summary["metrics"][name]["value"]
        if whole and (value is None or abs(value - part / whole) > _EXACT):
            yield f"{name} is {value}, the matrix says {part}/{whole}"


def _leave_their_range(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, entry in entries.items():
        highest = _ABOVE_ONE.get(name, 1.0)
        value, low, high = (entry[key] for key in ("value", "low", "high"))
        for key, number in (("value", value), ("low", low), ("high", high)):
            if number is not None and not -_EXACT <= number <= highest + _EXACT:
                yield f"{name} has the {key} {number}, it lies between 0 and {highest:g}"
        if None not in (value, low, high) and not low - _EXACT <= value <= high + _EXACT:
            yield f"{name} is {value}, outside its own interval from {low} to {high}"


def _contradict_rows(summary: Mapping[str, Any], rows: pl.DataFrame) -> Iterator[str]:
    """Yield what does not follow from the predictions, one row per unit."""
    if rows.height != summary["count"]:
        yield f"{rows.height} are judged, {summary['count']} were counted"
    labels = tuple(summary["labels"])
    chances = rows.select([f"p_{label}" for label in labels]).to_numpy()
    truth = rows["label"].to_numpy()
    names = np.array(labels)
    predicted = names[chances.argmax(axis=1)]
    counted = [
        [int(((truth == true) & (predicted == said)).sum()) for said in summary["labels"]]
        for true in summary["labels"]
    ]
    if counted != summary["confusion"]:
        yield f"the predictions give the matrix {counted}, not {summary['confusion']}"
    for name, members in _POSITIVE_SETS[labels].items():
        is_positive = np.isin(truth, members)
        score = chances[:, np.isin(names, members)].sum(axis=1)
        area = _area_under_roc(score, is_positive)
        value = summary["metrics"][f"{name}/auroc"]["value"]
        is_equal = area == value if None in (area, value) else abs(area - value) <= _EXACT
        if not is_equal:
            yield f"{name}/auroc is {value}, the predictions give {area}"


def _area_under_roc(score: np.ndarray[Any, Any], is_positive: np.ndarray[Any, Any]) -> Any:
    """Return the share of pairs in which the positive has the higher score, ties counting half.

    `Any`: None where one kind is missing.
    """
    ill, healthy = int(is_positive.sum()), int((~is_positive).sum())
    if not ill or not healthy:
        return None
    ranks = pl.Series(score).rank("average").to_numpy()
    return float((ranks[is_positive].sum() - ill * (ill + 1) / 2) / (ill * healthy))
