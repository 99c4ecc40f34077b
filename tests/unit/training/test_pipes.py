"""Trainings that Dagster starts through a launcher, and what is seen of them in the run."""

import subprocess
import sys

import pytest
import yaml
from dagster import AssetKey, DagsterInstance, materialize

from assets.catalogue import SOURCE_SPECS
from assets.experiments import TRAINED_MODEL, trained_model
from assets.workspace import Workspace
from training.history import parse_history
from transforms.manifest import read_manifest, write_manifest

pytestmark = pytest.mark.slow

CELL = "baseline_cnn-ratio_1_1_2-seed_0"
TWO_PROCESSES = ["torchrun", "--standalone", "--nproc-per-node", "2"]
# As ssh does: another folder, nothing of our environment, and the words joined and parsed anew.
FAKE_SSH = """#!/bin/sh
test "$1" = gpu-box || exit 255
shift
cd / && exec env -i PATH=/usr/bin:/bin /bin/sh -c "$*"
"""


@pytest.fixture
def run_training(tiny_cohort, tiny_settings, tmp_path, monkeypatch):
    """Return a function that trains one cell of a tiny workspace through Dagster."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # torchrun would warn and set it
    root = tmp_path / "workspace"
    (root / "data").mkdir(parents=True)
    for name in ("shards", "splits"):
        (tiny_cohort.dataset.parent / name).rename(root / "data" / name)
    write_manifest(root / "data" / "splits", kind="participant_splits", facts={})
    (root / "data" / "clips").mkdir()
    write_manifest(root / "data" / "clips", kind="dual_view_clips", facts={})

    def run(launcher, **changes):
        params = {
            "splits": {"ratios": ["ratio_1_1_2"]},
            "training": tiny_settings.model_dump(mode="json") | changes,
            "experiments": {"models": ["baseline_cnn"], "variants": ["ratio_1_1_2"]},
            "runtime": {"device": "cpu", "training_launcher": launcher},
        }
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        with DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("experiment", [CELL])
            result = materialize(
                [*SOURCE_SPECS, trained_model],
                instance=instance,
                selection=[trained_model],
                resources={"workspace": Workspace(root=str(root))},
                partition_key=CELL,
                raise_on_error=False,
            )
            said = [event.user_message for event in instance.all_logs(result.run_id)]
        return result, said, TRAINED_MODEL.directory(Workspace(root=str(root)), CELL)

    return run


def test_two_processes_train_one_model_through_pipes(run_training):
    result, said, output = run_training(TWO_PROCESSES)
    assert result.success, said
    # One process holds the session: it opens it once, reports all steps and closes it.
    assert sum("successfully opened dagster pipes" in text for text in said) == 1
    assert not [text for text in said if "after closed" in text or "did not receive" in text]
    assert any(f"{CELL}: 6/6 loss" in text for text in said)
    last = parse_history((output / "history.csv").read_bytes())[-1]
    summary = f"{CELL}: 6 steps, loss {last.loss:.4g}, learning rate {last.learning_rate:.3g}"
    assert any(text.startswith(summary) for text in said)
    assert read_manifest(output)["facts"]["process_count"] == 2
    (event,) = result.asset_materializations_for_node("trained_model")
    assert event.asset_key == AssetKey("trained_model")
    assert event.metadata["processes"].value == 2
    assert event.metadata["loss"].value == last.loss
    assert event.metadata["selection_accuracy"].value is not None


def test_another_host_needs_the_job_file_and_the_shared_folder_only(run_training, tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text(FAKE_SSH)
    ssh.chmod(0o755)
    result, said, output = run_training([str(ssh), "gpu-box", sys.executable])
    assert result.success, said
    assert any("successfully opened dagster pipes" in text for text in said)
    assert "process_count" not in read_manifest(output)["facts"]

    result, said, _ = run_training([str(ssh), "another-box", sys.executable])
    assert result.success, "what is there is fresh: where it is computed is no reason to train"


def test_an_error_of_the_process_is_shown_in_the_run_with_its_words(run_training):
    result, said, output = run_training([], identities_per_batch=50)
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    cause = failure.step_failure_data.error.cause
    assert cause.cls_name == "InputError"
    assert "identities_per_batch" in cause.message
    assert not output.exists()
    assert any("external process pipes closed with exception" in text for text in said)


def test_a_job_in_a_shell_knows_nothing_of_dagster(tmp_path):
    program = (
        "import sys; from training.run import main\n"
        "code = main(['missing.json'])\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "print(code, sorted(tops & {'dagster', 'dagster_pipes', 'torch'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    error, end = done.stdout.splitlines()
    assert error.startswith('{"error": {"what": "the job file cannot be read"')
    assert end == "3 []"
