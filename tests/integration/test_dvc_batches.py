"""A new intake batch: DVC reruns what it touches, and only the new videos are worked on."""

import shutil
from pathlib import Path

import pytest

from tests.integration.workspaces import copy_workspace, dvc
from transforms.manifest import directory_version

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def cached_results(workspace: Path) -> dict[Path, int]:
    """Map each finished recording in the cache to when it was written."""
    found = (workspace / ".gaitworks" / "cache" / "extraction").rglob("facts.json")
    return {path.parent: path.stat().st_mtime_ns for path in found}


def test_a_new_batch_leaves_the_others_alone(reference: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(reference, tmp_path / "workspace")
    extraction = workspace / "data" / "extraction"
    first = directory_version(extraction / "batch_001")
    # The second batch becomes one that nobody has seen: another name, nothing of it in the cache.
    (workspace / "raw" / "batch_002").rename(workspace / "raw" / "batch_003")
    finished = (extraction / "batch_001" / "manifest.json").stat().st_mtime_ns
    before = cached_results(workspace)
    for path, written in before.items():
        if written > finished:
            shutil.rmtree(path)
    kept = cached_results(workspace)
    assert kept
    assert len(kept) < len(before)

    # Not warm: once, the installed `dvc` calls the installed `gaitworks`.
    reproduced = dvc(workspace, "repro", "silhouette_sequences", is_warm=False)
    assert reproduced.returncode == 0, reproduced.stderr[-3000:]
    ran = [line for line in reproduced.stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'intake_register':", "Running stage 'silhouette_sequences':"]
    assert sorted(path.name for path in extraction.iterdir()) == ["batch_001", "batch_003"]
    assert directory_version(extraction / "batch_001") == first
    after = cached_results(workspace)
    assert {path: after[path] for path in kept} == kept
    assert len(after) == len(before)
