"""`dvc.lock` and what lies on disk agree, whoever built it: toy stages, real DVC, one process."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.dvc_disagreements import describe_disagreements
from assets.dvc_lock import _RETRY_EVERY_S, find_disagreements, has_dvc, pin_output, pin_outputs
from assets.partitions import Partitioning
from assets.stage import Source, Stage, is_fresh, lineage_of
from assets.workspace import Workspace
from tests.integration.workspaces import ROOT, change_params
from transforms.errors import GaitworksError, SettingsError
from transforms.files import canonical_json, publish_directory
from transforms.manifest import verify_directory, write_manifest

pytestmark = pytest.mark.slow

RAW = Source("raw", "raw", Partitioning.INTAKE_BATCH)
EXTRACTED = Stage(
    "extracted", "data/extracted/{partition}", (RAW,), ("intake",), "1", Partitioning.INTAKE_BATCH
)
PACKED = Stage("packed", "data/packed", (EXTRACTED,), ("shards",), "1")
TRAINED = Stage(
    "trained",
    "data/experiments/{partition}/model",
    (PACKED,),
    ("training",),
    "1",
    Partitioning.EXPERIMENT,
)
STAGES = (EXTRACTED, PACKED, TRAINED)
PIPELINE = """
stages:
  extracted:
    cmd: build extracted
    deps: [raw]
    params: [intake]
    outs: [data/extracted]
  packed:
    cmd: build packed
    deps: [data/extracted]
    params: [shards]
    outs: [data/packed]
  trained:
    matrix:
      model: ${experiments.models}
      variant: ${experiments.variants}
      seed: ${experiments.seeds}
    cmd: build trained ${item.model}-${item.variant}-seed_${item.seed}
    deps: [data/packed]
    params: [training]
    outs:
      - data/experiments/${item.model}-${item.variant}-seed_${item.seed}/model
"""


def workspace_in(root: Path) -> Workspace:
    return Workspace(root=str(root))


def add_batch(root: Path, name: str, content: str) -> None:
    folder = root / "raw" / name
    folder.mkdir(parents=True, exist_ok=True)
    for table in ("participants.csv", "recordings.csv"):
        (folder / table).write_text(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_toy(tmp_path / "toy")


def make_toy(root: Path) -> Path:
    root.mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    change_params(root, "experiments", models=["sconet"], variants=["ratio_1_1_2"], seeds=[0, 1])
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    add_batch(root, "batch_001", "one")
    return root


def build(workspace: Workspace, stage: Stage, partition: str | None) -> None:
    """Do what `materialise` does: reuse what is fresh, publish the rest whole, pin it.

    The bytes depend on part of the inputs only, so that a change need not change what follows.
    """
    if is_fresh(workspace, stage, partition):
        return
    lineage = lineage_of(workspace, stage, partition)
    with publish_directory(stage.directory(workspace, partition)) as staging:
        seen = {k: v for k, v in lineage.items() if k != "params"}
        (staging / "out.json").write_bytes(canonical_json(seen))
        write_manifest(staging, kind=stage.name, facts={"lineage": lineage})
    pin_output(workspace, stage, partition)


def partitions(workspace: Workspace, stage: Stage) -> list[str | None]:
    return [*workspace.partition_keys(stage.partitioning)] or [None]


def run_all(root: Path, *stages: Stage) -> None:
    """Bring stages up to date the way `gaitworks run` does."""
    workspace = workspace_in(root)
    for stage in stages or STAGES:
        for partition in partitions(workspace, stage):
            build(workspace, stage, partition)
    pin_outputs(workspace, stages or STAGES)


@pytest.fixture
def dvc_builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let DVC call our build in this process where it would start a shell; return its calls."""
    ran: list[str] = []

    def call(_executable: Any, command: str, **kwargs: Any) -> None:
        ran.append(command)
        _, name, *partition = command.split()
        stage = next(stage for stage in STAGES if stage.name == name)
        workspace = workspace_in(Path.cwd())
        with monkeypatch.context() as patch:
            patch.setenv("DVC_STAGE", name)
            for key in partition or partitions(workspace, stage):
                build(workspace, stage, key)

    monkeypatch.setattr("dvc.stage.run._run", call)
    return ran


def reproduce(root: Path, targets: list[str] | None = None) -> None:
    from dvc.repo import Repo

    before = Path.cwd()
    os.chdir(root)
    try:
        with Repo(str(root)) as repo:
            repo.reproduce(targets)
    finally:
        os.chdir(before)


def disagreements(root: Path) -> dict[str, Any]:
    return find_disagreements(workspace_in(root), STAGES)


