"""Kills, full and failing disks, racing writers: never a published dataset that is not whole."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tests.integration.faulty_calls import Fault
from tests.integration.shard_writing import (
    NEW,
    OLD,
    Store,
    make_barrier,
    make_batches,
    start_repairer,
    start_writer,
)
from transforms.errors import IntegrityError
from transforms.manifest import directory_version
from transforms.shards.reader import open_dataset
from transforms.shards.verify import verify_dataset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_FAILED = 9
_KILLED = -9


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_batches(tmp_path_factory.mktemp("batches"))


@pytest.fixture(scope="module")
def versions(batches: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The versions of the old and the new dataset, written without any disturbance."""
    found = {}
    for name, batch_count in (("old", OLD), ("new", NEW)):
        store = Store(tmp_path_factory.mktemp(name), batches)
        store.write(batch_count)
        found[name] = directory_version(store.dataset)
    return found


@pytest.fixture
def make_store(batches: Path, tmp_path: Path) -> Callable[[bool], Store]:
    """Return a function that makes a store, with an old version in it or empty."""
    numbers = itertools.count()

    def make(has_old: bool) -> Store:
        store = Store(tmp_path / str(next(numbers)), batches)
        store.folder.mkdir()
        if has_old:
            store.write(OLD)
        return store

    return make


def check_what_is_left(store: Store, versions: dict[str, str], has_old: bool) -> None:
    """A version is published and whole, the old or the new one; then a restart completes."""
    if has_old or store.dataset.exists():
        assert verify_dataset(store.dataset) == []
        allowed = set(versions.values()) if has_old else {versions["new"]}
        assert directory_version(store.dataset) in allowed
    code, _ = start_writer(store, NEW).finish()
    assert code == 0
    assert directory_version(store.dataset) == versions["new"]
    assert [path.name for path in store.folder.iterdir()] == ["shards"]


def inject_at_calls(
    make_store: Callable[[bool], Store],
    versions: dict[str, str],
    kind: Literal["eio", "enospc", "kill"],
    has_old: bool,
    every: int,
) -> Counter[int]:
    """Let a build go wrong at one call after the other until one passes untouched."""
    codes: Counter[int] = Counter()
    for number in itertools.count(1, every):
        store = make_store(has_old)
        code, report = start_writer(store, NEW, Fault(kind, number)).finish()
        codes[code] += 1
        assert code in (0, _FAILED, _KILLED)
        check_what_is_left(store, versions, has_old)
        if code == 0 and report["calls"] < number:
            return codes
    raise AssertionError


def test_every_byte_goes_through_calls_that_can_fail(
    make_store: Callable[[bool], Store],
) -> None:
    store = make_store(False)
    code, report = start_writer(store, NEW).finish()
    assert code == 0
    published = {p.name: p.stat().st_size for p in store.dataset.rglob("*") if p.is_file()}
    assert report["written"] == published
    # Each file and each folder is made durable, and the folder that holds the dataset.
    folders = sum(path.is_dir() for path in store.dataset.rglob("*"))
    assert report["names"]["fsync"] == len(published) + folders + 2


@pytest.mark.parametrize("has_old", [True, False], ids=["over an old version", "the first"])
@pytest.mark.parametrize("kind", ["eio", "enospc", "kill"])
def test_a_fault_at_some_calls_publishes_nothing_broken(
    make_store: Callable[[bool], Store],
    versions: dict[str, str],
    kind: Literal["eio", "enospc", "kill"],
    has_old: bool,
) -> None:
    codes = inject_at_calls(make_store, versions, kind, has_old, every=17)
    assert codes[_KILLED if kind == "kill" else _FAILED] >= 2


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("has_old", [True, False], ids=["over an old version", "the first"])
@pytest.mark.parametrize("kind", ["eio", "enospc", "kill"])
def test_a_fault_at_every_call_publishes_nothing_broken(
    make_store: Callable[[bool], Store],
    versions: dict[str, str],
    kind: Literal["eio", "enospc", "kill"],
    has_old: bool,
) -> None:
    codes = inject_at_calls(make_store, versions, kind, has_old, every=1)
    print(f"\n{kind}, old version: {has_old}, exit codes: {dict(codes)}")
    assert codes[_KILLED if kind == "kill" else _FAILED] >= 30


