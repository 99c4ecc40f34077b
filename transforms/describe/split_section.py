"""The report's section on splits: who is on which side, how alike the sides are, and the proof."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from transforms.describe.cohort_table import describe_folds, describe_sides
from transforms.describe.demographic_figures import (
    draw_demographics,
    draw_differences,
    gather_demographics,
)
from transforms.describe.formatting import words
from transforms.describe.gather import Dataset, Material, Splits
from transforms.describe.page import (
    Block,
    Group,
    Missing,
    Picture,
    Section,
    Statements,
    Table,
    Text,
    rows_table,
    svg_picture,
    table_of,
)
from transforms.describe.proof_tables import (
    compare_sides,
    describe_goals,
    describe_requests,
    group_problems,
)
from transforms.describe.split_facts import has_one_test, mark_of, order_variants, protocol_of
from transforms.describe.split_figures import draw_split
from transforms.describe.split_statements import (
    alike_statements,
    disjoint_statement,
    end_sentences,
    same_test_statement,
    solver_statements,
)
from transforms.describe.style import figure_to_svg

_PROTOCOLS: Final = {
    "fixed_test_nested": (
        "Protocol: one fixed test, nested training sets. All class ratios share one test side and "
        "one selection side. A variant is one class ratio of the training side; all have the same "
        "size, and the smaller sets of a class lie in the larger."
    ),
    "paper_exact": (
        "Protocol: the published counts, exactly, by whole participants. A variant is one class "
        "ratio of the training side. What is not trained or selected on is tested, so the test "
        "side moves with the ratio."
    ),
    "k_fold": (
        "Protocol: participant-wise folds. Every participant belongs to one fold; a variant tests "
        "one fold and trains on the others, and together they test everybody once."
    ),
    "sequence_wise": (
        "Protocol: sequence-wise, deliberately leaky. Single sequences are dealt out, as published "
        "partitions do, with the counts of the fixed test. What a model gains here over the honest "
        "split is what leaking is worth."
    ),
    "imported": (
        "Protocol: imported. Train and test are what another group published, taken over as it is."
    ),
}
_FOLDS_SHOWN: Final = 12  # in the picture of people; with more it would be taller than a page
_GOALS_NOTE: Final = (
    "From left to right in the order of pursuit, each only as far as those before it allow. A "
    "value is what is missed: sequences; of people, hundredths of a standard deviation beyond the "
    "tolerance; of folds, shares of a unit away from even, where 0 may be out of reach."
)


def split_section(material: Material) -> Section:
    """Return who is trained on, selected on and tested on, with the proof."""
    splits = material.splits
    if splits is None:
        missing = Missing("The dataset has not been split yet.", "gaitworks run participant_splits")
        return Section("splits", "Splits", (missing,))
    split, proof = splits.split, splits.proof
    mark = mark_of(split, proof)
    said = end_sentences(proof.get("notes", []))
    notes = (Text(said),) if said else ()
    blocks: list[Block] = []
    if mark is not None:
        blocks.append(Group("box", "Read this before any number", (Text(mark.text), *notes)))
    blocks += [
        Text(_introduce(split)),
        Statements(
            (
                disjoint_statement(split, proof),
                same_test_statement(split),
                *solver_statements(proof),
                *alike_statements(proof),
            )
        ),
        *(notes if mark is None else ()),
        _split_picture(split, proof),
        _count_table(split, proof),
        *_demographic_blocks(split, proof, material.dataset),
        *_solver_blocks(proof),
        _proof_group(splits),
    ]
    title = "Splits" if mark is None else f"Splits: {mark.short}"
    return Section("splits", title, tuple(blocks))


def _introduce(split: pl.DataFrame) -> str:
    protocol = protocol_of(split)
    text = _PROTOCOLS.get(protocol, f"Protocol: {words(protocol)}.")
    if "selection" in set(split["side"]):
        text += " Models are trained on train, and their checkpoint is chosen on selection;"
    else:
        text += " Models are trained on train;"
    return f"{text} every result below is from test alone."


def _split_picture(split: pl.DataFrame, proof: Mapping[str, Any]) -> Picture:
    mark = mark_of(split, proof)
    warning = "" if mark is None else f"{mark.short}. "
    if protocol_of(split) == "k_fold":
        return svg_picture(
            figure_to_svg(draw_split(split, proof)),
            f"{warning}Bars of what is tested in each fold, a row per class; the table below has "
            "the numbers.",
            f"{warning}What each fold tests, by class. The dashed line is the even share.",
        )
    return svg_picture(
        figure_to_svg(draw_split(split, proof)),
        f"{warning}Stacked bars of the number of participants and of sequences by class on each "
        "side of each variant; the table below has the numbers.",
        f"{warning}Participants and sequences by variant, side and class.",
    )


def _count_table(split: pl.DataFrame, proof: Mapping[str, Any]) -> Table:
    parts = "Participants / sequences"
    if any("seconds" in one for one in proof.get("variants", {}).values()):
        parts += " / minutes"
    if protocol_of(split) == "k_fold":
        table = describe_folds(split, proof)
        caption, first = f"{parts} tested, by fold and class", 1
    else:
        table = describe_sides(split, proof)
        caption, first = f"{parts} by variant, side and class", 2
    return rows_table(caption, table.columns, table.rows(), numeric=range(first, table.width))


def _demographic_blocks(
    split: pl.DataFrame, proof: Mapping[str, Any], dataset: Dataset | None
) -> list[Block]:
    blocks: list[Block] = []
    variants = order_variants(split["variant"])
    if dataset is not None and protocol_of(split) == "k_fold":
        shown = split.filter(pl.col("variant").is_in(variants[:_FOLDS_SHOWN]))
        which = "tested in each fold"
        if len(variants) > _FOLDS_SHOWN:
            which = f"tested in each of the first {_FOLDS_SHOWN} folds"
        blocks.append(_demographic_picture(shown, dataset, which))
    elif dataset is not None and has_one_test(split):
        which = "on each side" if len(variants) == 1 else "on each side of any variant"
        blocks.append(_demographic_picture(split, dataset, which))
    elif dataset is not None:
        first, *others = [
            _demographic_picture(
                split.filter(pl.col("variant") == one), dataset, f"on each side of {one}"
            )
            for one in variants
        ]
        title = "The people on each side of the other variants"
        blocks += [first, *([Group("drawer", title, tuple(others))] if others else [])]
    differences = compare_sides(proof.get("balance", []))
    if not differences.is_empty():
        blocks.append(
            svg_picture(
                figure_to_svg(draw_differences(differences)),
                "Dots of the standardised mean differences of selection and test against train, "
                "by variant, class and quantity; the drawer below has the means.",
                "How far the means of selection and test lie from that of train. Inside the band, "
                "0.1 standard deviations, people count as alike; arrowheads lie beyond the edge.",
            )
        )
    return blocks


def _demographic_picture(split: pl.DataFrame, dataset: Dataset, which: str) -> Picture:
    people = gather_demographics(split, dataset.participants, dataset.index)
    return svg_picture(
        figure_to_svg(draw_demographics(people)),
        "Spread of age, height, weight and walking time, and the share of females, by class, of "
        f"the people {which}.",
        f"The people {which}. Thick line: middle half; thin line: nine in ten; tick: "
        "median; grey band: middle half of the class. Where the lines of train and test overlap, "
        "models are tested on people like those they were trained on.",
    )


def _solver_blocks(proof: Mapping[str, Any]) -> list[Block]:
    # `Any`: a proof.json.
    problems = proof.get("problems", [])
    if not problems:
        return []
    requests = table_of(
        describe_requests(problems),
        "Sequences requested and achieved",
        note="Deviation: the sum over the requested sides of |achieved - requested|.",
    )
    goals = []
    for name, some in group_problems(problems).items():
        table = describe_goals(some)
        caption = f"What each goal of the {name} misses, and whether nothing better exists"
        numbers = range(2, table.width)
        goals.append(
            rows_table(caption, table.columns, table.rows(), numeric=numbers, note=_GOALS_NOTE)
        )
    title = "What the solver was asked, and what it proved"
    return [Group("part", title, (requests, *goals))]


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
                pl.DataFrame(balance, infer_schema_length=None),
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
