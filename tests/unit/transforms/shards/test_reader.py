import multiprocessing
import os
import pickle
import shutil
import threading
from hashlib import sha256

import numpy as np
import polars as pl
import pytest

from transforms.errors import InputError, IntegrityError
from transforms.files import exchange_names
from transforms.manifest import directory_version, read_manifest, write_manifest
from transforms.progress import NoProgress
from transforms.schemas import SEQUENCE_INDEX, conform
from transforms.settings import ShardSettings
from transforms.shards import reader
from transforms.shards.codec import binarise
from transforms.shards.parquet import write_table
from transforms.shards.reader import open_dataset
from transforms.shards.writer import write_shards

RECORDINGS = [
    {"participant_id": f"p{number}", "frames": frames}
    for number, frames in enumerate([3, 1, 0, 12, 7])
]


def _drawn(name, frames):
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).integers(0, 256, (frames, 64, 64), dtype=np.uint8)


@pytest.fixture
def build(write_batch, tmp_path):
    def build_dataset(**settings):
        batch = write_batch("batch_001", RECORDINGS)
        directory = tmp_path / "dataset"
        directory.mkdir()
        settings = ShardSettings(**({"sequences_per_shard": 2} | settings))
        facts = write_shards(
            [batch.intake], [batch.extraction], settings, directory, progress=NoProgress()
        )
        write_manifest(directory, kind="silhouette_shards", facts=facts)
        return directory

    return build_dataset


@pytest.mark.parametrize("codec", ["binary", "grey"])
@pytest.mark.parametrize("width", [44, 64])
def test_frames_come_back_bit_equal(build, codec, width):
    dataset = open_dataset(build(codec=codec, width_px=width))
    margin = (64 - width) // 2
    for recording in RECORDINGS:
        name = f"{recording['participant_id']}-s1-side"
        expected = _drawn(name, recording["frames"])[:, :, margin : 64 - margin]
        expected = binarise(expected) if codec == "binary" else expected
        found = dataset.read(name)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rows_per_group", [1, 2, 4])
def test_rows_of_every_group_are_found(build, monkeypatch, rows_per_group):
    monkeypatch.setattr("transforms.shards.parquet.ROWS_PER_GROUP", rows_per_group)
    dataset = open_dataset(build(sequences_per_shard=5, codec="grey"))
    for recording in reversed(RECORDINGS):
        name = f"{recording['participant_id']}-s1-side"
        expected = _drawn(name, recording["frames"])[:, :, 10:54]
        np.testing.assert_array_equal(dataset.read(name), expected)


@pytest.mark.parametrize("row", [-1, 2, 7])
def test_a_row_the_shard_does_not_have_is_refused(build, row):
    directory = build()
    path = directory / "index.parquet"
    index = pl.read_parquet(path).with_columns(row=pl.lit(row, pl.Int32))
    write_table(conform(index, SEQUENCE_INDEX, where=path.name), path)
    write_manifest(directory, kind="silhouette_shards", facts={})
    with pytest.raises(IntegrityError, match=rf"p0-s1-side: the row does not decode.*{row}"):
        open_dataset(directory).read("p0-s1-side")


def test_iteration_follows_the_index(build):
    dataset = open_dataset(build())
    found = {name: frames.shape for name, frames in dataset.iterate()}
    assert list(found) == dataset.index["sequence_id"].to_list()
    assert [shape[0] for shape in found.values()] == dataset.index["frame_count"].to_list()
    assert len(dataset) == 5


def test_the_version_is_the_manifests(build):
    directory = build()
    dataset = open_dataset(directory)
    assert dataset.version == directory_version(directory)
    assert dataset.participants["participant_id"].to_list() == ["p0", "p1", "p2", "p3", "p4"]


def test_an_unknown_sequence_is_refused(build):
    with pytest.raises(InputError, match="no such sequence"):
        open_dataset(build()).read("p9")


