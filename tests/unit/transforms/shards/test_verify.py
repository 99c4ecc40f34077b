import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.schemas import FRAMES, PARTICIPANTS, SEQUENCE_INDEX, SEQUENCES
from transforms.settings import ShardSettings
from transforms.shards.codec import BITS, encode_silhouettes
from transforms.shards.parquet import encode_shard, read_table, write_table
from transforms.shards.verify import Level, verify_dataset
from transforms.shards.webdataset import encode_tar
from transforms.shards.writer import write_shards


@pytest.fixture
def dataset(write_batch, tmp_path):
    recordings = [{"participant_id": f"p{n}", "frames": n} for n in range(3)]
    batch = write_batch("batch_001", recordings)
    directory = tmp_path / "dataset"
    directory.mkdir()
    facts = write_shards(
        [batch.intake],
        [batch.extraction],
        ShardSettings(sequences_per_shard=2),
        directory,
        progress=NoProgress(),
    )
    write_manifest(directory, kind="silhouette_shards", facts=facts)
    return directory, facts


def test_a_sound_dataset_has_no_problems(dataset):
    directory, _ = dataset
    assert verify_dataset(directory) == []
    assert verify_dataset(directory, Level.NAMES) == []


def test_every_flip_and_truncation_is_reported(dataset):
    directory, _ = dataset
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    files.remove(directory / "manifest.json")
    generator = np.random.default_rng(0)
    missed = []
    for path in 3 * files:
        whole = path.read_bytes()
        data = bytearray(whole)
        position = int(generator.integers(len(data)))
        if generator.integers(2):
            data = data[:position]
        else:
            data[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(data))
        name = path.relative_to(directory).as_posix()
        if name not in {problem.path for problem in verify_dataset(directory)}:
            missed.append((name, position))
        path.write_bytes(whole)
    assert missed == []


def test_a_damaged_shard_names_its_sequences(dataset):
    directory, facts = dataset
    for name in (facts["shards"][0]["parquet"], facts["shards"][0]["tar"]):
        path = directory / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    problems = verify_dataset(directory)
    assert [problem.kind for problem in problems] == ["sha256", "sha256"]
    assert all(problem.sequences == ("p0-s1-side", "p1-s1-side") for problem in problems)
    assert "affects p0-s1-side, p1-s1-side" in str(problems[0])


def test_a_damaged_manifest_is_a_problem(dataset):
    directory, _ = dataset
    (directory / "manifest.json").write_bytes(b"{")
    assert [problem.kind for problem in verify_dataset(directory)] == ["manifest"]


# What follows is damage that the manifest agrees with: a writer's mistake, not a disk's.


def _republish(directory, facts):
    write_manifest(directory, kind="silhouette_shards", facts=facts)
    return [(problem.kind, problem.path) for problem in verify_dataset(directory)]


def _replace_rows(path, schema, **columns):
    frame = pl.DataFrame(read_table(path, schema)).with_columns(**columns)
    write_table(pa.Table.from_pylist(frame.to_dicts(), schema=schema), path)


def test_an_index_that_disagrees_with_its_shards_is_found(dataset):
    directory, facts = dataset
    label = (
        pl.when(pl.col("sequence_id") == "p2-s1-side").then(pl.lit("neutral")).otherwise("label")
    )
    _replace_rows(directory / "index.parquet", SEQUENCE_INDEX, label=label)
    assert ("index", facts["shards"][1]["parquet"]) in _republish(directory, facts)


def test_other_pixels_in_the_tar_are_found(dataset):
    directory, facts = dataset
    shard, tar = facts["shards"][1]["parquet"], facts["shards"][1]["tar"]
    rows = read_table(directory / shard, SEQUENCES).to_pylist()
    rows[0]["silhouettes"] = encode_silhouettes(np.zeros((2, 64, 44), dtype=np.uint8), BITS, 3)
    data = encode_tar(pa.Table.from_pylist(rows, schema=SEQUENCES))
    (directory / tar).write_bytes(data)
    problems = _republish(directory, facts)
    assert ("content", tar) in problems
    assert ("name", tar) in problems


def test_other_columns_in_the_tar_are_found(dataset):
    directory, facts = dataset
    shard, tar = facts["shards"][1]["parquet"], facts["shards"][1]["tar"]
    rows = read_table(directory / shard, SEQUENCES).to_pylist()
    rows[0]["fps"] = 30.0
    (directory / tar).write_bytes(encode_tar(pa.Table.from_pylist(rows, schema=SEQUENCES)))
    assert ("content", tar) in _republish(directory, facts)


def test_undecodable_silhouettes_are_found(dataset):
    directory, facts = dataset
    shard = facts["shards"][1]["parquet"]
    rows = read_table(directory / shard, SEQUENCES).to_pylist()
    rows[0]["silhouettes"] = b"nonsense"
    (directory / shard).write_bytes(encode_shard(pa.Table.from_pylist(rows, schema=SEQUENCES)))
    assert ("decode", shard) in _republish(directory, facts)


def test_a_shard_that_only_the_manifest_knows_is_found(dataset):
    directory, facts = dataset
    stray = directory / "sequences" / "part-0000000000000000.parquet"
    stray.write_bytes(encode_shard(SEQUENCES.empty_table()))
    assert ("index", "sequences/part-0000000000000000.parquet") in _republish(directory, facts)


def test_a_missing_participant_is_found(dataset):
    directory, facts = dataset
    _replace_rows(directory / "participants.parquet", PARTICIPANTS, participant_id=pl.lit("p0"))
    assert ("index", "participants.parquet") in _republish(directory, facts)


def test_a_ledger_with_other_counts_is_found(dataset):
    directory, facts = dataset
    ledger = facts["ledgers"][0]["frames"]
    _replace_rows(directory / ledger, FRAMES, status=pl.lit("dropped"))
    problems = _republish(directory, facts)
    assert problems == [("name", ledger), ("ledger", ledger), ("ledger", ledger)]


def test_every_flip_in_the_manifests_list_of_files_is_reported(dataset):
    directory, _ = dataset
    path = directory / "manifest.json"
    whole = path.read_bytes()
    start, end = whole.index(b'"files"'), whole.index(b'"format"')
    generator = np.random.default_rng(0)
    missed = []
    for bit in range(40):
        data = bytearray(whole)
        position = int(generator.integers(start, end))
        data[position] ^= 1 << (bit % 8)
        path.write_bytes(bytes(data))
        if not verify_dataset(directory):
            missed.append((position, bit % 8))
    assert missed == []