def stale(root: Path) -> set[str]:
    workspace = workspace_in(root)

    def is_stale(stage: Stage, partition: str | None) -> bool:
        try:
            return not is_fresh(workspace, stage, partition)
        except GaitworksError:
            return True

    return {
        stage.name
        for stage in STAGES
        for partition in partitions(workspace, stage)
        if is_stale(stage, partition)
    }


def versions(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted((root / "data").rglob("*.json"))
    }


@pytest.mark.parametrize(
    "seed", [0, 1, *[pytest.param(n, marks=pytest.mark.proof) for n in range(2, 40)]]
)
def test_both_ways_mixed_in_any_order_agree(seed: int, root: Path, dvc_builds: list[str]) -> None:
    chance = random.Random(seed)
    counter = iter(range(1000))

    def run_one() -> None:
        """Build one stage, and one cell of it only, as a click in the UI does."""
        workspace = workspace_in(root)
        stage = chance.choice(STAGES)
        try:
            build(workspace, stage, chance.choice(partitions(workspace, stage)))
        except GaitworksError:
            return  # what it needs has not been built
        pin_outputs(workspace, [stage])

    def forget() -> None:
        lost = chance.choice(["dvc.lock", "data/packed", "data/experiments"])
        path = root / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    operations = [
        run_one,
        run_one,
        lambda: run_all(root),
        lambda: reproduce(root),
        lambda: reproduce(root, ["packed"]),
        lambda: add_batch(root, chance.choice(["batch_001", "batch_002"]), f"{next(counter)}"),
        lambda: change_params(root, "training", steps=chance.choice([80, 90])),
        lambda: change_params(root, "intake", min_frames=chance.choice([30, 40])),
        forget,
    ]
    for _ in range(7):
        chance.choice(operations)()
        # Where DVC has nothing to say of a stage and of all before it, neither have we. (Of a stage
        # whose input is yet to be built for a new batch DVC says nothing, and we that it is stale.)
        spoken_of = {target.split("@")[0] for target in disagreements(root)}
        for stage in STAGES:
            if spoken_of & {source.name for source in stage.inputs}:
                spoken_of.add(stage.name)
        assert stale(root) <= spoken_of
    ways = [lambda: run_all(root), lambda: reproduce(root)]
    chance.shuffle(ways)
    ways[0]()
    settled = versions(root)
    assert disagreements(root) == {}
    assert stale(root) == set()
    dvc_builds.clear()
    ways[1]()
    assert dvc_builds == []
    assert versions(root) == settled
    # One result for each inputs: of several, a clone would take any from the run cache.
    results = [len(list(key.iterdir())) for key in (root / ".dvc/cache/runs").glob("*/*")]
    assert set(results) == {1}


def test_one_cell_alone_does_not_pin_the_others(root: Path) -> None:
    run_all(root)
    change_params(root, "training", steps=99)
    workspace = workspace_in(root)
    build(workspace, TRAINED, "sconet-ratio_1_1_2-seed_0")
    pin_outputs(workspace, [TRAINED])
    assert set(disagreements(root)) == {"trained@sconet-ratio_1_1_2-1"}


def test_one_batch_alone_does_not_pin_the_stage(root: Path) -> None:
    run_all(root)
    for batch in ("batch_001", "batch_002"):
        add_batch(root, batch, "new")
    workspace = workspace_in(root)
    build(workspace, EXTRACTED, "batch_002")
    pin_outputs(workspace, [EXTRACTED])
    assert "extracted" in disagreements(root)
    build(workspace, EXTRACTED, "batch_001")
    assert "extracted" not in disagreements(root)


def test_inputs_that_change_under_a_run_are_not_pinned(root: Path) -> None:
    run_all(root)
    add_batch(root, "batch_001", "second")
    workspace = workspace_in(root)
    lineage = lineage_of(workspace, EXTRACTED, "batch_001")
    with publish_directory(EXTRACTED.directory(workspace, "batch_001")) as staging:
        add_batch(root, "batch_001", "third, while the second was read")
        write_manifest(staging, kind="extracted", facts={"lineage": lineage})
    pin_output(workspace_in(root), EXTRACTED, "batch_001")
    assert "extracted" in disagreements(root)


def test_protected_links_of_the_cache_are_replaced_and_stay_intact(
    root: Path, dvc_builds: list[str]
) -> None:
    (root / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n[cache]\n    type = hardlink\n"
    )
    reproduce(root)
    old = next((root / "data" / "packed").glob("out.json"))
    before = old.read_bytes()
    assert old.stat().st_nlink > 1
    add_batch(root, "batch_001", "another")
    run_all(root)
    assert disagreements(root) == {}
    assert stale(root) == set()
    assert old.read_bytes() != before
    assert not verify_directory(old.parent)
    kept = [path.read_bytes() for path in (root / ".dvc" / "cache").rglob("*") if path.is_file()]
    assert before in kept  # the cache's copy was not written through the link


