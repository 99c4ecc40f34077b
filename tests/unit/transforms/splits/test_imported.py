import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.interchange.trees import put_pickle, run_import
from transforms.errors import InputError, SettingsError
from transforms.interchange import importer
from transforms.interchange.exporter import export_tree
from transforms.manifest import directory_version, write_manifest
from transforms.progress import NoProgress
from transforms.schemas import REJECTS, SPLIT, conform
from transforms.settings import ShardSettings
from transforms.shards.parquet import write_table
from transforms.shards.writer import write_shards
from transforms.splits.imported import VARIANT, find_unidentified_batches, import_split

Tables = tuple[pl.DataFrame, pl.DataFrame]
MakeTables = Callable[..., Tables]

# participants negative-0000 with 2 sequences, negative-0001 and positive-0000, -0001 with 1
COHORT = {"negative": [2, 1], "positive": [1, 1]}


def write(folder: Path, train: Sequence[str], test: Sequence[str], **more: Any) -> Path:
    path = folder / "partition.json"
    path.write_text(json.dumps({"TRAIN_SET": list(train), "TEST_SET": list(test)} | more))
    return path


def sides_of(table: pl.DataFrame) -> dict[str, str]:
    return dict(table.select("sequence_id", "side").iter_rows())


@pytest.fixture
def index_and_people(tables: MakeTables) -> Tables:
    return tables(COHORT)


def test_sequence_ids_are_put_on_their_sides(tmp_path: Path, index_and_people: Tables) -> None:
    path = write(
        tmp_path,
        ["negative-0000-s0", "negative-0000-s1"],
        ["positive-0000-s0"],
        SELECTION_SET=["positive-0001-s0"],
    )
    split = import_split(path, *index_and_people)
    assert split.naming == "sequences"
    assert split.disjointness == "proved"
    assert split.unknown_ids == ()
    assert split.table.columns == ["variant", "sequence_id", "participant_id", "label", "side"]
    assert split.table["variant"].unique().to_list() == [VARIANT]
    assert split.table["sequence_id"].is_sorted()
    assert sides_of(split.table) == {
        "negative-0000-s0": "train",
        "negative-0000-s1": "train",
        "negative-0001-s0": "unused",
        "positive-0000-s0": "test",
        "positive-0001-s0": "selection",
    }
    assert split.notes[-1] == "1 sequence is on no list"


def test_participant_ids_stand_for_all_their_sequences(
    tmp_path: Path, index_and_people: Tables
) -> None:
    path = write(tmp_path, ["negative-0000", "positive-0000"], ["negative-0001", "positive-0001"])
    split = import_split(path, *index_and_people)
    assert split.naming == "participants"
    assert sides_of(split.table)["negative-0000-s1"] == "train"
    assert split.table["side"].value_counts().sort("side").rows() == [("test", 2), ("train", 3)]


def test_a_participant_on_two_sides_is_kept_and_said(
    tmp_path: Path, index_and_people: Tables
) -> None:
    path = write(tmp_path, ["negative-0000-s0"], ["negative-0000-s1", "negative-0001-s0"])
    split = import_split(path, *index_and_people)
    assert split.disjointness == "violated"
    assert sides_of(split.table)["negative-0000-s1"] == "test"
    assert split.notes[0] == (
        "1 participant is on two sides (negative-0000): "
        "1 of 2 test sequences share their participant with training"
    )
    # One of three negatives is trained on, the others tested. Two ways of three train on one of the
    # person who has two, and test on the other.
    assert split.notes[1].startswith("dealt out one by one within each class, 0.7 of 2 test")


@pytest.mark.parametrize("naming", [None, "sequences", "participants"])
def test_unknown_ids_are_refused_by_number_and_name(
    tmp_path: Path, index_and_people: Tables, naming: Any
) -> None:
    path = write(tmp_path, ["negative-0000-s0", "nobody-1\x1b[2J"], ["positive-0000-s0"])
    count = 3 if naming == "participants" else 1
    with pytest.raises(InputError, match=f"found {count} of 3 ids: .*nobody") as caught:
        import_split(path, *index_and_people, naming=naming)
    assert str(caught.value).isprintable()


def test_sequences_and_participants_can_not_be_mixed(
    tmp_path: Path, index_and_people: Tables
) -> None:
    path = write(tmp_path, ["negative-0000-s0"], ["positive-0000"])
    with pytest.raises(InputError, match="1 of 2 ids"):
        import_split(path, *index_and_people)


