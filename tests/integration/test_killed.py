"""SIGKILL at some point of each stage costs time, never a result."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from assets.catalogue import STAGES
from tests.integration.workspaces import (
    BIN,
    change_params,
    environment,
    gaitworks,
    make_workspace,
)
from transforms.manifest import directory_version

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(500)]

# Seconds into the stage; the longest stages are hit in their middle, the others near their start.
_DELAY_S = {"synthetic cohort": 1.5, "silhouette_sequences": 2.5, "trained_model": 3.5}


def make_busy_workspace(path: Path) -> Path:
    """Make a workspace whose commands start workers; the reference was made by single ones."""
    workspace = make_workspace(path)
    change_params(workspace, "runtime", worker_count=2)
    return workspace


def run_until_killed(workspace: Path, stage: str, delay_s: float) -> bool:
    """Start the demo, SIGKILL it `delay_s` after `stage` began; tell whether that happened."""
    log = workspace / "demo.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(BIN / "gaitworks"), "-C", str(workspace), "demo"],
            stdout=stream,
            stderr=stream,
            env=environment(),
            cwd=workspace,
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if f"▶ {stage}" in log.read_text():
                time.sleep(delay_s)
                process.kill()
                return process.wait() == -signal.SIGKILL
            time.sleep(0.05)
        process.kill()
        process.wait()
    return False


def finished_recordings(workspace: Path) -> dict[str, int]:
    """Return the finished entries of the extraction cache with the time they were written."""
    cache = workspace / ".gaitworks" / "cache" / "extraction"
    return {
        path.relative_to(cache).as_posix(): path.stat().st_mtime_ns
        for path in cache.rglob("*")
        if path.is_file() and ".tmp-" not in path.as_posix()
    }


@pytest.mark.parametrize(
    "stages",
    [
        # One of each kind: files that people put there, many processes, a process of its own.
        pytest.param(["synthetic cohort", "silhouette_sequences", "trained_model"], id="some"),
        pytest.param(
            ["synthetic cohort", *(stage.name for stage in STAGES)],
            id="every",
            marks=pytest.mark.proof,
        ),
    ],
)
def test_a_demo_killed_in_its_stages_ends_in_the_same_dataset(
    reference: Path, tmp_path: Path, stages: list[str]
) -> None:
    workspace = make_busy_workspace(tmp_path / "workspace")
    chance = random.Random(2026)
    killed = []
    for stage in stages:
        delay_s = _DELAY_S.get(stage, 0.5) * chance.uniform(0.3, 1.0)
        before = finished_recordings(workspace)
        if run_until_killed(workspace, stage, delay_s):
            killed.append(stage)
        after = finished_recordings(workspace)
        assert {name: after.get(name) for name in before} == before, f"redone after {stage}"
    before = finished_recordings(workspace)
    done = gaitworks(workspace, "demo")
    assert done.returncode == 0, done.stderr[-3000:]
    after = finished_recordings(workspace)
    assert {name: after.get(name) for name in before} == before
    assert killed == stages
    for folder in ("data/shards", "data/splits", "data/report", "data/release"):
        assert directory_version(workspace / folder) == directory_version(reference / folder)
    assert not list((workspace / "data").rglob(".tmp-*"))


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_a_demo_killed_at_random_moments_ends_in_the_same_dataset(
    reference: Path, tmp_path: Path
) -> None:
    workspace = make_busy_workspace(tmp_path / "workspace")
    chance = random.Random(7)
    for _ in range(6):
        process = subprocess.Popen(
            [str(BIN / "gaitworks"), "-C", str(workspace), "demo"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        time.sleep(chance.uniform(2.0, 30.0))
        process.kill()
        process.wait()
    done = gaitworks(workspace, "demo")
    assert done.returncode == 0, done.stderr[-3000:]
    for folder in ("data/shards", "data/splits", "data/report", "data/release"):
        assert directory_version(workspace / folder) == directory_version(reference / folder)


def test_workers_of_a_killed_run_do_not_stay_behind(tmp_path: Path) -> None:
    workspace = make_busy_workspace(tmp_path / "workspace")
    assert run_until_killed(workspace, "silhouette_sequences", 2.0)
    deadline = time.monotonic() + 10
    while (left := processes_of(workspace)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def processes_of(workspace: Path) -> list[int]:
    """Return the processes whose working directory is the workspace."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if Path(entry / "cwd").resolve() == workspace.resolve():
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended while we looked, or is not ours
    return found
