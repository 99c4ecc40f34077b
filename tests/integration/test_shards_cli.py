"""`gaitworks shards verify` and `repair`: exit codes, JSON, what is said."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.shard_writing import make_batches
from tests.integration.workspaces import gaitworks, make_workspace
from transforms.files import publish_directory
from transforms.manifest import read_manifest, write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.writer import write_shards

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_SETTINGS = ShardSettings(sequences_per_shard=2)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two extracted batches and the dataset of them. Do not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("built") / "workspace")
    batches = make_batches(tmp_path_factory.mktemp("batches"))
    parts = ("intake", "extraction")
    for number in (1, 2):
        name = f"batch_00{number}"
        (workspace / "raw" / name).mkdir()
        for table in ("participants.csv", "recordings.csv"):
            (workspace / "raw" / name / table).touch()
        for part in parts:
            shutil.copytree(batches / str(number) / part, workspace / "data" / part / name)
    directories = [sorted((workspace / "data" / part).iterdir()) for part in parts]
    with publish_directory(workspace / "data" / "shards") as staging:
        facts = write_shards(*directories, _SETTINGS, staging, progress=NoProgress())
        lineage = {"params": {"shards": _SETTINGS.model_dump()}}
        lineage["inputs"] = {"silhouette_sequences/batch_001": "0" * 64}
        write_manifest(staging, kind="silhouette_shards", facts=facts | {"lineage": lineage})
    return workspace


@pytest.fixture
def workspace(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "workspace"))


Shards = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shards(workspace: Path) -> Shards:
    """Return a function that runs `gaitworks shards` on the workspace."""
    return lambda *arguments: gaitworks(workspace, "shards", *arguments)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def shard_files(workspace: Path) -> tuple[Path, Path]:
    """Return the first shard in both containers."""
    directory = workspace / "data" / "shards"
    pair = read_manifest(directory)["facts"]["shards"][0]
    return directory / pair["parquet"], directory / pair["tar"]


def test_a_sound_dataset_is_said_to_be(workspace: Path, shards: Shards) -> None:
    for options in (("--quick",), ("--deep", str(workspace / "data" / "shards"))):
        done = shards("verify", *options)
        assert done.returncode == 0, done.stderr
        assert "sound, version" in done.stdout
    assert shards("verify", "--quick", "--deep").returncode == 2


def test_damage_ends_with_exit_code_four(workspace: Path, shards: Shards) -> None:
    parquet, _ = shard_files(workspace)
    damage(parquet)
    done = shards("verify")
    assert done.returncode == 4
    assert parquet.name in done.stderr
    assert "affects" in done.stderr
    assert "gaitworks shards repair" in done.stderr
    done = shards("verify", "--json")
    assert done.returncode == 4
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["kind"], len(problem["sequences"])) == ("sha256", 2)


def test_repair_brings_back_shards_and_tables(workspace: Path, shards: Shards) -> None:
    directory = workspace / "data" / "shards"
    before = read_manifest(directory)
    parquet, tar = shard_files(workspace)
    damage(parquet)
    tar.unlink()
    damage(directory / "index.parquet")
    done = shards("repair", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["repaired"]) == 3
    assert shards("verify", "--deep").returncode == 0
    assert read_manifest(directory) == before
    assert not list((workspace / "data").glob(".tmp-*"))


def test_repair_says_what_is_missing(workspace: Path, shards: Shards) -> None:
    for path in shard_files(workspace):
        damage(path)
    shutil.rmtree(workspace / "data" / "extraction" / "batch_001")
    done = shards("repair")
    assert done.returncode == 4
    for words in (
        "2 problem(s) remain",
        "damaged, too",
        "silhouette_sequences/batch_001",
        "--force",
    ):
        assert words in done.stderr


def test_a_folder_without_a_dataset_is_refused(workspace: Path, shards: Shards) -> None:
    done = shards("verify", str(workspace / "raw"))
    assert done.returncode == 4
    assert "no manifest" in done.stderr
