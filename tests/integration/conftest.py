"""Workspaces that the integration tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.integration.extraction_batches import SmallBatch, make_small_batch
from tests.integration.workspaces import gaitworks, make_workspace

Make = Callable[[Path], object]


@pytest.fixture(scope="session")
def make_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Make], Path]:
    """Return a function that makes a folder once for all processes that share the tests.

    The first makes it, the others wait. Do not change what is in it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make_folder(name: str, make: Make) -> Path:
        folder, finished = shared / name / "made", shared / name / "finished"
        with FileLock(shared / f"{name}.lock"):
            # Never moved: Dagster's records name its folders.
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                finished.touch()
        return folder

    return make_folder


@pytest.fixture(scope="session")
def reference(make_once: Callable[[str, Make], Path]) -> Path:
    """A workspace that the demo went through undisturbed, through Dagster. Do not change it."""

    def make(folder: Path) -> None:
        done = gaitworks(make_workspace(folder), "demo", is_warm=False)
        assert done.returncode == 0, done.stderr[-3000:]

    return make_once("reference", make)


@pytest.fixture(scope="session")
def small_batch(make_once: Callable[[str, Make], Path]) -> SmallBatch:
    """An intake batch of eight recordings, and what its extraction gives. Do not change it."""
    return SmallBatch(make_once("small_batch", make_small_batch))


@pytest.fixture
def workspace_with_cohort(reference: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Make further workspaces with the same cohort in other folders."""

    def make(name: str) -> Path:
        workspace = make_workspace(tmp_path / name)
        for folder in ("raw", "truth"):
            shutil.copytree(reference / folder, workspace / folder, dirs_exist_ok=True)
        return workspace

    return make
