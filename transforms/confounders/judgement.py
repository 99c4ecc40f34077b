"""A judgement of the probes as plain JSON values, and why there may be none."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from transforms.confounders.fitting import PROBES
from transforms.confounders.judging import Resampled, describe_all, describe_lead
from transforms.confounders.people import CONFOUNDERS, NOT_RECORDED, NUMBERS, People

_FEWEST: Final = 2  # participants of a class, wherever is fitted or judged
_PURPOSES: Final = {"fitted_on": "to fit on", "judged_on": "to judge"}

Counts = dict[str, dict[str, int]]  # `fitted_on` and `judged_on` -> label -> participants


def count_classes(people: People) -> dict[str, int]:
    """Return the participants of each class, in the classes' order."""
    classes = people.scheme.classes
    counts = np.bincount(people.truth, minlength=len(classes))
    return {label: int(count) for label, count in zip(classes, counts, strict=True)}


def say_what_is_lacking(counts: Counts) -> str | None:
    """Return why nothing can be judged, or None: two of each class that there is, two classes."""
    classes = next(iter(counts.values()))
    present = [label for label in classes if any(one[label] for one in counts.values())]
    if len(present) < 2:
        return f"no two classes: {', '.join(present) or 'nobody'}"
    scarce = [
        f"{one[label]} {label} {_PURPOSES[role]}"
        for role, one in counts.items()
        for label in present
        if one[label] < _FEWEST
    ]
    return f"too few participants: {', '.join(scarce)}" if scarce else None


def summarise(values: Mapping[str, Resampled], known: People, confidence: float) -> dict[str, Any]:
    """Return the figures of chance, of all confounders together and of each alone.

    Args:
        values: what `resample` returned for `chance` and each `<confounder or all>/<probe>`.
        known: the participants fitted on, to say what is recorded of them.
        confidence: of the intervals.
    """
    entries = {name: describe_all(found, confidence) for name, found in values.items()}
    return {
        "status": "judged",
        "chance": entries["chance"],
        "all": {probe: entries[f"all/{probe}"] for probe in PROBES},
        "alone": {
            name: {probe: entries[f"{name}/{probe}"] for probe in PROBES}
            | {"known": _say_what_is_known(known, name)}
            for name in CONFOUNDERS
        },
    }


def compare_with_probes(
    model: Resampled, values: Mapping[str, Resampled], confidence: float
) -> dict[str, Any]:
    """Return a model's figures, and how much more it is worth than chance and than each probe.

    All are taken on the same resamples, so what participants have in common cancels out.
    """
    rivals = {"chance": values["chance"]} | {probe: values[f"all/{probe}"] for probe in PROBES}
    return {
        "metrics": describe_all(model, confidence),
        "more_than": {
            name: {
                metric: describe_lead(rival[metric], model[metric], confidence) for metric in model
            }
            for name, rival in rivals.items()
        },
    }


def _say_what_is_known(people: People, name: str) -> str:
    """Return `not recorded`, `the same for everyone`, or of how many it is known."""
    if name in NUMBERS:
        known = people.numbers[name][~np.isnan(people.numbers[name])]
        count, distinct = len(known), len(np.unique(known))
        kinds = "values"
    else:
        levels = people.levels[name]
        levels = levels.filter(levels["level"] != NOT_RECORDED)
        count, distinct = levels["row"].n_unique(), levels["level"].n_unique()
        kinds = "levels"
    if count == 0:
        return NOT_RECORDED
    if count == len(people.ids) and distinct == 1:
        return "the same for everyone"
    return f"{count} of {len(people.ids)} participants, {distinct} {kinds}"