def test_ids_that_the_dataset_refused_may_be_unknown(
    tmp_path: Path, index_and_people: Tables
) -> None:
    row = dict.fromkeys(REJECTS.names, "x") | {"recording_id": "lost", "participant_id": "P7"}
    rejects = pl.DataFrame([row])
    path = write(tmp_path, ["negative-0000-s0", "lost"], ["positive-0000-s0"])
    split = import_split(path, *index_and_people, rejects=rejects)
    assert split.unknown_ids == ("lost",)
    assert "1 id is refused by the dataset: lost" in split.notes
    with pytest.raises(InputError, match="1 of 3 ids: lost"):
        import_split(path, *index_and_people)


def test_a_side_of_nothing_but_refused_ids_is_refused(
    tmp_path: Path, index_and_people: Tables
) -> None:
    rejects = pl.DataFrame([dict.fromkeys(REJECTS.names, "lost")])
    path = write(tmp_path, ["negative-0000-s0"], ["lost"])
    with pytest.raises(InputError, match="nothing of the dataset is on the side test"):
        import_split(path, *index_and_people, rejects=rejects)
    with pytest.raises(InputError, match="1 of 1 ids: lost"):
        import_split(write(tmp_path, ["lost"], ["lost"]), *index_and_people, rejects=rejects)


def test_overlapping_lists_are_refused(tmp_path: Path, index_and_people: Tables) -> None:
    path = write(tmp_path, ["negative-0000-s0", "positive-0000-s0"], ["negative-0000-s0"])
    with pytest.raises(InputError, match=r"the lists overlap.*1 on several: negative-0000-s0"):
        import_split(path, *index_and_people)


def test_an_id_listed_again_on_its_list_is_noted(tmp_path: Path, index_and_people: Tables) -> None:
    path = write(tmp_path, ["negative-0000-s0"] * 3, ["positive-0000-s0"])
    assert "2 ids are listed again on the same list" in import_split(path, *index_and_people).notes


def test_ids_that_can_be_read_in_two_ways_are_refused_until_somebody_says_which(
    tmp_path: Path, tables: MakeTables
) -> None:
    # Each participant bears the id of the first of their sequences.
    index, people = tables({"negative": [2, 2]})
    person = pl.col("participant_id") + "-s0"
    index, people = index.with_columns(participant_id=person), people.with_columns(person)
    path = write(tmp_path, ["negative-0000-s0"], ["negative-0001-s0"])
    with pytest.raises(InputError, match="read in two ways"):
        import_split(path, index, people)
    one = import_split(path, index, people, naming="sequences")
    both = import_split(path, index, people, naming="participants")
    assert one.table.filter(pl.col("side") == "train").height == 1
    assert both.table.filter(pl.col("side") == "train").height == 2


@given(st.data())
@settings(max_examples=50)
def test_every_sequence_is_there_once_on_the_side_its_list_says(
    tmp_path_factory: pytest.TempPathFactory, tables: MakeTables, data: st.DataObject
) -> None:
    counts = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=6))
    index, people = tables({"neutral": counts})
    names = data.draw(st.permutations(index["sequence_id"].to_list()))
    choice = st.sampled_from(["train", "test", "selection", "unused"])
    drawn = data.draw(st.lists(choice, min_size=len(names) - 2, max_size=len(names) - 2))
    sides = dict(zip(names, ["train", "test", *drawn], strict=True))
    lists = {
        name: [one for one, place in sides.items() if place == side]
        for name, side in (("train", "train"), ("test", "test"), ("SELECTION_SET", "selection"))
    }
    folder = tmp_path_factory.mktemp("partition")
    split = import_split(
        write(folder, **lists), index.sample(fraction=1.0, shuffle=True, seed=0), people
    )
    assert sides_of(split.table) == sides
    assert split.table["sequence_id"].to_list() == sorted(names)
    owners = {one: one.rsplit("-", 1)[0] for one in names}
    is_shared = any(
        owners[a] == owners[b] and sides[a] != sides[b] and "unused" not in (sides[a], sides[b])
        for a in names
        for b in names
    )
    assert split.disjointness == ("violated" if is_shared else "proved")


