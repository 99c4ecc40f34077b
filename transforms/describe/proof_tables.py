"""A split's proof as tables: what the solver was asked, what it reached, and how sure that is.

See `proof.json` in the documentation of splits for what the entries mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from transforms.describe.formatting import plural, words
from transforms.describe.split_facts import order_sides, order_variants

ALIKE_SD: Final = 0.1  # standardised mean differences up to this count as none (Austin 2009)
_COLUMNS: Final = {
    "sequence_count": "sequences per participant",
    "is_female": "share female",
    "age_years": "age",
    "height_cm": "height",
    "weight_kg": "weight",
    "duration_s": "duration",
}
_SHIFT: Final = "_shift"

Problems = Sequence[Mapping[str, Any]]  # `Any`: proof["problems"], JSON


def describe_requests(problems: Problems) -> pl.DataFrame:
    """Return one row per problem and class: sequences requested and achieved, and the deviation.

    Deviation is the sum over the requested sides of |achieved - requested|; it is empty of folds,
    which are not given a number but to be even.
    """
    return pl.DataFrame(
        [
            {
                "for": _name_variants(problem),
                "class": label,
                "requested": _write_sides(problem["requested"].get(label, {})) or "even folds",
                "achieved": _write_sides(problem["achieved"].get(label, {})),
                "deviation": deviation_of(problem, label),
            }
            for problem in problems
            for label in sorted({*problem["requested"], *problem["achieved"]})
        ],
        schema=dict.fromkeys(("for", "class", "requested", "achieved"), pl.String)
        | {"deviation": pl.Int64},
    )


def group_problems(problems: Problems) -> dict[str, Problems]:
    """Return problems that pursue the same kind of goals together, by what they are about."""
    groups = {
        "folds": [one for one in problems if not one["requested"]],
        "sides": [one for one in problems if one["requested"]],
    }
    return {name: some for name, some in groups.items() if some}


def describe_goals(problems: Problems) -> pl.DataFrame:
    """Return one row per problem: the verdict, and what each goal misses in the order of pursuit.

    A cell is the value alone where it is proved to be the least, else `12, at least 7`: reached,
    and what no assignment goes below. It is empty where a problem does not pursue the goal.
    """
    names = list(dict.fromkeys(goal["name"] for one in problems for goal in one["goals"]))
    rows = []
    for problem in problems:
        cells = {goal["name"]: _write_goal(goal) for goal in problem["goals"]}
        open_goals = [name_column(one["name"]) for one in problem["goals"] if not one["is_proved"]]
        verdict = f"not proved: {', '.join(open_goals)}" if open_goals else "proved"
        rows.append(
            {"problem": name_problem(problem), "verdict": verdict}
            | {name_column(name): cells.get(name, "") for name in names}
        )
    columns = ("problem", "verdict", *(name_column(name) for name in names))
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))


def unproved_goals(problems: Problems) -> list[str]:
    """Return, in words, every goal for which something better may exist."""
    return [
        f"{name_problem(problem)}: {name_column(goal['name'])} misses {goal['value']:,}, "
        f"proved is only that it is at least {goal['bound']:,}"
        for problem in problems
        for goal in problem["goals"]
        if not goal["is_proved"]
    ]


def deviation_of(problem: Mapping[str, Any], label: str) -> int | None:
    """Return by how many sequences a class misses what was requested of it; None if nothing was."""
    requested, achieved = problem["requested"].get(label), problem["achieved"].get(label, {})
    if not requested:
        return None
    missed: int = sum(abs(achieved.get(side, 0) - count) for side, count in requested.items())
    return missed


def count_missed(problems: Problems) -> str:
    """Return in a sentence whether the requested sizes are met, or by how much they are not."""
    missed = [
        f"{plural(deviation, 'sequence')} ({name_problem(problem)})"
        for problem in problems
        for label in sorted(problem["requested"])
        if (deviation := deviation_of(problem, label))
    ]
    if missed:
        return f"The requested sizes are missed by {', '.join(missed)}."
    if any(problem["requested"] for problem in problems):
        return "The requested sizes are met exactly."
    return "No sizes were requested; the folds are to be even."


def name_problem(problem: Mapping[str, Any]) -> str:
    """Return the variants that rest on a problem, the sides that it fills, and the class."""
    sides = order_sides(side for counts in problem["requested"].values() for side in counts)
    filled = f"{' and '.join(sides)}, " if sides else ""
    return f"{_name_variants(problem)}: {filled}{problem['name']}"


def compare_sides(balance: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return how far selection and test lie from train in each balanced column.

    Args:
        balance: rows of a proof: variant, label, side and `<column>_shift`, the mean's distance
            from the class's mean in standard deviations of the class.

    Returns:
        Columns variant, label, side, column and difference: the side's mean less that of train,
        in standard deviations of the class. Columns without variation are left out; so are sides
        of a variant that no one is trained on.
    """
    sides = {
        (str(row["variant"]), str(row["label"]), str(row["side"])): row
        for row in balance
        if "variant" in row
    }
    rows = [
        {
            "variant": variant,
            "label": label,
            "side": side,
            "column": name.removesuffix(_SHIFT),
            "difference": float(row[name]) - float(train[name]),
        }
        for (variant, label, side), row in sides.items()
        if side in ("selection", "test")
        for train in [sides.get((variant, label, "train"), {})]
        for name in row
        if name.endswith(_SHIFT) and row[name] is not None and train.get(name) is not None
    ]
    schema = dict.fromkeys(("variant", "label", "side", "column"), pl.String)
    return pl.DataFrame(rows, schema=schema | {"difference": pl.Float64})


def name_column(column: str) -> str:
    """Return what to call a balanced column; those of sites are named after the site."""
    return _COLUMNS.get(column, words(column))


def order_columns(columns: Iterable[str]) -> list[str]:
    """Return balanced columns as people list them, sites last by name."""
    known = list(_COLUMNS)
    return sorted(
        set(columns), key=lambda name: (known.index(name) if name in known else len(known), name)
    )


def _name_variants(problem: Mapping[str, Any]) -> str:
    variants = problem["variants"]
    return str(variants[0]) if len(variants) == 1 else plural(len(variants), "variant")


def _write_goal(goal: Mapping[str, Any]) -> str:
    value = f"{goal['value']:,}"
    return value if goal["is_proved"] else f"{value}, at least {goal['bound']:,}"


def _write_sides(counts: Mapping[str, int]) -> str:
    known = order_sides(counts)
    return ", ".join(
        f"{words(side)} {counts[side]:,}"
        for side in [*known, *order_variants(set(counts) - set(known))]
    )
