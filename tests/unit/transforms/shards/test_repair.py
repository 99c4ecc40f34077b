import shutil

import numpy as np
import pytest

from transforms.errors import InputError, IntegrityError
from transforms.manifest import directory_version, write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.reader import open_dataset
from transforms.shards.repair import repair_dataset
from transforms.shards.verify import verify_dataset
from transforms.shards.writer import write_shards


@pytest.fixture(params=["binary", "grey"])
def dataset(request, write_batch, tmp_path):
    """A dataset of three sequences in two shards, and a function that packs it again."""
    recordings = [{"participant_id": f"p{n}", "frames": n} for n in range(3)]
    batch = write_batch("batch_001", recordings)
    settings = ShardSettings(sequences_per_shard=2, codec=request.param)

    def pack(output):
        return write_shards(
            [batch.intake], [batch.extraction], settings, output, progress=NoProgress()
        )

    directory = tmp_path / "store" / "dataset"
    directory.mkdir(parents=True)
    facts = pack(directory)
    write_manifest(directory, kind="silhouette_shards", facts=facts)
    return directory, facts, pack


def _refuse(output):
    raise InputError("no batch is here", fix="bring the batches")


def _damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _inodes(directory):
    return {path: path.stat().st_ino for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("container", ["parquet", "tar"])
@pytest.mark.parametrize("damage", [_damage, lambda path: path.unlink()])
def test_a_shard_is_rebuilt_from_the_other_container(dataset, container, damage):
    directory, facts, _ = dataset
    version, before = directory_version(directory), _inodes(directory)
    pair = facts["shards"][0]
    damage(directory / pair[container])
    outcome = repair_dataset(directory, _refuse, progress=NoProgress())
    other = pair["tar" if container == "parquet" else "parquet"]
    assert [(file.path, file.source) for file in outcome.repaired] == [(pair[container], other)]
    assert outcome.left == outcome.obstacles == ()
    assert verify_dataset(directory) == []
    assert directory_version(directory) == version
    after = _inodes(directory)
    assert {path for path in before if before[path] != after[path]} == {directory / pair[container]}
    assert [path.name for path in directory.parent.iterdir()] == ["dataset"]


def test_everything_but_the_manifest_is_rebuilt_from_the_batches(dataset):
    directory, _, pack = dataset
    truth = dict(open_dataset(directory).iterate())
    for path in list(directory.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "manifest.json":
            path.unlink()
    outcome = repair_dataset(directory, pack, progress=NoProgress())
    assert {file.source for file in outcome.repaired} == {"the batches"}
    assert verify_dataset(directory) == []
    frames = dict(open_dataset(directory).iterate())
    assert all(np.array_equal(frames[name], truth[name]) for name in truth)


def test_what_cannot_be_rebuilt_is_named_with_the_reasons(dataset):
    directory, facts, _ = dataset
    pair = facts["shards"][0]
    before = _inodes(directory)
    for name in (pair["parquet"], pair["tar"]):
        _damage(directory / name)
    damaged = (directory / pair["parquet"]).read_bytes()
    outcome = repair_dataset(directory, _refuse, progress=NoProgress())
    assert outcome.repaired == ()
    assert [problem.path for problem in outcome.left] == [pair["parquet"], pair["tar"]]
    assert all("affects p0-s1-side, p1-s1-side" in str(problem) for problem in outcome.left)
    assert f"{pair['tar']}: {pair['parquet']} is damaged, too" in outcome.obstacles
    assert any("no batch is here" in obstacle for obstacle in outcome.obstacles)
    assert (directory / pair["parquet"]).read_bytes() == damaged
    assert _inodes(directory) == before


def test_other_bytes_are_not_taken(dataset):
    directory, facts, _ = dataset
    name = "index.parquet"
    _damage(directory / name)
    damaged = (directory / name).read_bytes()

    def pack_something_else(output):
        (output / name).write_bytes(b"another index")

    outcome = repair_dataset(directory, pack_something_else, progress=NoProgress())
    assert [problem.path for problem in outcome.left] == [name]
    assert outcome.obstacles == (f"{name}: rebuilt from the batches, it has other bytes",)
    assert (directory / name).read_bytes() == damaged
    assert facts["shards"]


def test_batches_that_changed_give_no_such_file(dataset):
    directory, facts, _ = dataset
    pair = facts["shards"][1]
    for name in (pair["parquet"], pair["tar"]):
        _damage(directory / name)
    outcome = repair_dataset(directory, lambda output: None, progress=NoProgress())
    assert f"{pair['tar']}: the batches, as they are now, give no such file" in outcome.obstacles


def test_superfluous_files_are_left_to_people(dataset):
    directory, _, pack = dataset
    (directory / "notes.txt").write_text("mine")
    outcome = repair_dataset(directory, pack, progress=NoProgress())
    assert [(problem.path, problem.kind) for problem in outcome.left] == [("notes.txt", "extra")]
    assert (directory / "notes.txt").read_text() == "mine"


def test_a_link_is_replaced_and_its_target_left_alone(dataset, tmp_path):
    directory, facts, _ = dataset
    path = directory / facts["shards"][0]["tar"]
    elsewhere = tmp_path / "elsewhere.tar"
    path.rename(elsewhere)
    _damage(elsewhere)
    damaged = elsewhere.read_bytes()
    path.symlink_to(elsewhere)
    assert repair_dataset(directory, _refuse, progress=NoProgress()).left == ()
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == damaged
    assert verify_dataset(directory) == []


def test_nothing_is_written_through_a_linked_folder(dataset, tmp_path):
    directory, _, pack = dataset
    folder = directory / "webdataset"
    outside = tmp_path / "outside"
    shutil.rmtree(folder)
    outside.mkdir()
    folder.symlink_to(outside)
    outcome = repair_dataset(directory, pack, progress=NoProgress())
    assert outcome.repaired == ()
    assert any("its folder is a link" in obstacle for obstacle in outcome.obstacles)
    assert list(outside.iterdir()) == []


def test_a_damaged_manifest_ends_it(dataset):
    directory, _, pack = dataset
    _damage(directory / "manifest.json")
    with pytest.raises(IntegrityError, match="nothing says which bytes"):
        repair_dataset(directory, pack, progress=NoProgress())


def test_a_sound_dataset_is_left_alone(dataset):
    directory, _, _ = dataset
    before = _inodes(directory)
    outcome = repair_dataset(directory, _refuse, progress=NoProgress())
    assert (outcome.repaired, outcome.left) == ((), ())
    assert _inodes(directory) == before