def test_a_split_that_was_exported_comes_back(
    write_batch: Callable[..., Any], tmp_path: Path
) -> None:
    recordings = [
        {"participant_id": f"P{number // 2}", "recording_id": f"r{number}", "label": "neutral"}
        for number in range(8)
    ]
    batch = write_batch("batch_001", recordings)
    dataset = make_shards(tmp_path / "dataset", batch.intake, batch.extraction)
    index = pl.read_parquet(dataset / "index.parquet").sort("sequence_id")
    rows = index.select("sequence_id", "participant_id", "label").with_columns(
        dataset_version=pl.lit(directory_version(dataset)),
        protocol=pl.lit("by_hand"),
        variant=pl.lit("ratio_1_1_2"),
        side=pl.Series([side for side in ("train", "test", "selection", "unused") for _ in "12"]),
    )
    write_table(conform(rows, SPLIT, where="split"), tmp_path / "split.parquet")
    tree = tmp_path / "tree"
    tree.mkdir()
    export_tree(dataset, tree, split=tmp_path / "split.parquet", progress=NoProgress())
    people = pl.read_parquet(dataset / "participants.parquet")
    split = import_split(tree / "partitions" / "ratio_1_1_2.json", index, people)
    assert sides_of(split.table) == sides_of(rows)
    assert split.disjointness == "proved"


def make_shards(output: Path, intake: Path, extraction: Path) -> Path:
    output.mkdir()
    facts = write_shards([intake], [extraction], ShardSettings(), output, progress=NoProgress())
    write_manifest(output, kind="silhouette_shards", facts=facts)
    return output


@pytest.fixture
def import_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tables]:
    """Take in a tree of `id/class/view` as `gaitworks import` does, without its workers."""

    def run(
        function: Callable[[Any], Any], items: Sequence[Any], **_: Any
    ) -> Iterator[tuple[int, Any]]:
        yield from enumerate(map(function, items))

    monkeypatch.setattr(importer, "map_in_workers", run)
    monkeypatch.setattr(importer, "allow_memory", lambda extra_bytes: None)

    def take_in(places: Sequence[str], people: dict[str, str] | None = None) -> Tables:
        for place in places:
            put_pickle(tmp_path / "tree", place)
        listed = None
        if people is not None:
            listed = tmp_path / "sequences.csv"
            lines = [f"{one},{person}" for one, person in people.items()]
            listed.write_text("\n".join(["id,participant_id", *lines]) + "\n")
        run_import(tmp_path / "tree", tmp_path / "batch", sequence_list=listed)
        dataset = make_shards(
            tmp_path / "dataset", tmp_path / "batch" / "intake", tmp_path / "batch" / "extraction"
        )
        index = pl.read_parquet(dataset / "index.parquet")
        return index, pl.read_parquet(dataset / "participants.parquet")

    return take_in


PLACES = [f"{number:05}/positive/000_180" for number in range(1, 7)]
TRAIN, TEST = ["00001", "00002", "00003"], ["00004", "00005", "00006"]


def test_nothing_is_proved_of_ids_without_a_list_of_people(
    tmp_path: Path, import_ids: Callable[..., Tables]
) -> None:
    index, people = import_ids(PLACES)
    split = import_split(write(tmp_path, TRAIN, TEST), index, people)
    assert find_unidentified_batches(index) == {"imported"}
    assert split.disjointness == "unverifiable"
    assert split.notes == (
        "each id counts as a participant: nothing shows that nobody is on two sides; "
        "with the number of people behind them the overlap can be estimated",
    )


def test_with_a_list_of_people_the_same_split_is_proved_or_violated(
    tmp_path: Path, import_ids: Callable[..., Tables]
) -> None:
    # One person bears the name of their id, which alone shows nothing.
    people_of = dict(zip([*TRAIN, *TEST], ["A", "A", "00003", "C", "C", "D"], strict=True))
    index, people = import_ids(PLACES, people_of)
    assert find_unidentified_batches(index) == set()
    assert import_split(write(tmp_path, TRAIN, TEST), index, people).disjointness == "proved"
    mixed = write(tmp_path, [*TRAIN[1:], *TEST[1:]], [TRAIN[0], TEST[0]])
    assert import_split(mixed, index, people).disjointness == "violated"


def test_who_takes_a_dataset_in_may_say_that_its_ids_are_people(
    tmp_path: Path, import_ids: Callable[..., Tables]
) -> None:
    index, people = import_ids(PLACES)
    split = import_split(write(tmp_path, TRAIN, TEST), index, people, unidentified_batches=())
    assert split.disjointness == "proved"


def test_an_id_of_a_tree_stands_for_all_its_views(
    tmp_path: Path, import_ids: Callable[..., Tables]
) -> None:
    places = [*PLACES, "00007/positive/000", "00007/positive/090"]
    index, people = import_ids(places, {f"{number:05}": f"P{number}" for number in range(1, 8)})
    split = import_split(write(tmp_path, [*TRAIN, "00007"], TEST), index, people)
    assert sides_of(split.table)["00007_000"] == sides_of(split.table)["00007_090"] == "train"
    overlap = write(tmp_path, [*TRAIN, "00007"], [*TEST, "00007_090"])
    with pytest.raises(InputError, match=r"overlap.*00007_090"):
        import_split(overlap, index, people)


