import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.shards.remote_datasets import publish
from transforms.errors import InputError, IntegrityError, SettingsError
from transforms.manifest import write_manifest
from transforms.shards.object_store import ObjectStore
from transforms.shards.reader import open_dataset
from transforms.shards.remote import open_remote_dataset, open_stored_dataset
from transforms.shards.shard_cache import ShardCache
from transforms.shards.shard_stream import stream_rows
from transforms.shards.tar_stream import decode_sample, open_tars


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture
def directory(published, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(published[0], tmp_path / "remote"))


@pytest.fixture
def cache(tmp_path):
    return ShardCache(tmp_path / "cache", 10_000_000)


@pytest.fixture
def open_it(directory, cache):
    def open_quickly(cache=cache, version=None):
        store = ObjectStore(directory.as_uri(), pauses_s=(0.0,))
        return open_stored_dataset(store, cache, version=version)

    return open_quickly


def test_frames_are_those_of_the_local_dataset(published, cache):
    local = open_dataset(published[0])
    remote = open_remote_dataset(published[0].as_uri(), cache, version=published[1])
    assert remote.version == local.version
    assert remote.index.equals(local.index)
    assert remote.participants.equals(local.participants)
    assert len(remote) == len(local) == 23
    for sequence_id, frames in local.iterate():
        np.testing.assert_array_equal(remote.read(sequence_id), frames)
    for (name, frames), expected in zip(remote.iterate(), local.index["sequence_id"], strict=True):
        assert name == expected
        np.testing.assert_array_equal(frames, local.read(name))


def test_only_the_shards_asked_for_are_read(open_it, cache):
    dataset = open_it()
    before = cache.used_bytes()
    dataset.read(dataset.sequence_ids[0])
    shard = dataset.shards[0]
    size = dataset._items[shard].size_bytes
    assert cache.used_bytes() == before + size


def test_a_cache_of_one_shard_reads_everything_and_less_is_refused_at_once(tmp_path):
    directory, _ = publish(tmp_path, sequences_per_shard=8)
    largest = max(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    shard = max((directory / "sequences").iterdir(), key=lambda path: path.stat().st_size)
    shard_bytes = shard.stat().st_size
    cache = ShardCache(tmp_path / "cache", largest)
    dataset = open_remote_dataset(directory.as_uri(), cache)
    assert [name for name, _ in dataset.iterate()] == list(dataset.sequence_ids)
    assert cache.used_bytes() <= largest
    smaller = ShardCache(tmp_path / "smaller", shard_bytes - 1)
    with pytest.raises(SettingsError, match=rf"{shard.name}.*at least {shard_bytes} bytes"):
        open_remote_dataset(directory.as_uri(), smaller)


def test_a_pinned_version_opens_without_the_storage(open_it, directory):
    dataset = open_it()
    frames = dataset.read(dataset.sequence_ids[0])
    shutil.rmtree(directory)
    again = open_it(version=dataset.version)
    np.testing.assert_array_equal(again.read(dataset.sequence_ids[0]), frames)
    with pytest.raises(IntegrityError, match="no such file"):
        open_it()


def test_another_version_is_refused(open_it):
    with pytest.raises(IntegrityError, match=r"another version.*expected 0000"):
        open_it(version="0" * 64)


def test_an_unknown_sequence_is_refused(open_it):
    with pytest.raises(InputError, match=r"no such sequence, found 'nobody'"):
        open_it().read("nobody")


@pytest.mark.parametrize("way", ["read", "stream"])
@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
def test_a_damaged_shard_is_named_with_its_sequences(open_it, directory, way, damage):
    dataset = open_it()
    name = dataset.shards[2]
    path = directory / name
    if damage == "missing":
        path.unlink()
    else:
        data = path.read_bytes()
        changed = data[:50] + bytes([data[50] ^ 1]) + data[51:]
        path.write_bytes(changed if damage == "changed" else data[:-1])
    hit = [row for row, shard in enumerate(dataset.shard_of) if shard == 2]
    read = []
    ways = {
        "read": lambda: dataset.read(dataset.sequence_ids[hit[0]]),
        "stream": lambda: read.extend(stream_rows(dataset, np.arange(23), ahead_shards=3)),
    }
    with pytest.raises(IntegrityError, match=name) as caught:
        ways[way]()
    assert dataset.sequence_ids[hit[0]] in str(caught.value)
    if way == "stream":
        assert all(dataset.sequence_ids[row] in str(caught.value) for row in hit)
        assert [row for row, _ in read] == list(range(hit[0]))


def test_a_damaged_cache_mends_itself(open_it, cache):
    dataset = open_it()
    expected = dict(dataset.iterate())
    for path in (cache.directory / "objects").iterdir():
        path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    for sequence_id, frames in open_it(version=dataset.version).iterate():
        np.testing.assert_array_equal(frames, expected[sequence_id])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "../../secret"}, "manifest"),
        ({"path": "/etc/passwd"}, "manifest"),
        ({"path": "a?versionId=1"}, "files that no dataset has"),
        ({"bytes": -1}, "files that no dataset has"),
        ({"sha256": "../x"}, "files that no dataset has"),
        ({"path": "index2.parquet"}, "no index"),
    ],
)
def test_a_hostile_manifest_is_refused(open_it, directory, entry, message):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_bytes())
    listed = next(item for item in manifest["files"] if item["path"] == "index.parquet")
    listed |= entry
    _write_sealed(path, manifest)
    with pytest.raises(IntegrityError, match=message) as caught:
        open_it()
    assert str(directory) in str(caught.value)


