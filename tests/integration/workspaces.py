"""Tiny but whole workspaces: the project's own params and dvc.yaml, cut down to seconds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.integration.warm_commands import start_warm_commands

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent

# One small grid on a cohort that can still be split: every class on every side.
TINY: Mapping[str, Mapping[str, Any]] = {
    "synth": {
        "participants": {"positive": 4, "neutral": 4, "negative": 6},
        "second_session_fraction": 0.0,
        "bystander_fraction": 0.2,
        "frame_height_px": 180,
        "frame_width_px": 320,
        "fps": 15,
        "duration_s": 3.0,
    },
    "splits": {"ratios": ["ratio_1_1_2"]},
    "training": {
        "channels": [4, 4, 8, 8],
        "embedding_size": 8,
        "identities_per_batch": 2,
        "frames_per_sequence": 4,
        "steps": 12,
        "milestones": [8],
        "checkpoint_every_steps": 4,
    },
    "experiments": {"models": ["sconet_mt"], "variants": ["ratio_1_1_2"]},
    "evaluation": {"bootstrap_resamples": 100},
    # Tests run side by side already, and starting workers takes longer than what they do here.
    "runtime": {"worker_count": 1},
}


def environment() -> dict[str, str]:
    """Return the environment of a user who activated the virtual environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DAGSTER")}
    return {**kept, "PATH": f"{BIN}:{kept['PATH']}", "DVC_NO_ANALYTICS": "1"}


def gaitworks(
    workspace: Path, *arguments: str, is_warm: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the command line on a workspace, from another folder; its imports are done if warm."""
    command = ["gaitworks", "-C", str(workspace), *arguments]
    return _run(command, workspace.parent, is_warm=is_warm)


def dvc(workspace: Path, *arguments: str, is_warm: bool = True) -> subprocess.CompletedProcess[str]:
    """Run DVC in a workspace, as a user would; its imports and its stages' are done if warm."""
    return _run(["dvc", *arguments], workspace, is_warm=is_warm)


def _run(command: list[str], folder: Path, *, is_warm: bool) -> subprocess.CompletedProcess[str]:
    variables = environment()
    if is_warm:
        warm = start_warm_commands()
        variables |= warm | {"PATH": f"{warm['PATH']}:{variables['PATH']}"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=variables,
        cwd=folder,
        executable=shutil.which(command[0], path=variables["PATH"]),
    )


def change_params(workspace: Path, section: str, **values: Any) -> None:
    """Change keys of one section of a workspace's params.yaml."""
    path = workspace / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params[section] |= values
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def make_workspace(path: Path) -> Path:
    """Make a git and DVC repository with the tiny params and the project's pipeline."""
    path.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", "weights.toml", ".dvcignore", ".gitignore"):
        shutil.copyfile(ROOT / name, path / name)
    shutil.copytree(ROOT / ".dvc", path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    for folder in ("raw", "truth", "overrides", "partitions"):
        (path / folder).mkdir()
        shutil.copyfile(ROOT / folder / "README.md", path / folder / "README.md")
    for section, values in TINY.items():
        change_params(path, section, **values)
    subprocess.run(["git", "init", "-q"], check=True, cwd=path)
    return path


def copy_workspace(workspace: Path, to: Path) -> Path:
    """Copy a workspace with all it holds."""
    shutil.copytree(workspace, to, symlinks=True)
    return to


def shorten_run_queue(home: Path) -> None:
    """Let an instance look for queued runs every second, where it would every 5."""
    path = home / "dagster.yaml"
    config = yaml.safe_load(path.read_text())
    config["run_coordinator"] = {
        "module": "dagster.core.run_coordinator",
        "class": "QueuedRunCoordinator",
        "config": {"dequeue_interval_seconds": 1},
    }
    path.write_text(yaml.safe_dump(config))