def test_the_view_belongs_to_the_name_of_a_sequence_that_was_filmed(
    tmp_path: Path, index_and_people: Tables
) -> None:
    index, people = index_and_people
    index = index.with_columns(pl.col("sequence_id") + "_side")
    with pytest.raises(InputError, match="2 of 2 ids"):
        import_split(write(tmp_path, ["negative-0000-s0"], ["negative-0001-s0"]), index, people)


def test_an_id_that_is_a_sequence_stands_for_no_other(
    tmp_path: Path, import_ids: Callable[..., Tables]
) -> None:
    index, people = import_ids([*PLACES, "00001_090/positive/090"])
    sides = sides_of(import_split(write(tmp_path, TRAIN, TEST), index, people).table)
    assert (sides["00001"], sides["00001_090"]) == ("train", "unused")


def test_views_of_one_id_on_two_sides_violate_even_where_people_are_unknown(
    tmp_path: Path, import_ids: Callable[..., Tables]
) -> None:
    index, people = import_ids([*PLACES, "00007/positive/000", "00007/positive/090"])
    assert find_unidentified_batches(index) == {"imported"}
    split = import_split(write(tmp_path, ["00007_000"], ["00007_090"]), index, people)
    assert split.disjointness == "violated"
    assert split.notes[0].startswith("1 participant is on two sides (00007): 1 of 1 test")
    assert split.notes[1].startswith("each id counts as a participant")


def test_only_the_batches_that_a_split_uses_count(
    tmp_path: Path, import_ids: Callable[..., Tables], index_and_people: Tables
) -> None:
    index, people = import_ids(PLACES)
    ours, our_people = index_and_people
    index = pl.concat([index.select(ours.columns), ours])
    people = pl.concat([people, our_people])
    path = write(tmp_path, ["negative-0000-s0"], ["positive-0000-s0"])
    assert import_split(path, index, people).disjointness == "proved"
    path = write(tmp_path, ["negative-0000-s0"], ["00001"])
    assert import_split(path, index, people).disjointness == "unverifiable"


def test_known_numbers_of_people_give_the_expected_overlap(
    tmp_path: Path, tables: MakeTables
) -> None:
    index, people = without_people(*tables({"positive": [1] * 1493}))
    names = index["sequence_id"].to_list()
    path = write(tmp_path, names[:745], names[745:])
    split = import_split(path, index, people, participants_known=1050)
    assert split.disjointness == "unverifiable"
    assert split.notes == (
        "each id counts as a participant: nothing shows that nobody is on two sides; if the 1493 "
        "ids are 1050 people's and were dealt out at random, 221.6 to 260.1 of 748 test ids share "
        "their person with training, however many each has, and 231.9 if each has one and the "
        "others fell on anyone",
    )


def test_numbers_of_people_may_be_known_per_class(tmp_path: Path, tables: MakeTables) -> None:
    index, people = without_people(*tables({"negative": [1] * 4, "positive": [1] * 4}))
    names = index["sequence_id"].sort().to_list()
    # Negatives are 4 people's; the positives are one person's, whom both test ids share.
    path = write(tmp_path, names[0:2] + names[4:6], names[2:4] + names[6:8])
    known = {"negative": 4, "positive": 1}
    (note,) = import_split(path, index, people, participants_known=known).notes
    assert (
        "8 ids are 5 people's and were dealt out at random within each class, 2.0 to 2.0 of 4"
        in note
    )


@pytest.mark.parametrize(
    "known", [0, 9, {"negative": 1}, {"negative": 5, "positive": 1}, {"negative": 4, "other": 4}]
)
def test_impossible_numbers_of_people_are_refused(
    tmp_path: Path, tables: MakeTables, known: Any
) -> None:
    index, people = without_people(*tables({"negative": [1] * 4, "positive": [1] * 4}))
    names = index["sequence_id"].to_list()
    with pytest.raises(SettingsError, match="people"):
        import_split(write(tmp_path, names[:4], names[4:]), index, people, participants_known=known)


def without_people(index: pl.DataFrame, people: pl.DataFrame) -> Tables:
    """Return a cohort as an import without a list of people leaves it."""
    own = {"participant_id": pl.col("sequence_id"), "extraction_key": pl.lit("import_1_x")}
    index = index.with_columns(**own)
    return index, people.with_columns(participant_id=index["sequence_id"])
