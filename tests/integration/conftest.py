"""Workspaces that the integration tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.integration.workspaces import gaitworks, make_workspace


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A workspace that the demo went through undisturbed, through Dagster. Do not change it.

    Processes that share the tests share it: the first makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    workspace, finished = shared / "reference" / "workspace", shared / "reference" / "finished"
    with FileLock(shared / "reference.lock"):
        # Never moved: Dagster's records name its folders.
        if not finished.exists():
            shutil.rmtree(workspace, ignore_errors=True)
            done = gaitworks(make_workspace(workspace), "demo")
            assert done.returncode == 0, done.stderr[-3000:]
            finished.touch()
    return workspace


@pytest.fixture
def workspace_with_cohort(reference: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Make further workspaces with the same cohort in other folders."""

    def make(name: str) -> Path:
        workspace = make_workspace(tmp_path / name)
        for folder in ("raw", "truth"):
            shutil.copytree(reference / folder, workspace / folder, dirs_exist_ok=True)
        return workspace

    return make
