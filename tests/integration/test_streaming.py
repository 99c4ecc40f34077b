"""A dataset in an S3-compatible server that misbehaves, read through a cache that many share."""

import errno
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tests.integration import object_storage
from tests.integration.object_storage import (
    CREDENTIALS,
    ROOT,
    Proxy,
    cut,
    damaged,
    dropped,
    misbehave,
    serve_s3,
    silent,
    unavailable,
    upload,
)
from tests.integration.remote_readers import (
    LIMIT_BYTES,
    open_quickly,
    read_all,
    stream_in_a_child,
)
from tests.unit.transforms.shards.remote_datasets import publish
from training.streaming import SilhouetteStream
from transforms.errors import GaitworksError, IntegrityError, MissingDependencyError, RefusalError
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.remote import RemoteDataset, open_remote_dataset
from transforms.shards.shard_cache import ShardCache, write_all

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> SilhouetteDataset:
    return open_dataset(publish(tmp_path_factory.mktemp("published"))[0])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _environment(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def url(server: str, local: SilhouetteDataset) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        return upload(server, local.directory, "path")


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with misbehave(server) as proxy:
        yield proxy


@pytest.fixture
def open_through(url: str, tmp_path: Path) -> Callable[..., RemoteDataset]:
    def open_it(proxy: Proxy, folder: str = "cache", **settings: Any) -> RemoteDataset:
        return open_quickly(url, proxy.url, tmp_path / folder, **settings)

    return open_it


def _assert_same(found: dict[str, np.ndarray], local: SilhouetteDataset) -> None:
    assert list(found) == local.index["sequence_id"].to_list()
    for sequence_id, frames in found.items():
        np.testing.assert_array_equal(frames, local.read(sequence_id))


def test_the_usual_environment_is_enough(
    url: str, local: SilhouetteDataset, tmp_path: Path
) -> None:
    cache = ShardCache(tmp_path / "cache", LIMIT_BYTES)
    dataset = open_remote_dataset(url, cache, version=local.version)
    _assert_same(dict(dataset.iterate()), local)
    _assert_same({name: dataset.read(name) for name in dataset.sequence_ids}, local)


@pytest.mark.parametrize("fault", [dropped, cut, damaged, unavailable, silent])
def test_faults_on_the_way_are_overcome(
    fault: object_storage.Fault,
    proxy: Proxy,
    open_through: Callable[..., RemoteDataset],
    local: SilhouetteDataset,
) -> None:
    dataset = open_through(proxy, timeout_s=1.0 if fault is silent else 30.0)
    proxy.faults.extend([fault] * 3)
    _assert_same(read_all(dataset), local)
    assert not proxy.faults


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (dropped, MissingDependencyError, "the storage fails"),
        (cut, IntegrityError, "another file than the manifest lists"),
        (damaged, IntegrityError, "another file than the manifest lists"),
        (unavailable, MissingDependencyError, "the storage fails"),
        (silent, MissingDependencyError, "does not answer in time"),
    ],
)
def test_faults_that_stay_name_shard_and_sequences(
    fault: object_storage.Fault,
    kind: type[GaitworksError],
    message: str,
    proxy: Proxy,
    open_through: Callable[..., RemoteDataset],
) -> None:
    dataset = open_through(proxy, timeout_s=0.3 if fault is silent else 30.0)
    proxy.target, proxy.always = dataset.shards[3], fault
    row = int(np.flatnonzero(dataset.shard_of == 3)[0])
    with pytest.raises(kind, match=message) as caught:
        read_all(dataset)
    assert dataset.shards[3] in str(caught.value)
    assert dataset.sequence_ids[row] in str(caught.value)
    assert not any(secret in str(caught.value) for secret in CREDENTIALS.values())
    assert "127.0.0.1" not in str(caught.value)
    # Everything else still reads, and so does this one when the storage is well again.
    dataset.read(dataset.sequence_ids[0])
    proxy.always = None
    dataset.read(dataset.sequence_ids[row])