def test_a_flipped_bit_in_a_shard_raises_and_names_shard_and_sequence(build):
    directory = build()
    generator = np.random.default_rng(0)
    rows = open_dataset(directory).index.to_dicts()
    for row in 4 * rows:
        path = directory / row["shard"]
        whole = path.read_bytes()
        data = bytearray(whole)
        data[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(data))
        with pytest.raises(IntegrityError) as caught:
            open_dataset(directory).read(row["sequence_id"])
        assert row["shard"] in str(caught.value)
        assert row["sequence_id"] in str(caught.value)
        path.write_bytes(whole)


def test_a_shard_that_vanishes_is_named(build):
    directory = build()
    dataset = open_dataset(directory)
    (directory / dataset.index["shard"][0]).unlink()
    with pytest.raises(IntegrityError, match=r"p0-s1-side: the shard is gone"):
        dataset.read("p0-s1-side")


@pytest.mark.parametrize("damage", ["missing", "extra", "truncated"])
def test_opening_refuses_a_directory_unlike_its_manifest(build, damage):
    directory = build()
    shard = next((directory / "webdataset").iterdir())
    if damage == "missing":
        shard.unlink()
    elif damage == "extra":
        (directory / "notes.txt").write_text("x")
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="differ from the manifest"):
        open_dataset(directory)


@pytest.mark.parametrize("name", ["index.parquet", "participants.parquet"])
def test_opening_refuses_a_damaged_table(build, name):
    directory = build()
    data = bytearray((directory / name).read_bytes())
    data[len(data) // 2] ^= 16
    (directory / name).write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=f"{name}: the file is damaged"):
        open_dataset(directory)


@pytest.mark.parametrize("text", ["{}", '{"format": "gaitworks/1", "files": [{}], "facts": {}}'])
def test_opening_refuses_a_damaged_manifest(build, text):
    directory = build()
    (directory / "manifest.json").write_text(text)
    with pytest.raises(IntegrityError):
        open_dataset(directory)


def test_threads_may_share_a_dataset(build):
    dataset = open_dataset(build())
    expected = {name: frames.copy() for name, frames in dataset.iterate()}
    failures = []

    def read_all(seed):
        for name in np.random.default_rng(seed).permutation(list(expected) * 5):
            if not np.array_equal(dataset.read(str(name)), expected[str(name)]):
                failures.append(name)

    threads = [threading.Thread(target=read_all, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_pickled_dataset_reads(build):
    dataset = open_dataset(build())
    dataset.read("p0-s1-side")
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.read("p3-s1-side"), dataset.read("p3-s1-side"))


def _read_in_child(dataset, connection):
    connection.send([os.getpid(), dataset.read("p3-s1-side").tobytes()])
    connection.close()


def test_a_forked_child_reads_with_its_own_files(build):
    dataset = open_dataset(build())
    expected = dataset.read("p3-s1-side").tobytes()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_read_in_child, args=(dataset, sender))
    child.start()
    assert receiver.poll(20)
    process_id, found = receiver.recv()
    child.join()
    assert process_id != os.getpid()
    assert found == expected
    np.testing.assert_array_equal(
        dataset.read("p3-s1-side"), np.frombuffer(expected, np.uint8).reshape(12, 64, 44)
    )


def test_few_shards_stay_open(write_batch, tmp_path, build, monkeypatch):
    monkeypatch.setattr("transforms.shards.reader._OPEN_SHARDS", 2)
    dataset = open_dataset(build(sequences_per_shard=1))
    list(dataset.iterate())
    assert list(dataset._open.files) == dataset.index["shard"].to_list()[-2:]
    dataset.read("p0-s1-side")


def test_a_version_published_while_another_is_opened_is_never_mixed_with_it(
    build, tmp_path, monkeypatch
):
    old = build()
    new = tmp_path / "new"
    shutil.copytree(old, new)
    facts = read_manifest(new)["facts"]
    write_manifest(new, kind="silhouette_shards", facts=facts | {"counts": {}})
    versions = [directory_version(old), directory_version(new)]
    read, published = reader.read_version, []

    def publish_just_before(directory):
        if not published:
            published.append(exchange_names(old, new) or pytest.skip("no exchange here"))
        return read(directory)

    monkeypatch.setattr(reader, "read_version", publish_just_before)
    dataset = open_dataset(old)
    assert dataset.version == versions[1] == directory_version(old)
