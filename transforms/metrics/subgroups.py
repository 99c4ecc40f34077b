"""How well a model does for women and men, for each age, at each site and of each diagnosis.

Groups of few participants are counted and not measured: the numbers would be about single persons.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.labels import LabelScheme, find_scheme
from transforms.metrics.judged import Floats, Judged
from transforms.metrics.metrics import (
    count_people,
    describe_metric,
    measure_answers,
)
from transforms.release.participants import bin_age

NOT_RECORDED: Final = "not recorded"
SMALLEST_GROUP: Final = 5  # participants
_TOO_FEW: Final = f"not measured: fewer than {SMALLEST_GROUP} participants"
_COLUMNS: Final = {"sex": "sex", "age_band": "age_years", "site": "site"}

Groups = Mapping[str, Sequence[str]]
Summary = dict[str, list[dict[str, Any]]]  # `Any`: JSON


def list_metrics(scheme: LabelScheme) -> tuple[str, ...]:
    """Return the metrics that a group gets."""
    rates = (f"{scheme.screening}/{kind}" for kind in ("sensitivity", "specificity"))
    return ("accuracy", "macro_f1", *rates)


def read_groups(participants: pl.DataFrame, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return for each of `sex`, `age_band` and `site` the group of each participant.

    Where models tell less apart than people are diagnosed with, `diagnosis` is one more grouping.
    Ages are given in the intervals of a release, so that both name the same groups. What a table
    does not have, as a release has no site, is not recorded for anybody.

    Args:
        participants: schema `PARTICIPANTS`, or a release's, all columns text and ages in intervals.
        ids: the participants asked for.

    Raises:
        InputError: a participant is not in the table, or twice, or a label is unknown.
    """
    rows: dict[str, dict[str, Any]] = {}
    for row in participants.iter_rows(named=True):
        if row["participant_id"] in rows:
            raise InputError("a participant is listed twice", where=row["participant_id"])
        rows[row["participant_id"]] = row
    strangers = sorted(set(ids) - rows.keys())
    if strangers:
        raise InputError(
            "participant is not in the participants table",
            where="predictions",
            found=", ".join(strangers[:5]),
            fix="judge the model on the dataset that these participants belong to",
        )
    scheme = find_scheme({rows[one]["label"] for one in ids}, where="participants")
    columns = _COLUMNS | ({"diagnosis": "label"} if scheme.is_folded else {})
    return {
        name: [_name_group(rows[one].get(column)) for one in ids]
        for name, column in columns.items()
    }


def summarise_subgroups(
    judged: Judged, groups: Groups, participant_weights: Floats, confidence: float
) -> Summary:
    """Return per grouping a list of groups with their counts and metrics, in order of their names.

    Args:
        judged: the rows.
        groups: what `read_groups` gives, of the participants in order of their ids.
        participant_weights: float64 [resample, participant].
        confidence: of the intervals.
    """
    summary: Summary = {}
    for grouping, of_person in groups.items():
        of_row = np.array(of_person)[judged.participant]
        summary[grouping] = [
            {
                "group": group,
                **_summarise_group(judged, of_row == group, participant_weights, confidence),
            }
            for group in sorted(set(of_person), key=_order)
        ]
    return summary


def _summarise_group(
    judged: Judged, chosen: NDArray[np.bool_], participant_weights: Floats, confidence: float
) -> dict[str, Any]:
    people, places = np.unique(judged.participant[chosen], return_inverse=True)
    scheme = judged.scheme
    group = Judged(
        judged.truth[chosen], judged.probabilities[chosen], places.astype(np.int64), scheme
    )
    counts: dict[str, Any] = {
        "participants": len(people),
        "count": len(group.truth),
        "participants_per_label": {
            label: count_people(group, group.truth == index)
            for index, label in enumerate(scheme.classes)
        },
    }
    if len(people) < SMALLEST_GROUP:
        return counts | {"metrics": None, "reason": _TOO_FEW}
    weights = participant_weights[:, people][:, group.participant]
    points = measure_answers(group, np.ones((1, len(group.truth))))
    spreads = measure_answers(group, weights)
    counts["metrics"] = {
        name: describe_metric(name, float(points[name][0]), spreads[name], group, confidence)
        for name in list_metrics(scheme)
    }
    return counts


def _name_group(value: Any) -> str:
    # `Any`: a cell; of the three columns only an age is ever a number.
    if value is None:
        return NOT_RECORDED
    return bin_age(value) if isinstance(value, float | int) else str(value)


def _order(group: str) -> tuple[bool, float, str]:
    """Sort ages by their number and what is not recorded last."""
    start = group.removeprefix("[").partition(",")[0]
    number = float(start) if group.startswith("[") and start.isdigit() else 0.0
    return group == NOT_RECORDED, number, group