def test_no_server_at_all_is_said_soon(url: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(MissingDependencyError, match="could not be read"):
        open_quickly(url, "http://127.0.0.1:9", tmp_path)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("change", ["changed", "missing"])
def test_an_object_that_is_not_the_published_one(
    change: str, server: str, local: SilhouetteDataset, tmp_path: Path
) -> None:
    import s3fs

    url = upload(server, local.directory, change)
    dataset = open_quickly(url, server, tmp_path)
    shard = dataset.shards[1]
    filesystem = s3fs.S3FileSystem(endpoint_url=server, skip_instance_cache=True)
    name = f"{url.removeprefix('s3://')}/{shard}"
    if change == "missing":
        filesystem.rm(name)
    else:
        filesystem.pipe_file(name, (local.directory / dataset.shards[0]).read_bytes())
    row = int(np.flatnonzero(dataset.shard_of == 1)[0])
    with pytest.raises(IntegrityError, match=dataset.sequence_ids[row]) as caught:
        dataset.read(dataset.sequence_ids[row])
    assert f"{url}/{shard}" in str(caught.value)


def test_refused_access_is_not_tried_again(
    proxy: Proxy, open_through: Callable[..., RemoteDataset]
) -> None:
    def forbidden(handler: Any, *_: Any) -> None:
        text = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        handler.answer(403, [("Content-Length", str(len(text)))], text)

    dataset = open_through(proxy)
    proxy.always = forbidden
    before = proxy.gets.total()
    with pytest.raises(RefusalError, match="refuses access"):
        dataset.read(dataset.sequence_ids[0])
    assert proxy.gets.total() == before + 1


def test_a_disk_smaller_than_the_limit_is_lived_with(
    proxy: Proxy,
    open_through: Callable[..., RemoteDataset],
    local: SilhouetteDataset,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    dataset = open_through(proxy)
    cache = tmp_path / "cache"
    disk_bytes = _disk_usage(cache) + 2 * (local.directory / dataset.shards[0]).stat().st_size

    def write_to_a_small_disk(stream: Any, data: bytes) -> int:
        if _disk_usage(cache) + len(data) > disk_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_all(stream, data)

    monkeypatch.setattr("transforms.shards.object_store.write_all", write_to_a_small_disk)
    _assert_same(dict(dataset.iterate()), local)
    disk_bytes = 0
    with pytest.raises(RefusalError, match=r"the disk that holds the cache is full.*cache"):
        dict(open_through(proxy, "other").iterate())


def _disk_usage(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_processes_with_one_cache_fetch_each_shard_once(
    proxy: Proxy, url: str, tmp_path: Path, local: SilhouetteDataset
) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (url, proxy.url, tmp_path, results)
    children = [context.Process(target=stream_in_a_child, args=arguments) for _ in range(2)]
    for child in children:
        child.start()
    found = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    expected = {name: frames.sum() for name, frames in local.iterate()}
    assert found == [expected] * 2
    shards = {path: count for path, count in proxy.gets.items() if "/sequences/" in path}
    assert set(shards.values()) == {1}
    assert len(shards) == local.index["shard"].n_unique()


def test_a_killed_reader_leaves_a_cache_that_goes_on(
    proxy: Proxy, url: str, tmp_path: Path, local: SilhouetteDataset
) -> None:
    context = multiprocessing.get_context("spawn")
    generator = np.random.default_rng(0)

    def slowly(handler: Any, status: int, headers: Any, body: bytes) -> None:
        time.sleep(0.02)
        handler.answer(status, headers, body)

    proxy.always = slowly
    for _ in range(3):
        arguments = (url, proxy.url, tmp_path, context.Queue())
        child = context.Process(target=stream_in_a_child, args=arguments)
        before = proxy.gets.total()
        child.start()
        while proxy.gets.total() < before + 3 and child.is_alive():
            time.sleep(0.001)
        time.sleep(float(generator.uniform(0, 0.05)))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    dataset = open_quickly(url, proxy.url, tmp_path)
    _assert_same(read_all(dataset), local)
    objects = list((tmp_path / "objects").iterdir())
    assert not list((tmp_path / "partial").iterdir())
    assert {len(path.name) for path in objects} == {64}


Batches = list[list[str]]


def _batches(stream: SilhouetteStream, workers: int, context: str | None = None) -> Batches:
    loader = DataLoader(
        stream, batch_size=None, num_workers=workers, multiprocessing_context=context
    )
    return [[sequence.sequence_id for sequence in batch] for batch in loader]


@pytest.mark.parametrize(
    ("workers", "context"), [(0, None), (1, "fork"), (2, "fork"), (2, "spawn")]
)
def test_a_stream_resumes_with_any_number_of_workers(
    workers: int,
    context: str | None,
    proxy: Proxy,
    open_through: Callable[..., RemoteDataset],
) -> None:
    dataset = open_through(proxy)
    dataset.read(dataset.sequence_ids[0])  # the parent's connections must not matter to a fork
    reference = SilhouetteStream(
        open_through(proxy, "reference"), seed=5, batch_size=3, window_shards=3
    )
    stream = SilhouetteStream(dataset, seed=5, batch_size=3, window_shards=3)
    starts = ((0, 0), (2, 3), (2, 7), (1, 8)) if context != "spawn" else ((2, 3),)
    for epoch, batch in starts:
        reference.start(epoch)
        expected = _batches(reference, 0)
        assert sorted(chain(*expected)) == sorted(dataset.sequence_ids)
        stream.start(epoch, batch)
        assert len(stream) == len(expected) - batch
        assert _batches(stream, workers, context) == expected[batch:]


def test_resuming_reads_nothing_that_was_consumed(
    proxy: Proxy, open_through: Callable[..., RemoteDataset]
) -> None:
    dataset = open_through(proxy)
    stream = SilhouetteStream(dataset, seed=1, batch_size=2, window_shards=2, ahead_shards=0)
    stream.start(0, 8)
    proxy.gets.clear()
    left = {name for batch in _batches(stream, 0) for name in batch}
    shards = {dataset.shards[dataset.shard_of[row]] for row in dataset.find_rows(left)}
    assert {path.split("/path/")[1] for path in proxy.gets} == shards
    assert len(shards) < len(dataset.shards) / 2


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_share_an_epoch(
    workers: int, proxy: Proxy, open_through: Callable[..., RemoteDataset]
) -> None:
    dataset = open_through(proxy)
    chosen = dataset.sequence_ids[::2]
    shares = []
    for rank in range(2):
        stream = SilhouetteStream(
            dataset, seed=1, batch_size=2, sequence_ids=chosen, rank=rank, world_size=2
        )
        shares.append([name for batch in _batches(stream, workers) for name in batch])
    assert sorted(chain(*shares)) == sorted(chosen)
    whole = SilhouetteStream(dataset, seed=1, batch_size=2, sequence_ids=chosen)
    assert list(chain(*_batches(whole, 0))) == list(chain(*shares))


def test_even_processes_have_equally_many_batches(
    proxy: Proxy, open_through: Callable[..., RemoteDataset]
) -> None:
    dataset = open_through(proxy)
    streams = [
        SilhouetteStream(dataset, seed=1, batch_size=11, rank=rank, world_size=2, even=True)
        for rank in range(2)
    ]
    assert [len(stream) for stream in streams] == [1, 1]
    assert [[len(batch) for batch in _batches(stream, 0)] for stream in streams] == [[11], [11]]


def test_persistent_workers_start_where_they_are_told(
    proxy: Proxy, open_through: Callable[..., RemoteDataset]
) -> None:
    stream = SilhouetteStream(open_through(proxy), seed=2, batch_size=4)
    loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True)
    epochs = []
    for epoch in range(3):
        stream.start(epoch)
        epochs.append([[sequence.sequence_id for sequence in batch] for batch in loader])
    assert all(first != second for first, second in pairwise(epochs))
    for epoch in range(3):
        stream.start(epoch)
        assert epochs[epoch] == _batches(stream, 0)


def test_an_error_reaches_the_training_process_whole(
    proxy: Proxy, open_through: Callable[..., RemoteDataset]
) -> None:
    dataset = open_through(proxy)
    proxy.target, proxy.always = dataset.shards[0], damaged
    with pytest.raises(IntegrityError, match=dataset.shards[0]):
        _batches(SilhouetteStream(dataset, seed=1, batch_size=4), 2)


def test_the_documented_snippets_run(
    url: str, local: SilhouetteDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert url == "s3://bucket/path"
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "streaming.md").read_text()
    names: dict[str, Any] = {"train_ids": local.index["sequence_id"].to_list()[:9]}
    names["VERSION"] = local.version
    seen: list[Any] = []
    names["train_step"] = seen.append
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(snippets) >= 3
    for snippet in snippets:
        exec(snippet, names)
    assert sum(len(batch) for batch in seen) == 9
    samples = names["samples"]
    assert sorted(samples) == sorted(local.index["sequence_id"])
    for sequence_id, frames in samples.items():
        np.testing.assert_array_equal(frames, local.read(sequence_id))
