"""What the texts, tables and pictures of a split all need: its protocol, its mark, its order.

A mark is what must stand on everything made from a split that can't prove its participants apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from transforms.describe.formatting import plural

SIDES: Final = ("train", "selection", "test", "unused")


@dataclass(frozen=True)
class Mark:
    """A warning that goes wherever the split goes: `short` on pictures, all of it on the page."""

    short: str
    text: str


def protocol_of(split: pl.DataFrame) -> str:
    """Return the protocol that made a split table; one table holds one."""
    return " and ".join(sorted(split["protocol"].unique()))


def shared_participants(split: pl.DataFrame) -> pl.DataFrame:
    """Return `variant, participant_id` of those on two sides or more of a variant, sorted."""
    return (
        split.filter(pl.col("side") != "unused")
        .group_by("variant", "participant_id")
        .agg(pl.col("side").n_unique().alias("sides"))
        .filter(pl.col("sides") > 1)
        .select("variant", "participant_id")
        .sort("variant", "participant_id")
    )


def mark_of(split: pl.DataFrame, proof: Mapping[str, Any]) -> Mark | None:
    """Return what the reader must be warned of: a leaky or an unverifiable split, else None."""
    # `Any`: a proof.json.
    shared = shared_participants(split)["participant_id"].n_unique()
    if protocol_of(split) == "sequence_wise":
        return Mark(
            f"LEAKY BY DESIGN: {plural(shared, 'participant')} on both sides",
            "This split deals out sequences and ignores whose they are, so models meet at the test "
            "people they were trained on. It exists to measure how much that flatters results. "
            "No number made with it says how well a new person would be judged, and it can't be "
            "released.",
        )
    if shared:
        return Mark(
            f"LEAKY: {plural(shared, 'participant')} on both sides",
            "Results on this split are flattered by people who are trained on and tested.",
        )
    if proof.get("participant_disjointness") == "unverifiable":
        return Mark(
            "UNVERIFIABLE: who the participants are is not known",
            "Every id counts as a person of its own here. Sequences of one person may lie on both "
            "sides, and nothing in the dataset can show whether they do.",
        )
    return None


def order_variants(variants: Iterable[str]) -> list[str]:
    """Return variants by the numbers in their names: 1:1:2 before 1:1:16, fold 2 before 10."""
    return sorted(set(variants), key=variant_place)


def variant_place(variant: str) -> tuple[list[int], str]:
    """Return what variants are sorted by."""
    return ([int(word) for word in variant.split("_") if word.isdigit()], variant)


def order_sides(sides: Iterable[str]) -> list[str]:
    """Return the sides that occur, in the order in which they are used."""
    present = set(sides)
    return [side for side in SIDES if side in present]


def has_one_test(split: pl.DataFrame) -> bool:
    """Return whether every variant is tested on the same sequences."""
    tests: Sequence[frozenset[str]] = [
        frozenset(rows.filter(pl.col("side") == "test")["sequence_id"])
        for _, rows in split.group_by("variant")
    ]
    return len(set(tests)) == 1 and bool(tests[0])


def minutes_by_side(proof: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """Return (variant, side, label) -> minutes of walking, from a proof that counted them."""
    # `Any`: a proof.json.
    return {
        (variant, side, label): float(seconds) / 60
        for variant, facts in proof.get("variants", {}).items()
        for side, labels in facts.get("seconds", {}).items()
        for label, seconds in labels.items()
    }
