"""Splits that others made: ids from a partition file as sides of a dataset's sequences.

Nothing is repaired: what the file says is kept, and what it can't show is said.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from transforms.errors import InputError
from transforms.splits.imported_notes import PeopleKnown, describe_import, show_names
from transforms.splits.partition_file import read_partition
from transforms.splits.split import TEST, TRAIN, UNUSED, Split, lay_out

PROTOCOL: Final = "imported"
VARIANT: Final = "imported"
_IMPORTED_KEY: Final = "import_"  # begins the lineage of what `gaitworks import` took in

Naming = Literal["sequences", "participants"]
_Meanings = Mapping[str, Sequence[str]]
"""An id -> the sequences that it stands for."""


@dataclass(frozen=True)
class ImportedSplit(Split):
    """A split as its file says.

    Attributes:
        unknown_ids: on a list but not in the dataset, which had refused them; sorted.
        naming: what the ids name.
    """

    unknown_ids: tuple[str, ...] = ()
    naming: Naming = "sequences"


def import_split(
    path: Path,
    index: pl.DataFrame,
    participants: pl.DataFrame,
    *,
    rejects: pl.DataFrame | None = None,
    naming: Naming | None = None,
    participants_known: PeopleKnown | None = None,
    unidentified_batches: Collection[str] | None = None,
) -> ImportedSplit:
    """Read a partition file as a split of one dataset, in which ids on no list are `unused`.

    Args:
        path: a JSON file with the lists `TRAIN_SET`, `TEST_SET` and, if at all, `SELECTION_SET`
            or `VAL_SET`. All ids name sequences (by sequence id, or by the id that an imported
            tree had, which stands for all its views), or all name participants.
        index: the dataset's sequences (schema `SEQUENCE_INDEX`).
        participants: the dataset's participants, with the column participant_id.
        rejects: what did not get into the dataset (schema `REJECTS`): these ids may be unknown.
        naming: what the ids name, where they could name either.
        participants_known: people behind the ids, where a participant's id does not stand for a
            person: for an estimate of the overlap.
        unidentified_batches: the batches where it does not; None: those that look so, see
            `find_unidentified_batches`.

    Returns:
        The split, `violated` where a participant is on two sides, and `unverifiable` where it uses
        sequences that nobody knows the person of.

    Raises:
        InputError: the file is no partition; it names ids that are neither in the dataset nor
            refused by it, a sequence on two sides, or nothing to train or test on; or its ids
            can be read in two ways.
        SettingsError: `participants_known` is not possible.
    """
    lists = read_partition(path)
    meanings = _list_meanings(index, participants)
    if naming is not None:
        meanings = {naming: meanings[naming]}
    chosen = _choose_naming(lists, meanings, _list_refused(rejects), path)
    unknown = tuple(sorted({one for ids in lists.values() for one in ids} - set(meanings[chosen])))
    sides = dict.fromkeys(index["sequence_id"], UNUSED) | _place(lists, meanings[chosen], path)
    table = lay_out(index.sort("sequence_id"), sides, VARIANT, by="sequence_id")
    used = table.filter(pl.col("side") != UNUSED)
    per_person = used.group_by("participant_id").agg(pl.col("side").n_unique())
    shared = per_person.filter(pl.col("side") > 1)["participant_id"].to_list()
    if unidentified_batches is None:
        unidentified_batches = find_unidentified_batches(index)
    nameless = index.filter(pl.col("batch_id").is_in(list(unidentified_batches)))
    are_people_known = used.join(nameless, on="sequence_id", how="semi").is_empty()
    return ImportedSplit(
        table=table,
        disjointness="violated" if shared else "proved" if are_people_known else "unverifiable",
        notes=describe_import(
            table,
            shared=shared,
            unknown=unknown,
            repeats=sum(len(ids) - len(set(ids)) for ids in lists.values()),
            are_people_known=are_people_known,
            participants_known=participants_known,
        ),
        unknown_ids=unknown,
        naming=chosen,
    )


def find_unidentified_batches(index: pl.DataFrame) -> set[str]:
    """Return the batches that bear the marks of an import without a list of people.

    All their sequences were imported, and each participant's id is that of its tree. A list that
    gives every id a participant of the same name looks the same.
    """
    is_own = (pl.col("sequence_id") == pl.col("participant_id")) | (
        pl.col("sequence_id") == pl.col("participant_id") + "_" + pl.col("view")
    )
    is_imported = pl.col("extraction_key").str.starts_with(_IMPORTED_KEY)
    batches = index.group_by("batch_id").agg((is_own & is_imported).all().alias("is_unidentified"))
    return set(batches.filter("is_unidentified")["batch_id"])


def _list_meanings(
    index: pl.DataFrame, participants: pl.DataFrame
) -> dict[Naming, dict[str, list[str]]]:
    """Return what each id would stand for: naming -> id -> sequence ids."""
    sequences: dict[str, list[str]] = {name: [name] for name in index["sequence_id"]}
    views: dict[str, list[str]] = {}
    people: dict[str, list[str]] = {name: [] for name in participants["participant_id"]}
    columns = ("sequence_id", "participant_id", "view", "extraction_key")
    for name, participant_id, view, key in index.select(columns).iter_rows():
        people.setdefault(participant_id, []).append(name)
        # `gaitworks import` puts the view behind an id that has several sequences.
        if key.startswith(_IMPORTED_KEY) and name.endswith(f"_{view}"):
            views.setdefault(name.removesuffix(f"_{view}"), []).append(name)
    return {"sequences": views | sequences, "participants": people}


def _list_refused(rejects: pl.DataFrame | None) -> set[str]:
    if rejects is None:
        return set()
    return set(rejects["recording_id"]) | set(rejects["participant_id"])


def _choose_naming(
    lists: Mapping[str, Sequence[str]],
    meanings: Mapping[Naming, _Meanings],
    refused: set[str],
    path: Path,
) -> Naming:
    """Return what the ids name: all of them sequences or all of them participants."""
    ids = {one for listed in lists.values() for one in listed}
    unknown = {naming: ids - known.keys() - refused for naming, known in meanings.items()}
    possible = [
        naming for naming, known in meanings.items() if not unknown[naming] and ids & known.keys()
    ]
    if not possible:
        # Where nothing is unknown but what the dataset refused, everything is.
        wrong = min(unknown.values(), key=len) or ids
        raise InputError(
            "the lists name ids that the dataset does not have",
            where=path,
            expected="only sequence ids, or only participant ids, of this dataset",
            found=f"{len(wrong)} of {len(ids)} ids: {show_names(wrong)}",
            fix="take in what they name, or take them off the lists",
        )
    readings = [_list_sides(lists, meanings[naming]) for naming in possible]
    if readings[0] != readings[-1]:
        raise InputError(
            "the ids can be read in two ways that give different splits",
            where=path,
            expected="ids of sequences, or ids of participants",
            found="ids that are both",
            fix=f"set splits.partition_naming to {' or '.join(possible)}",
        )
    return possible[0]


def _place(lists: Mapping[str, Sequence[str]], known: _Meanings, path: Path) -> dict[str, str]:
    """Return the side of every sequence on a list."""
    found = _list_sides(lists, known)
    several = [name for name, sides in found.items() if len(sides) > 1]
    if several:
        raise InputError(
            "the lists overlap",
            where=path,
            expected="every sequence on one side",
            found=f"{len(several)} on several: {show_names(several)}",
            fix="ask the authors which list counts",
        )
    placed = {name: next(iter(sides)) for name, sides in found.items()}
    empty = sorted({TRAIN, TEST} - set(placed.values()))
    if empty:
        raise InputError(
            f"nothing of the dataset is on the side {' or '.join(empty)}",
            where=path,
            expected="ids of this dataset to train on and to test on",
        )
    return placed


def _list_sides(lists: Mapping[str, Sequence[str]], known: _Meanings) -> dict[str, set[str]]:
    """Return the sides of every sequence on a list; more than one is a fault."""
    sides: dict[str, set[str]] = {}
    for side, ids in lists.items():
        for one in ids:
            for name in known.get(one, ()):
                sides.setdefault(name, set()).add(side)
    return sides
