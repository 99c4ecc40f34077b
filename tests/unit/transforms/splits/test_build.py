import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.errors import InputError, IntegrityError, RefusalError
from transforms.manifest import directory_version
from transforms.settings import SplitSettings
from transforms.splits.audit import audit_split
from transforms.splits.build import PROOF_NAME, SPLIT_NAME, build_splits, gather_participants
from transforms.splits.load import load_split

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
    assert facts["solver"] == {"negative": "optimal", "neutral": "optimal", "positive": "optimal"}


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
    for label, one in proof["held_out"].items():
        assert (
            one["achieved"]["test"] == proof["variants"]["ratio_1_1_2"]["sequences"]["test"][label]
        )
        gap = sum(abs(one["achieved"][side] - one["requested"][side]) for side in one["requested"])
        assert one["deviation"] == gap


def test_proof_tabulates_balance(built: tuple[Path, Path, dict[str, Any]]) -> None:
    dataset, output, _ = built
    proof = json.loads((output / PROOF_NAME).read_bytes())
    split = load_split(output / SPLIT_NAME, directory_version(dataset))
    people = pl.read_parquet(dataset / "participants.parquet")
    tested = select(split, "ratio_1_1_2", "test").filter(pl.col("label") == "neutral")
    neutral = people.filter(pl.col("participant_id").is_in(tested["participant_id"].implode()))
    (row,) = (r for r in proof["balance"] if (r["label"], r["side"]) == ("neutral", "test"))
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
