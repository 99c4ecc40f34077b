"""The Dagster instance of a workspace: its home, and the record of what passed its checks."""

import os
import shutil
from pathlib import Path
from typing import Final

from dagster import DagsterInstance

from assets.stage import Stage, label
from assets.workspace import Workspace
from transforms.files import write_bytes_atomic

HOME_NAME: Final = ".dagster"
_HOME_VARIABLE: Final = "DAGSTER_HOME"
_TEMPLATE: Final = Path(__file__).parent / "templates" / "dagster.yaml"


def prepare_home(workspace: Workspace) -> Path:
    """Return the instance's home, made with our `dagster.yaml` if it is not there yet.

    A `DAGSTER_HOME` that is already set wins: a deployment has its own.
    """
    home = Path(os.environ.get(_HOME_VARIABLE, workspace.path / HOME_NAME)).resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(_TEMPLATE, home / "dagster.yaml")
    os.environ[_HOME_VARIABLE] = str(home)
    return home


def open_instance(workspace: Workspace) -> DagsterInstance:
    """Open the workspace's instance: the same one the UI shows."""
    prepare_home(workspace)
    return DagsterInstance.get()


def mark_checked(workspace: Workspace, stage: Stage, partition: str | None) -> None:
    """Remember that this version of the output is recorded and passed its blocking checks."""
    version = stage.version(workspace, partition)
    write_bytes_atomic(_mark(workspace, stage, partition), version.encode())


def is_checked(workspace: Workspace, stage: Stage, partition: str | None) -> bool:
    """Tell whether the published version is the one that passed."""
    mark = _mark(workspace, stage, partition)
    return mark.is_file() and mark.read_text() == stage.version(workspace, partition)


def _mark(workspace: Workspace, stage: Stage, partition: str | None) -> Path:
    # In the instance's home, so that a new instance gets everything recorded anew.
    return prepare_home(workspace) / "checked" / label(stage, partition).replace("/", "@")
