import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.audit.checks import audit_split
from transforms.errors import InputError, IntegrityError, RefusalError
from transforms.manifest import directory_version
from transforms.settings import SplitSettings
from transforms.splits.build import PROOF_NAME, SPLIT_NAME, build_splits
from transforms.splits.load import load_split
from transforms.splits.participants import gather_participants

WriteDataset = Callable[..., Path]
MakeTables = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]


def select(split: pl.DataFrame, variant: str, side: str) -> pl.DataFrame:
    return split.filter((pl.col("variant") == variant) & (pl.col("side") == side))


SMALL = {"positive": [1] * 8, "neutral": [1, 2, 1], "negative": [1, 1, 2, 1, 1, 2, 1]}


@pytest.fixture(scope="module")
def built(
    write_dataset: WriteDataset,
    demo: dict[str, list[int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path, dict[str, Any]]:
    dataset, output = write_dataset(demo), tmp_path_factory.mktemp("splits")
    return dataset, output, build_splits(dataset, SplitSettings(), output)


def test_default_settings_split_the_demo_cleanly(built: tuple[Path, Path, dict[str, Any]]) -> None:
    dataset, output, facts = built
    version = directory_version(dataset)
    split = load_split(output / SPLIT_NAME, version)
    assert audit_split(split, pl.read_parquet(dataset / "index.parquet")) == []
    assert split.equals(split.sort("variant", "sequence_id"))
    assert facts["rows"] == {SPLIT_NAME: split.height}
    assert facts["dataset_version"] == version
    assert facts["solver"] == {"optimal": 3}
    assert facts["participant_disjointness"] == "proved"


def test_proof_says_what_the_table_says(built: tuple[Path, Path, dict[str, Any]]) -> None:
    dataset, output, _ = built
    proof = json.loads((output / PROOF_NAME).read_bytes())
    split = load_split(output / SPLIT_NAME, directory_version(dataset))
    assert proof["dataset_version"] == directory_version(dataset)
    for variant, claimed in proof["variants"].items():
        for side, counts in claimed["sequences"].items():
            for label, count in counts.items():
                rows = select(split, variant, side).filter(pl.col("label") == label)
                assert rows.height == count
                people = claimed["participants"][side][label]
                assert rows["participant_id"].n_unique() == people
        assert claimed["sequences"]["train"] == claimed["requested"]["train"]
        assert claimed["shared_participants"] == 0
    for problem in proof["problems"]:
        ((label, asked),) = problem["requested"].items()
        achieved = problem["achieved"][label]
        tested = proof["variants"]["ratio_1_1_2"]["sequences"]["test"][label]
        assert achieved["test"] == tested
        gap = sum(abs(achieved[side] - count) for side, count in asked.items())
        assert problem["goals"][0] == {
            "name": "sequences",
            "value": gap,
            "bound": gap,
            "is_proved": True,
        }


def test_proof_tabulates_balance(built: tuple[Path, Path, dict[str, Any]]) -> None:
    dataset, output, _ = built
    proof = json.loads((output / PROOF_NAME).read_bytes())
    split = load_split(output / SPLIT_NAME, directory_version(dataset))
    people = pl.read_parquet(dataset / "participants.parquet")
    tested = select(split, "ratio_1_1_2", "test").filter(pl.col("label") == "neutral")
    neutral = people.filter(pl.col("participant_id").is_in(tested["participant_id"].implode()))
    wanted = ("ratio_1_1_2", "neutral", "test")
    (row,) = (r for r in proof["balance"] if (r["variant"], r["label"], r["side"]) == wanted)
    assert row["participants"] == neutral.height
    assert row["age_years_mean"] == pytest.approx(neutral["age_years"].mean(), abs=1e-6)
    whole = people.filter(pl.col("label") == "neutral")["age_years"]
    shift = (neutral["age_years"].mean() - whole.mean()) / whole.std(ddof=0)
    assert row["age_years_shift"] == pytest.approx(shift, abs=1e-6)


def test_same_dataset_and_seed_give_the_same_bytes_and_another_seed_others(
    write_dataset: WriteDataset, tmp_path: Path
) -> None:
    dataset = write_dataset(SMALL)
    ratios = ("ratio_1_1_2",)
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        build_splits(dataset, SplitSettings(seed=seed, ratios=ratios), tmp_path / name)
    for file in (SPLIT_NAME, PROOF_NAME):
        first = (tmp_path / "first" / file).read_bytes()
        assert (tmp_path / "again" / file).read_bytes() == first
        assert (tmp_path / "other" / file).read_bytes() != first


def test_unmet_request_leaves_nothing_behind(write_dataset: WriteDataset, tmp_path: Path) -> None:
    output = tmp_path / "splits"
    output.mkdir()
    settings = SplitSettings(training_size=900, ratios=("ratio_1_1_2",))
    with pytest.raises(RefusalError, match="nearest training size that can be met is"):
        build_splits(write_dataset(SMALL), settings, output)
    assert list(output.iterdir()) == []


def test_split_of_another_dataset_version_is_refused(
    built: tuple[Path, Path, dict[str, Any]],
) -> None:
    _, output, _ = built
    with pytest.raises(IntegrityError, match="another dataset version"):
        load_split(output / SPLIT_NAME, "0" * 64)


def test_damaged_split_is_refused(built: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    dataset, output, _ = built
    damaged = tmp_path / SPLIT_NAME
    damaged.write_bytes((output / SPLIT_NAME).read_bytes()[:-20])
    with pytest.raises(IntegrityError):
        load_split(damaged, directory_version(dataset))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("participant_id", "stranger", "not in the participants table"),
        ("label", "positive", "not that of its participant"),
    ],
)
def test_index_that_contradicts_the_participants_is_refused(
    tables: MakeTables, column: str, value: str, what: str
) -> None:
    index, people = tables({"negative": [2], "neutral": [1], "positive": [1]})
    first = pl.col("sequence_id") == "negative-0000-s0"
    wrong = index.with_columns(pl.when(first).then(pl.lit(value)).otherwise(column).alias(column))
    with pytest.raises(InputError, match=what) as caught:
        gather_participants(wrong, people)
    assert caught.value.found == "1 sequence(s): negative-0000-s0"


def test_participants_without_sequences_are_left_out(tables: MakeTables) -> None:
    index, people = tables({"negative": [2, 1], "neutral": [1], "positive": [1]})
    index = index.filter(pl.col("participant_id") != "negative-0001")
    gathered = gather_participants(index, people.with_columns(sex=pl.lit("x")))
    assert gathered["participant_id"].to_list() == [
        "negative-0000",
        "neutral-0000",
        "positive-0000",
    ]
    assert gathered["is_female"].null_count() == 3


PROTOCOL_SETTINGS = {
    "paper_exact": {"ratios": ("ratio_1_1_2",), "training_size": 12},
    "k_fold": {"folds": 3, "selection_fraction": 0.0},
    "sequence_wise": {"ratios": ("ratio_1_1_2",)},
}


@pytest.mark.parametrize("protocol", PROTOCOL_SETTINGS)
def test_every_protocol_writes_split_and_proof(
    write_dataset: WriteDataset, demo: dict[str, list[int]], tmp_path: Path, protocol: str
) -> None:
    dataset = write_dataset(demo)
    settings = SplitSettings(protocol=protocol, **PROTOCOL_SETTINGS[protocol])  # type: ignore[arg-type]
    facts = build_splits(dataset, settings, tmp_path)
    split = load_split(tmp_path / SPLIT_NAME, directory_version(dataset))
    proof = json.loads((tmp_path / PROOF_NAME).read_bytes())
    assert set(split["variant"]) == set(settings.variants) == set(proof["variants"])
    assert set(split["protocol"]) == {protocol}
    shared = {one["shared_participants"] for one in proof["variants"].values()}
    if protocol == "sequence_wise":
        assert facts["participant_disjointness"] == "violated_by_design"
        assert min(shared) > 0
        assert "leaky by design" in proof["notes"][0]
    else:
        assert facts["participant_disjointness"] == "proved"
        assert shared == {0}


def test_an_imported_split_is_read_from_its_folder(
    write_dataset: WriteDataset, tmp_path: Path
) -> None:
    dataset = write_dataset(SMALL)
    ids = pl.read_parquet(dataset / "index.parquet")["sequence_id"].sort().to_list()
    partitions, output = tmp_path / "partitions", tmp_path / "splits"
    partitions.mkdir()
    output.mkdir()
    lists = {"TRAIN_SET": ids[:4], "TEST_SET": ids[8:]}
    (partitions / "theirs.json").write_text(json.dumps(lists))
    settings = SplitSettings(protocol="imported", partition="theirs.json")
    build_splits(dataset, settings, output, partitions=partitions)
    split = load_split(output / SPLIT_NAME, directory_version(dataset))
    assert select(split, "imported", "train")["sequence_id"].to_list() == ids[:4]
    assert select(split, "imported", "test")["sequence_id"].to_list() == ids[8:]
