"""The report's section on splits, and what can be shown of them: nobody is on two sides."""

from typing import Any

import polars as pl

from transforms.describe.data_figures import draw_demographics, draw_split
from transforms.describe.formatting import plural, words
from transforms.describe.gather import Material, Splits
from transforms.describe.page import (
    Block,
    Group,
    Missing,
    Section,
    Statement,
    Statements,
    Table,
    Text,
    rows_table,
    svg_picture,
    table_of,
)
from transforms.describe.style import figure_to_svg


def split_section(material: Material) -> Section:
    """Return who is trained on, selected on and tested on, with the proof."""
    splits = material.splits
    if splits is None:
        missing = Missing("The dataset has not been split yet.", "gaitworks run participant_splits")
        return Section("splits", "Splits", (missing,))
    from transforms.describe.cohort_table import describe_split

    split = splits.split
    protocols = ", ".join(words(one) for one in sorted(split["protocol"].unique()))
    blocks: list[Block] = [
        Text(
            f"Protocol: {protocols}. A variant is one class ratio of the training side. Models are "
            "trained on train, their checkpoint is chosen on selection, and every result below is "
            "from test alone."
        ),
        Statements(
            (
                disjoint_statement(split),
                same_test_statement(split),
                *_solver_statement(splits.proof),
            )
        ),
        svg_picture(
            figure_to_svg(draw_split(split)),
            "Stacked bars of the number of participants by class on each side of each variant; "
            "the table below has the numbers.",
            "Participants by variant, side and class.",
        ),
        _count_table(describe_split(split)),
    ]
    if material.dataset is not None:
        figure = draw_demographics(split, material.dataset.participants)
        blocks.append(
            svg_picture(
                figure_to_svg(figure),
                "Dots of the age, height and weight of the participants on each side, coloured by "
                "class, with the median as a line.",
                "Age, height and weight by side, one dot per participant, the median as a line. "
                "Sides that overlap test what they were trained for.",
            )
        )
    blocks.append(_proof_group(splits))
    return Section("splits", "Splits", tuple(blocks))


def disjoint_statement(split: pl.DataFrame) -> Statement:
    """Return whether no participant is on two sides of any variant, counted from the table."""
    used = split.filter(pl.col("side") != "unused")
    sides = used.group_by("variant", "participant_id").agg(pl.col("side").n_unique())
    shared = sides.filter(pl.col("side") > 1)["participant_id"].n_unique()
    people = used["participant_id"].n_unique()
    detail = (
        f"Counted again from the split table: {plural(people, 'participant')}, "
        f"{plural(split['variant'].n_unique(), 'variant')}, {shared} on more than one side of "
        "a variant."
    )
    return Statement(
        "fails" if shared else "holds", "No participant is on two sides of a split.", detail
    )


def same_test_statement(split: pl.DataFrame) -> Statement:
    """Return whether every variant is tested on the same sequences."""
    tests = {
        str(variant): frozenset(rows["sequence_id"])
        for (variant,), rows in split.filter(pl.col("side") == "test").group_by("variant")
    }
    is_same = len(tests) == split["variant"].n_unique() and len(set(tests.values())) == 1
    if is_same:
        test = split.filter(pl.col("side") == "test")
        detail = (
            f"{plural(test['participant_id'].n_unique(), 'participant')} with "
            f"{plural(test['sequence_id'].n_unique(), 'sequence')}, so results differ by what was "
            "trained, not by what was asked."
        )
    else:
        detail = "The test side moves with the variant: compare models within a variant only."
    return Statement(
        "holds" if is_same else "fails", "Every variant is tested on the same sequences.", detail
    )


def _count_table(counts: pl.DataFrame) -> Table:
    labels = list(dict.fromkeys(counts["label"]))
    cells = {
        (variant, side, label): f"{participants:,} / {sequences:,}"
        for variant, side, label, participants, sequences in counts.iter_rows()
    }
    groups = list(dict.fromkeys((variant, side) for variant, side, _ in cells))
    return rows_table(
        "Participants / sequences by variant, side and class",
        ("variant", "side", *labels),
        [(*group, *(cells.get((*group, label), "0 / 0") for label in labels)) for group in groups],
        numeric=range(2, 2 + len(labels)),
    )


def _solver_statement(proof: dict[str, Any]) -> list[Statement]:
    # `Any`: a proof.json.
    classes = proof.get("held_out", {})
    if not classes:
        return []
    is_optimal = all(one["status"] == "optimal" for one in classes.values())
    found = "; ".join(f"{label}: {one['status']}" for label, one in sorted(classes.items()))
    missed = {label: one["deviation"] for label, one in sorted(classes.items()) if one["deviation"]}
    met = "The requested sizes are met exactly."
    if missed:
        met = (
            "Whole participants can't come closer to the requested sizes than "
            + ", ".join(f"{plural(count, 'sequence')} ({name})" for name, count in missed.items())
            + "."
        )
    detail = (
        f"Status of the exact solver: {found}. {met} Balanced are sex, age, height, weight and the "
        "number of sequences."
    )
    claim = "No other assignment comes closer to the requested sizes with better balance."
    return [Statement("holds" if is_optimal else "caution", claim, detail)]


def _proof_group(splits: Splits) -> Group:
    rest = {key: value for key, value in splits.proof.items() if key != "balance"}
    rows = [(words(key), value) for key, value in flatten(rest)]
    blocks: list[Block] = [
        rows_table("proof.json, as the solver left it", ("entry", "value"), rows)
    ]
    balance = splits.proof.get("balance", [])
    if balance:
        blocks.append(
            table_of(
                pl.DataFrame(balance),
                "Balance of the sides within each class",
                note="A shift is a mean's distance from the class's mean in standard deviations.",
            )
        )
    return Group("drawer", "The solver's proof in full", tuple(blocks))


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested JSON values as a flat list of dotted keys and texts, sorted by key."""
    # `Any`: JSON.
    if isinstance(value, dict) and value:
        return [
            pair
            for key in sorted(value)
            for pair in flatten(value[key], f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        return [
            pair for place, one in enumerate(value) for pair in flatten(one, f"{prefix}[{place}]")
        ]
    if isinstance(value, list):
        return [(prefix, ", ".join(str(one) for one in value))]
    return [(prefix, "" if value is None else str(value))]
