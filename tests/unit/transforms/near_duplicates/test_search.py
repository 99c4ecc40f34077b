from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import pytest

from transforms.manifest import write_manifest
from transforms.near_duplicates import search as search_module
from transforms.near_duplicates.search import find_near_duplicates
from transforms.near_duplicates.space import Projection, Space
from transforms.near_duplicates.walks import Features, Walk
from transforms.progress import NoProgress
from transforms.schemas import NEAR_DUPLICATES
from transforms.settings import ShardSettings
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.writer import write_shards
from transforms.synth.copies import write_copies_batch
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

KINDS = (
    *("identical", "mirrored", "trimmed", "retimed", "thinned", "recropped", "reencoded"),
    *("trimmed+mirrored", "retimed+recropped", "mirrored+reencoded"),
)


def build_dataset(folder: Path, kinds: tuple[str, ...], people: int, copies: int) -> pl.DataFrame:
    shape = CohortShape(
        participants={"positive": people, "negative": people},
        sequences={"positive": people, "negative": people + people // 2},
        frames_mean=120.0,
        frames_sd=15.0,
    )
    cohort, planted = folder / "cohort", folder / "planted"
    write_silhouette_batch(shape, 21, cohort, worker_count=1, progress=NoProgress())
    truth = write_copies_batch(cohort, kinds, planted, count_per_kind=copies, seed=21)
    output = folder / "dataset"
    output.mkdir()
    facts = write_shards(
        [cohort / "intake", planted / "intake"],
        [cohort / "extraction", planted / "extraction"],
        ShardSettings(),
        output,
        progress=NoProgress(),
    )
    write_manifest(output, kind="silhouette_shards", facts=facts)
    return truth


def search(dataset: SilhouetteDataset) -> pl.DataFrame:
    return find_near_duplicates(dataset, worker_count=1, progress=NoProgress())


def test_a_mirrored_and_an_identical_copy_are_found_twice_the_same(tmp_path: Path) -> None:
    truth = build_dataset(tmp_path, ("identical", "mirrored"), people=3, copies=1)
    dataset = open_dataset(tmp_path / "dataset")
    found = search(dataset)
    assert found.equals(search(dataset))
    assert found.columns == NEAR_DUPLICATES.names
    assert (found["first"] < found["second"]).all()
    rows = {row["first"]: row for row in found.iter_rows(named=True)}
    expected = {kind: name for name, _, kind in truth.iter_rows()}
    identical, mirrored = rows[expected["identical"]], rows[expected["mirrored"]]
    assert (identical["kind"], identical["distance"], identical["is_mirrored"]) == (
        *("identical", 0.0),
        False,
    )
    assert (mirrored["kind"], mirrored["is_mirrored"], mirrored["rate"]) == ("near", True, 1.0)


def draw_walk(seed: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=(150, 10))
    return np.cumsum(steps, axis=0).astype(np.float32) * 4


@pytest.mark.parametrize("is_copy", [True, False])
def test_a_pair_under_two_cameras_is_one_only_where_it_is_in_both_spaces(
    is_copy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = Projection(even=np.eye(6), odd=np.eye(6)[:, :4], centre=np.zeros(6))
    index = pl.DataFrame({"sequence_id": ["a", "b"], "view": ["front", "side"], "frame_count": 150})
    asked: list[list[str]] = []

    def describe(
        dataset: SilhouetteDataset, names: list[str], *, fitted_to: Sequence[str], **_: object
    ) -> tuple[Space, list[Walk]]:
        asked.append(list(fitted_to))
        agrees = is_copy or fitted_to == ["a"]
        walks = [draw_walk(0), draw_walk(0) + np.float32(0.1) if agrees else draw_walk(1)]
        described = [
            Walk(name, 150, Features(walk, walk, walk))
            for name, walk in zip(names, walks, strict=True)
        ]
        return Space(shape=same, pose=same, stride=same), described

    monkeypatch.setattr(search_module, "describe_sequences", describe)
    monkeypatch.setattr(search_module, "_MIN_SPACE_SEQUENCES", 1)
    found = search(cast(SilhouetteDataset, SimpleNamespace(index=index)))
    assert asked == [["a"], ["b"]]
    assert found.height == is_copy

    asked.clear()
    monkeypatch.setattr(search_module, "_MIN_SPACE_SEQUENCES", 2)
    search(cast(SilhouetteDataset, SimpleNamespace(index=index)))
    assert asked == [["a", "b"]]  # too few of each camera: one space for all

    asked.clear()
    monkeypatch.setattr(search_module, "_MIN_SPACE_SEQUENCES", 1)
    monkeypatch.setattr(search_module, "_MOST_SPACES", 1)
    search(cast(SilhouetteDataset, SimpleNamespace(index=index)))
    assert asked == [["a", "b"], ["a"]]  # too many cameras: the others share one


@pytest.mark.slow
def test_planted_copies_are_found_and_strangers_are_left_alone(tmp_path: Path) -> None:
    truth = build_dataset(tmp_path, KINDS, people=24, copies=6)
    dataset = open_dataset(tmp_path / "dataset")
    pairs = set(search(dataset).select("first", "second").iter_rows())
    hits = dict.fromkeys(KINDS, 0)
    for name, source, kind in truth.iter_rows():
        hits[kind] += tuple(sorted((name, source))) in pairs
    floors = dict.fromkeys(KINDS, 5) | {"identical": 6, "mirrored": 6, "recropped": 4}
    assert {kind: hits[kind] for kind in KINDS if hits[kind] < floors[kind]} == {}
    assert sum(hits.values()) >= 56, hits

    sources = dict(truth.select("sequence_id", "source_id").iter_rows())
    wrong = {name for pair in pairs if len({sources.get(n, n) for n in pair}) == 2 for name in pair}
    assert len(wrong) <= 2, wrong  # of 120, other sessions of one person among them
