"""Workspaces that the integration tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.workspaces import gaitworks, make_workspace


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that the demo went through undisturbed, through Dagster. Do not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("reference") / "workspace")
    done = gaitworks(workspace, "demo")
    assert done.returncode == 0, done.stderr[-3000:]
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
