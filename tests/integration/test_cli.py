"""The command line's contract: exit codes, JSON for scripts, messages for people, no tracebacks."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.workspaces import (
    BIN,
    change_params,
    copy_workspace,
    environment,
    gaitworks,
    make_workspace,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "workspace")


def test_help_names_every_command(workspace: Path) -> None:
    shown = gaitworks(workspace, "--help", is_warm=False)
    assert shown.returncode == 0
    commands = ("synth", "intake", "demo", "run", "status", "verify", "ui", "doctor", "weights")
    commands += ("release",)
    for command in commands:
        assert f" {command} " in shown.stdout
    taught = gaitworks(workspace, "run", "--help").stdout
    assert "--partition" in taught
    assert "dvc.yaml" in taught


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "No such command"),
        (["run", "--nonsense"], 2, "No such option"),
        (["run", "nonsense"], 3, "no such stage"),
        (["run"], 3, "make a synthetic one"),
        (["run", "intake_register", "--code-version", "0"], 3, "another code version"),
        (["intake", "raw/nowhere"], 3, "raw/nowhere"),
        (["release", "verify", "nowhere"], 3, "nowhere"),
    ],
)
def test_wrong_use_ends_with_its_own_code_and_says_what_to_do(
    workspace: Path, arguments: list[str], code: int, words: str
) -> None:
    done = gaitworks(workspace, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_partition_that_not_every_stage_has_is_refused_before_anything_runs(
    reference: Path,
) -> None:
    done = gaitworks(reference, "run", "--partition", "batch_001")
    assert done.returncode == 3
    assert "trained_model has no such partition" in done.stderr
    assert "intake_register" not in done.stderr


def test_wrong_settings_are_refused_with_the_path_of_the_key(workspace: Path) -> None:
    change_params(workspace, "extraction", nonsense=1)
    done = gaitworks(workspace, "status", "--json")
    assert done.returncode == 3
    assert "extraction.nonsense: unknown key" in json.loads(done.stdout)["error"]["what"]


def test_debug_shows_the_traceback(workspace: Path) -> None:
    done = gaitworks(workspace, "--debug", "run")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_a_bad_batch_names_every_problem_and_the_good_recordings_go_on(
    workspace_with_cohort: Callable[[str], Path],
) -> None:
    workspace = workspace_with_cohort("hurt")
    batch = workspace / "raw" / "batch_001"
    table = (batch / "participants.csv").read_text().splitlines()
    broken = table[1].split(",")
    broken[table[0].split(",").index("label")] = "maybe"
    (batch / "participants.csv").write_text("\n".join([table[0], ",".join(broken), *table[2:]]))
    videos = sorted((batch / "videos").iterdir())
    videos[-1].write_text("this is no video")
    checked = gaitworks(workspace, "intake", str(batch), "--json")
    assert checked.returncode == 3
    found = json.loads(checked.stdout)
    assert {"label"} <= {problem["column"] for problem in found["problems"]}
    verdicts = {row["recording_id"]: row["reason_code"] for row in found["recordings"]}
    assert verdicts[videos[-1].stem] == "not_a_video"
    assert None in verdicts.values()
    ran = gaitworks(workspace, "run", "intake_register", "--partition", "batch_001")
    assert ran.returncode == 0, ran.stderr


def test_a_published_release_is_never_overwritten(reference: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(reference, tmp_path / "copy")
    first = gaitworks(workspace, "release", "build")
    assert first.returncode == 0, first.stderr
    release = next((workspace / "releases").iterdir())

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(release, elsewhere)
    assert gaitworks(tmp_path / "copy", "release", "verify", str(elsewhere)).returncode == 0
    victim = sorted(elsewhere.rglob("*.parquet"))[0]
    victim.write_bytes(victim.read_bytes()[:-1])
    refused = gaitworks(workspace, "release", "verify", str(elsewhere), "--json")
    assert refused.returncode == 4
    problems = json.loads(refused.stdout)["problems"]
    assert victim.name in {Path(problem["path"]).name for problem in problems}

    assert "already published" in gaitworks(workspace, "release", "build").stdout
    change_params(workspace, "release", title="Another title")
    again = gaitworks(workspace, "release", "build")
    assert again.returncode == 5
    assert "release.version" in again.stderr


def test_ctrl_c_says_that_nothing_is_lost(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    process = subprocess.Popen(
        [str(BIN / "gaitworks"), "-C", str(workspace), "demo"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        # A parent that ignores SIGINT (a shell's `&`) would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "▶ silhouette_sequences" in line:
            break
    time.sleep(1.0)  # into the work on the videos, which takes a few seconds
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; run again to go on where it was" in said
    assert "Traceback" not in said
