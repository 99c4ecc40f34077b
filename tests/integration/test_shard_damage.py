"""Flipped bits and cut files: `verify` reports all of them, readers never return a wrong frame."""

import random
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.shard_writing import BINARY, GREY, NEW, Store, make_batches
from transforms.errors import IntegrityError
from transforms.shards.integrity import ShardProblem
from transforms.shards.reader import open_dataset
from transforms.shards.verify import Level, sequences_by_shard, verify_dataset
from transforms.shards.webdataset import read_tar

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Rows = dict[str, tuple[dict[str, Any], np.ndarray]]


@dataclass(frozen=True)
class Sound:
    """A dataset and what it holds.

    Attributes:
        directory: where it lies.
        rows: each sequence's columns and silhouettes.
        sequences_of: the sequences of each shard of both containers.
    """

    directory: Path
    rows: Rows
    sequences_of: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module", params=[BINARY, GREY], ids=["binary", "grey"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder, make_batches(tmp_path_factory.mktemp("batches")), request.param)
    store.write(NEW)
    rows = {}
    for tar in sorted((store.dataset / "webdataset").iterdir()):
        for sample in read_tar(tar):
            rows[sample.sequence_id] = (sample.fields, sample.silhouettes())
    read = dict(open_dataset(store.dataset).iterate())
    assert read.keys() == rows.keys()
    assert all(np.array_equal(read[name], rows[name][1]) for name in rows)
    return Sound(store.dataset, rows, sequences_by_shard(store.dataset))


def damage(path: Path, chance: random.Random) -> str:
    """Flip a bit of a file or cut it short; say which."""
    data = bytearray(path.read_bytes())
    if chance.random() < 0.25:
        path.write_bytes(bytes(data[: chance.randrange(len(data))]))
        return "cut"
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))
    return "flip"


def check_verify(directory: Path, name: str, sequences: tuple[str, ...]) -> None:
    (problem,) = verify_dataset(directory, Level.HASHES)
    assert isinstance(problem, ShardProblem)
    assert (problem.path, problem.sequences) == (name, sequences)


def check_dataset(directory: Path, name: str, sound: Sound, opened: Any) -> None:
    """Sequences of the damaged shard are refused by name; all others read as ever."""
    for sequence_id, (_, silhouettes) in sound.rows.items():
        if sequence_id in sound.sequences_of[name]:
            with pytest.raises(IntegrityError) as refused:
                opened.read(sequence_id)
            assert name in str(refused.value)
            assert f"sequence {sequence_id}" in str(refused.value)
        else:
            assert np.array_equal(opened.read(sequence_id), silhouettes)


def check_tar(path: Path, sound: Sound, name: str) -> str:
    """What comes before the refusal is right; the refusal names the shard."""
    found = []
    message = None
    try:
        for sample in read_tar(path):
            fields, silhouettes = sound.rows[sample.sequence_id]
            assert sample.fields == fields
            where = f"{path}, sequence {sample.sequence_id}"
            assert np.array_equal(sample.silhouettes(where=where), silhouettes)
            found.append(sample.sequence_id)
    except IntegrityError as error:
        message = str(error)
    if message is None:
        assert tuple(found) == sound.sequences_of[name]
        return "read right"
    assert path.name in message
    return "sequence named" if any(row in message for row in sound.rows) else "shard named"


def damage_and_check(sound: Sound, folder: Path, count: int) -> Counter[str]:
    """Damage one shard after the other in a copy of the dataset."""
    chance = random.Random(2026)
    outcomes: Counter[str] = Counter()
    directory = folder / "copy"
    shutil.copytree(sound.directory, directory)
    names = sorted(sound.sequences_of)
    for _ in range(count):
        name = chance.choice(names)
        path = directory / name
        whole = path.read_bytes()
        opened = open_dataset(directory)
        kind = damage(path, chance)
        check_verify(directory, name, sound.sequences_of[name])
        outcome = "refused"
        if path.suffix == ".parquet":
            check_dataset(directory, name, sound, opened)
        else:
            outcome = check_tar(path, sound, name)
        outcomes[f"{path.suffix[1:]} {kind}: {outcome}"] += 1
        path.write_bytes(whole)
    return outcomes


def test_some_flips_and_cuts_are_found_and_refused(sound: Sound, tmp_path: Path) -> None:
    outcomes = damage_and_check(sound, tmp_path, 60)
    assert len(outcomes) >= 4


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_thousand_flips_and_cuts_are_found_and_refused(sound: Sound, tmp_path: Path) -> None:
    print(f"\n{dict(sorted(damage_and_check(sound, tmp_path, 1000).items()))}")