@pytest.mark.parametrize("kind", ["eio", "enospc", "kill"])
def test_a_repair_that_goes_wrong_leaves_files_repaired_or_as_they_were(
    make_store: Callable[[bool], Store], kind: Literal["eio", "enospc", "kill"]
) -> None:
    store = make_store(True)
    sound = {path: path.read_bytes() for path in store.dataset.rglob("*") if path.is_file()}
    damaged = {path: data[:-9] for path, data in sound.items() if path.suffix == ".tar"}
    for number in itertools.count(1):
        for path, data in damaged.items():
            path.write_bytes(data)
        code, report = start_repairer(store, Fault(kind, number)).finish()
        for path, data in sound.items():
            assert path.read_bytes() in {data, damaged.get(path, data)}
        assert start_repairer(store).finish()[0] == 0
        assert verify_dataset(store.dataset) == []
        assert [path.name for path in store.folder.iterdir()] == ["shards"]
        if code == 0 and report["calls"] < number:
            break
    assert number >= 10


def kill_at_moments(
    make_store: Callable[[bool], Store], versions: dict[str, str], count: int
) -> Counter[str]:
    """Kill writers at random moments until `count` of them were still at work."""
    chance = random.Random(2026)
    _, report = start_writer(make_store(True), NEW).finish()
    fates: Counter[str] = Counter()
    while fates["killed"] < count:
        store = make_store(True)
        moment_s = chance.uniform(0.0, 1.2 * report["duration_s"])
        is_killed = start_writer(store, NEW).kill(moment_s)
        is_new = directory_version(store.dataset) == versions["new"]
        fates["killed" if is_killed else "too late"] += 1
        fates["killed after publication"] += is_killed and is_new
        check_what_is_left(store, versions, has_old=True)
    return fates


def test_writers_killed_at_random_moments_leave_a_whole_version(
    make_store: Callable[[bool], Store], versions: dict[str, str]
) -> None:
    kill_at_moments(make_store, versions, 6)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_writers_killed_at_two_hundred_random_moments_leave_a_whole_version(
    make_store: Callable[[bool], Store], versions: dict[str, str]
) -> None:
    print(f"\n{dict(kill_at_moments(make_store, versions, 200))}")


def race(
    make_store: Callable[[bool], Store], versions: dict[str, str], rounds: int
) -> Counter[str]:
    """Let two writers, that share no lock, write one store, while a reader reads it."""
    store = replace(make_store(True), takes_over=False)  # which needs the lock
    truth = {}
    for name, batch_count in (("old", OLD), ("new", NEW)):
        other = make_store(False)
        other.write(batch_count)
        truth[versions[name]] = dict(open_dataset(other.dataset).iterate())
    winners: Counter[str] = Counter()
    names = {version: name for name, version in versions.items()}
    with reading_along(store.dataset, truth) as counts:
        for number in range(rounds):
            barrier = make_barrier()
            second = NEW if number % 2 else OLD
            writers = [start_writer(store, kind, None, barrier) for kind in (NEW, second)]
            assert [writer.finish()[0] for writer in writers] == [0, 0]
            winners[names[directory_version(store.dataset)]] += 1
            assert verify_dataset(store.dataset) == []
            assert [path.name for path in store.folder.iterdir()] == ["shards"]
    assert counts["wrong"] == 0
    assert counts["right"] > 0
    return winners + counts


class reading_along:  # used like a function
    """Read a dataset again and again in a thread, and count what came of it."""

    def __init__(self, dataset: Path, truth: dict[str, dict[str, np.ndarray]]) -> None:
        self._dataset, self._truth = dataset, truth
        self._counts: Counter[str] = Counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Counter[str]:
        self._thread.start()
        return self._counts

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._done.is_set():
            try:
                dataset = open_dataset(self._dataset)
                frames = dict(dataset.iterate())
            except IntegrityError:
                self._counts["refused"] += 1  # a version that was replaced while it was read
                continue
            expected = self._truth[dataset.version]
            is_right = frames.keys() == expected.keys() and all(
                np.array_equal(frames[name], expected[name]) for name in frames
            )
            self._counts["right" if is_right else "wrong"] += 1


def test_two_writers_never_make_a_mixture(
    make_store: Callable[[bool], Store], versions: dict[str, str]
) -> None:
    race(make_store, versions, 6)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_two_writers_a_hundred_times_never_make_a_mixture(
    make_store: Callable[[bool], Store], versions: dict[str, str]
) -> None:
    print(f"\n{dict(race(make_store, versions, 100))}")