def test_symbolic_links_are_refused_with_what_to_do(root: Path) -> None:
    config = root / ".dvc" / "config"
    config.write_text(config.read_text() + "[cache]\n    type = symlink\n")
    with pytest.raises(SettingsError, match="symbolic links"):
        run_all(root)


def test_a_pipeline_in_a_subfolder_of_the_repository(tmp_path: Path) -> None:
    inner = make_toy(tmp_path / "outer" / "inner")
    (inner / ".dvc").rename(tmp_path / "outer" / ".dvc")
    assert has_dvc(inner)
    run_all(inner)
    assert disagreements(inner) == {}
    lock = yaml.safe_load((inner / "dvc.lock").read_text())
    assert set(lock["stages"]) == {
        "extracted",
        "packed",
        "trained@sconet-ratio_1_1_2-0",
        "trained@sconet-ratio_1_1_2-1",
    }


def test_a_folder_outside_any_repository_is_left_alone(root: Path) -> None:
    shutil.rmtree(root / ".dvc")
    assert not has_dvc(root)
    run_all(root)
    assert not (root / "dvc.lock").exists()


def test_conflict_markers_in_the_lock_are_named(root: Path) -> None:
    run_all(root)
    lock = root / "dvc.lock"
    lock.write_text("<<<<<<< ours\n" + lock.read_text() + "=======\n>>>>>>> theirs\n")
    add_batch(root, "batch_001", "another")
    with pytest.raises(GaitworksError, match=r"conflict markers"):
        run_all(root)
    lock.unlink()
    run_all(root)
    assert disagreements(root) == {}


def test_a_stage_missing_from_dvc_yaml_is_named(root: Path) -> None:
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("  packed:", "  renamed:"))
    with pytest.raises(SettingsError, match="packed"):
        run_all(root)


def test_a_frozen_stage_is_still_pinned_when_we_build_it(root: Path) -> None:
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(
        text.replace("    cmd: build packed", "    frozen: true\n    cmd: build packed")
    )
    run_all(root)
    add_batch(root, "batch_001", "another")
    run_all(root)
    assert disagreements(root) == {}
    assert "frozen: true" in (root / "dvc.yaml").read_text()


@pytest.mark.parametrize("action", [lambda root: run_all(root, EXTRACTED), disagreements])
def test_we_wait_for_another_dvc_command(
    root: Path, monkeypatch: pytest.MonkeyPatch, action: Callable[[Path], object]
) -> None:
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.0)  # DVC's own patience
    run_all(root)
    add_batch(root, "batch_001", "another")
    script = (
        "import sys, zc.lockfile\n"
        f"held = zc.lockfile.LockFile({str(root / '.dvc' / 'tmp' / 'lock')!r})\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        waits: list[float] = []

        def end_the_other(seconds: float) -> None:
            if seconds:
                waits.append(seconds)
                other.kill()
                other.wait()

        with monkeypatch.context() as patch:
            patch.setattr("time.sleep", end_the_other)
            action(root)
        other.kill()
    assert waits == [_RETRY_EVERY_S]
    run_all(root, EXTRACTED)
    assert "extracted" not in disagreements(root)


def swap_a_bit(path: Path) -> Callable[[], None]:
    """Damage a file as a disk would, with its manifest and size as they were; return the cure."""
    sound = path.read_bytes()

    def write(data: bytes) -> None:
        path.unlink()  # it may be a link into the cache
        path.write_bytes(data)

    write(bytes([sound[0] ^ 1]) + sound[1:])
    return lambda: write(sound)


def test_what_was_built_while_an_input_was_damaged_is_pinned_once_that_is_mended(
    root: Path,
) -> None:
    run_all(root)
    mend = swap_a_bit(root / "data" / "packed" / "out.json")
    change_params(root, "training", steps=99)
    run_all(root)
    cells = [f"trained@sconet-ratio_1_1_2-{seed}" for seed in (0, 1)]
    said = describe_disagreements(workspace_in(root), STAGES, disagreements(root))
    assert said[0].startswith("data/packed is neither what its manifest says")
    assert said[0].endswith("`gaitworks run --force packed`")
    assert [line.split(" is not")[0] for line in said[1:]] == [
        "trained/sconet-ratio_1_1_2-seed_0",
        "trained/sconet-ratio_1_1_2-seed_1",
    ]
    assert "changed deps: data/packed" in said[1]
    assert said[1].endswith("`gaitworks run --partition sconet-ratio_1_1_2-seed_0 trained`")
    mend()
    assert pin_outputs(workspace_in(root), STAGES) == cells
    assert disagreements(root) == {}


@pytest.fixture(autouse=True)
def _folder_is_kept() -> Iterator[None]:
    before = Path.cwd()
    yield
    assert Path.cwd() == before
