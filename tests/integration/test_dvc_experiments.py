"""`dvc exp run -S` and what DVC says of it afterwards."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.workspaces import copy_workspace, dvc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(380)]


def ask_dvc(workspace: Path, *arguments: str) -> str:
    done = dvc(workspace, *arguments)
    assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.mark.parametrize(
    "place", ["workspace", pytest.param("temporary folder", marks=pytest.mark.proof)]
)
def test_an_experiment_reruns_what_it_changes_and_can_be_compared(
    place: str, reference: Path, tmp_path: Path
) -> None:
    workspace = copy_workspace(reference, tmp_path / "workspace")
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for command in (["add", "."], ["commit", "-qm", "baseline"]):
        subprocess.run(["git", *identity, *command], check=True, cwd=workspace)
    options = ["-S", "training.steps=13", "--name", "longer"]
    if place != "workspace":
        copied = [*workspace.glob("raw/*/"), *workspace.glob("truth/*/")]
        options += ["--temp"]
        for path in copied:
            options += ["-C", str(path.relative_to(workspace))]
    ran = ask_dvc(workspace, "exp", "run", *options)
    stages = {
        line.split("'")[1].split("@")[0]
        for line in ran.splitlines()
        if line.startswith("Running stage")
    }
    assert stages == {
        "trained_model",
        "model_evaluation",
        "model_explanation",
        "results_report",
        "dataset_release",
    }
    shown = csv.DictReader(io.StringIO(ask_dvc(workspace, "exp", "show", "--csv")))
    steps = {row["Experiment"] or row["rev"]: row["training.steps"] for row in shown}
    assert steps["longer"] == "13"
    assert "12" in steps.values()
    change = json.loads(ask_dvc(workspace, "metrics", "diff", "HEAD", "longer", "--json"))
    assert any("brier" in name for name in change["data/report/summary.json"])
    ask_dvc(workspace, "plots", "diff", "HEAD", "longer")
    page = (workspace / "dvc_plots" / "index.html").read_text()
    assert page.count("vegaEmbed('#") == 6
    assert '"step": 13, "rev": "longer"' in page
    assert '"step": 12, "rev": "HEAD"' in page
