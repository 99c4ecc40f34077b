"""What a screening programme would get from one model: a table of its operating points."""

from typing import Any, Final

from transforms.describe.formatting import NOTHING, POSITIVE_SETS, format_interval
from transforms.describe.page import Block, Group, Text, rows_table

# Of `transforms.metrics.operating_points`, in the order of a page.
_POINTS: Final = {
    "likeliest_class": "likeliest class, no threshold",
    "sensitivity_95_by_selection": "threshold that finds 95 % of the selection side",
    "sensitivity_99_by_selection": "threshold that finds 99 % of the selection side",
    "sensitivity_95": "95 % of this test side found (optimistic)",
    "sensitivity_99": "99 % of this test side found (optimistic)",
}
_NPV_AT: Final = 0.02


def operating_group(metrics: dict[str, Any]) -> Group | None:
    """Return the operating points per participant, or None where the metrics hold none.

    Args:
        metrics: `metrics.json` of one experiment (`Any`: JSON).
    """
    found = metrics["units"]["participant"].get("operating_points")
    if found is None:
        return None
    blocks: list[Block] = [
        Text(
            "A threshold fixed on the selection side was known before the test side was seen, as "
            "in a programme; one fixed on the test side itself only describes the curve. A "
            "positive predictive value says how many of those named would be ill if so many of "
            "all were; no test side has the prevalence of a school."
        )
    ]
    for question in (one for one in POSITIVE_SETS if one in found):
        title = f"Operating points per participant, {question}: {POSITIVE_SETS[question]}"
        points = found[question]
        if "reason" in points:
            blocks.append(Text(f"{title}: none, {points['reason']}."))
            continue
        shown = {name: points[name] for name in _POINTS if name in points}
        prevalences = [one["prevalence"] for one in points["likeliest_class"]["predictive_values"]]
        columns = (
            "point",
            "threshold",
            "sensitivity",
            "specificity",
            *(f"PPV at {prevalence:.0%}" for prevalence in prevalences),
            f"NPV at {_NPV_AT:.0%}",
        )
        reasons = sorted({point["reason"] for point in shown.values() if "reason" in point})
        blocks.append(
            rows_table(
                title,
                columns,
                [(_POINTS[name], *_cells(point, prevalences)) for name, point in shown.items()],
                numeric=range(1, len(columns)),
                note=" ".join(f"{reason}." for reason in reasons),
            )
        )
    return Group("drawer", f"Operating points, {metrics['experiment']}", tuple(blocks))


def _cells(point: dict[str, Any], prevalences: list[float]) -> list[str]:
    if "reason" in point:
        return [NOTHING] * (4 + len(prevalences))
    threshold, sensitivity = point["threshold"], point.get("sensitivity")
    answers = {one["prevalence"]: one for one in point["predictive_values"]}
    return [
        NOTHING if threshold is None else f"{threshold:.3f}",
        # On the test side itself the sensitivity is chosen, and no estimate.
        f"{point['reached_sensitivity']:.2f}"
        if sensitivity is None
        else format_interval(sensitivity),
        format_interval(point["specificity"]),
        *(format_interval(answers[prevalence]["ppv"]) for prevalence in prevalences),
        format_interval(answers[_NPV_AT]["npv"]),
    ]