def _write_sealed(path, manifest):
    from transforms import manifest as module

    encode = getattr(module, "encode_manifest", None)
    path.write_bytes(encode(manifest) if encode else json.dumps(manifest).encode())


@pytest.mark.parametrize("wrong", ["shard", "row", "twice"])
def test_an_index_that_does_not_fit_is_refused(open_it, directory, wrong):
    index = pl.read_parquet(directory / "index.parquet")
    schema = open_it().index.schema
    changes = {
        "shard": pl.lit("sequences/elsewhere.parquet").alias("shard"),
        "row": (pl.col("row") + 1).alias("row"),
        "twice": pl.lit(index["sequence_id"][0]).alias("sequence_id"),
    }
    changed = index.with_columns(changes[wrong]).cast(dict(schema))
    from transforms.schemas import SEQUENCE_INDEX, conform
    from transforms.shards.parquet import write_table

    write_table(conform(changed, SEQUENCE_INDEX, where="test"), directory / "index.parquet")
    write_manifest(directory, kind="silhouette_shards", facts={})
    with pytest.raises(IntegrityError, match="the index"):
        list(map(open_it().read, index["sequence_id"]))


def test_a_pickled_dataset_reads(open_it):
    dataset = open_it()
    copy = pickle.loads(pickle.dumps(dataset))
    name = dataset.sequence_ids[-1]
    np.testing.assert_array_equal(copy.read(name), dataset.read(name))


def test_a_stream_follows_any_order(open_it):
    dataset = open_it()
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(23)[:17]
        found = list(stream_rows(dataset, rows, ahead_shards=seed))
        assert [row for row, _ in found] == rows.tolist()
        for row, frames in found:
            np.testing.assert_array_equal(frames, dataset.read(dataset.sequence_ids[row]))


def test_a_stream_reads_no_more_than_it_says(open_it, cache):
    dataset = open_it()
    before = len(list((cache.directory / "objects").iterdir()))
    stream = stream_rows(dataset, np.arange(23), ahead_shards=2)
    next(stream)
    for future_shards in range(2):
        dataset.read_shard(1 + future_shards, [])
    stream.close()
    assert len(list((cache.directory / "objects").iterdir())) == before + 3


def test_an_empty_stream_is_empty(open_it):
    assert list(stream_rows(open_it(), np.array([], dtype=np.int64), ahead_shards=2)) == []


def test_opened_tars_are_the_published_ones(open_it, directory):
    dataset = open_it()
    assert len(dataset.tar_shards) == len(dataset.shards)
    samples = [{"url": name} for name in dataset.tar_shards]
    for sample in partial(open_tars, dataset)(samples):
        assert sample["stream"].read() == (directory / sample["url"]).read_bytes()


def test_a_sample_without_its_frames_is_named():
    with pytest.raises(IntegrityError, match=r"part-1.tar, sequence p1: a member is missing"):
        decode_sample({"__key__": "p1", "__url__": "webdataset/part-1.tar", "json": b"{}"})
