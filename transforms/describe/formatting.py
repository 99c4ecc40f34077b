"""How numbers, intervals, hashes and metric names are written for people."""

from collections.abc import Mapping
from typing import Any, Final

NOTHING: Final = "\u2013"  # an en dash

# What each metric of metrics.json is called, and which classes it counts as positive.
_METRICS: Final = {
    "accuracy": ("Accuracy", "none: all classes"),
    "macro_precision": ("Macro precision", "each class in turn"),
    "macro_recall": ("Macro recall", "each class in turn"),
    "macro_f1": ("Macro F1", "each class in turn"),
    "sensitivity": ("Sensitivity", ""),
    "specificity": ("Specificity", ""),
    "auroc": ("AUROC", ""),
    "auprc": ("AUPRC", ""),
    "brier": ("Brier score (lower is better)", "none: all classes"),
    "ece": ("Expected calibration error (lower is better)", "none: all classes"),
}
POSITIVE_SETS: Final = {
    "any_abnormality": "positive + neutral",
    "positive_vs_rest": "positive",
    "asd": "asd",
}
QUESTIONS: Final = {
    "any_abnormality": "any abnormality",
    "positive_vs_rest": "positive vs rest",
    "asd": "adult spinal deformity",
}


def name_metric(name: str) -> tuple[str, str]:
    """Return what to call a metric of metrics.json, and its positive set in words."""
    group, _, metric = name.rpartition("/")
    title, positive_set = _METRICS.get(metric, (metric, ""))
    if group:
        positive_set = f"{group}: {POSITIVE_SETS[group]}" if group in POSITIVE_SETS else group
    return title, positive_set or "not stated"


def format_interval(metric: Mapping[str, Any]) -> str:
    """Return a metric as `0.82 [0.74, 0.90]`, or that it is not defined."""
    # `Any`: a value of metrics.json.
    value, low, high = metric.get("value"), metric.get("low"), metric.get("high")
    if value is None:
        return "undefined"
    if low is None or high is None:
        return f"{value:.2f}"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def format_cell(value: Any) -> str:
    """Return any plain value as the text of a table cell."""
    # `Any`: tables hold text, numbers and nulls.
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def format_bytes(count: int) -> str:
    """Return a size in the largest fitting decimal unit."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def plural(count: int, noun: str) -> str:
    """Return `1 participant`, `2 participants`; the noun takes an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def words(name: str) -> str:
    """Return an identifier of ours as words."""
    return name.replace("_", " ")
