"""What is to be said of a split that somebody else made, in sentences with numbers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from transforms.errors import SettingsError
from transforms.intake.problems import show_value
from transforms.splits.overlap import bound_shared, estimate_shared, expect_shared
from transforms.splits.split import TEST, TRAIN, UNUSED

PeopleKnown = int | Mapping[str, int]
"""How many people there are: all in all, or per label."""

_SHOWN: Final = 5


def describe_import(
    rows: pl.DataFrame,
    *,
    shared: Sequence[str],
    unknown: Sequence[str],
    repeats: int,
    are_people_known: bool,
    participants_known: PeopleKnown | None,
) -> tuple[str, ...]:
    """Return the notes of an imported split, the gravest first.

    Args:
        rows: columns sequence_id, participant_id, label, side; all sequences of the dataset.
        shared: participants on two sides, sorted.
        unknown: ids that the dataset had refused, sorted.
        repeats: how often a list names an id again.
        are_people_known: whether a participant id stands for a person.
        participants_known: people behind the ids, where they are not known.

    Raises:
        SettingsError: `participants_known` is not possible.
    """
    notes = []
    if shared:
        notes.append(
            f"{_count(len(shared), 'participant')} on two sides ({show_names(shared)}): "
            f"{_count_shared(rows)} of {_size(rows, TEST)} test sequences share their participant "
            "with training"
        )
    if are_people_known:
        notes.append(_expect_by_class(rows))
    else:
        notes.append(_expect_of_ids(rows, participants_known))
    notes += _find_oddities(rows, unknown, repeats)
    return tuple(notes)


def _count_shared(rows: pl.DataFrame) -> int:
    trained = rows.filter(pl.col("side") == TRAIN)["participant_id"]
    tested = rows.filter(pl.col("side") == TEST)
    return tested.filter(pl.col("participant_id").is_in(trained.implode())).height


def _expect_by_class(rows: pl.DataFrame) -> str:
    """Return what chance would give with the people that the dataset knows."""
    expected = 0.0
    for _, some in sorted(rows.group_by("label"), key=lambda group: str(group[0][0])):
        per_person = Counter(some.group_by("participant_id").len()["len"].to_list())
        expected += expect_shared(per_person, _size(some, TRAIN), _size(some, TEST))
    return (
        f"dealt out one by one within each class, {expected:.1f} of {_size(rows, TEST)} test "
        "sequences would share their participant with training"
    )


def _expect_of_ids(rows: pl.DataFrame, participants_known: PeopleKnown | None) -> str:
    """Return what chance would give if the ids were so many people's."""
    start = "each id counts as a participant: nothing shows that nobody is on two sides"
    ids = (
        rows.sort("sequence_id")
        .group_by("participant_id", maintain_order=True)
        .agg(
            pl.col("label").first(),
            pl.col("side").filter(pl.col("side") != UNUSED).first(),
        )
    )
    if participants_known is None:
        return f"{start}; with the number of people behind them the overlap can be estimated"
    parts = _pair_with_people(ids, participants_known)
    lowest, middle, highest = 0.0, 0.0, 0.0
    for some, people in parts:
        sizes = (some.height, people, _size(some, TRAIN), _size(some, TEST))
        low, high = bound_shared(*sizes)
        lowest, middle, highest = lowest + low, middle + estimate_shared(*sizes), highest + high
    total = sum(people for _, people in parts)
    return (
        f"{start}; if the {ids.height} ids are {total} people's and were dealt out at random"
        f"{' within each class' if len(parts) > 1 else ''}, {lowest:.1f} to {highest:.1f} of "
        f"{_size(ids, TEST)} test ids share their person with training, however many each has, "
        f"and {middle:.1f} if each has one and the others fell on anyone"
    )


def _pair_with_people(
    ids: pl.DataFrame, participants_known: PeopleKnown
) -> list[tuple[pl.DataFrame, int]]:
    if isinstance(participants_known, int):
        parts = [("all", ids, participants_known)]
    else:
        labels = sorted(ids["label"].unique())
        if sorted(participants_known) != labels:
            raise SettingsError(
                "the numbers of people are not those of the dataset's classes",
                expected=", ".join(labels),
                found=", ".join(sorted(participants_known)),
            )
        parts = [
            (label, ids.filter(pl.col("label") == label), participants_known[label])
            for label in labels
        ]
    for name, some, people in parts:
        if not 1 <= people <= some.height:
            raise SettingsError(
                "the ids can't be so many people's",
                where=f"class {name}" if len(parts) > 1 else None,
                expected=f"1 to {some.height}, the number of ids",
                found=people,
            )
    return [(some, people) for _, some, people in parts]


def _find_oddities(rows: pl.DataFrame, unknown: Sequence[str], repeats: int) -> Iterator[str]:
    if unknown:
        yield f"{_count(len(unknown), 'id')} refused by the dataset: {show_names(unknown)}"
    if repeats:
        yield f"{_count(repeats, 'id')} listed again on the same list"
    unused = _size(rows, UNUSED)
    if unused:
        yield f"{_count(unused, 'sequence')} on no list"


def _size(rows: pl.DataFrame, side: str) -> int:
    return rows.filter(pl.col("side") == side).height


def _count(number: int, noun: str) -> str:
    return f"{number} {noun} is" if number == 1 else f"{number} {noun}s are"


def show_names(names: Iterable[str]) -> str:
    """Return the first few names in their order, made safe to show, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(show_value(name) for name in ordered[:_SHOWN]) + more
