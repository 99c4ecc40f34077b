import shutil
from pathlib import Path

import pytest
from dagster import DagsterInstance, DefaultScheduleStatus

from assets.workspace import Workspace
from orchestration.definitions import defs
from orchestration.schedules import verify_every_night, verify_published_files
from transforms.manifest import write_manifest

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def root(tmp_path):
    """A workspace with one published dataset and one published batch."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    batch = tmp_path / "raw" / "batch_001"
    batch.mkdir(parents=True)
    for name in ("participants.csv", "recordings.csv"):
        (batch / name).write_text("")
    for folder, kind in (("shards", "silhouette_shards"), ("intake/batch_001", "intake_register")):
        directory = tmp_path / "data" / folder
        directory.mkdir(parents=True)
        (directory / "table.parquet").write_bytes(bytes(1000))
        write_manifest(directory, kind=kind, facts={})
    return tmp_path


def verify(root):
    with DagsterInstance.ephemeral() as instance:
        return verify_published_files.execute_in_process(
            resources={"workspace": Workspace(root=str(root))},
            instance=instance,
            raise_on_error=False,
        )


def test_sound_files_pass_and_are_counted(root):
    done = verify(root)
    assert done.success
    (output,) = [event for event in done.all_events if event.is_successful_output]
    shown = output.event_specific_data.metadata
    assert (shown["outputs"].value, shown["problems"].value) == (2, 0)


def test_one_flipped_bit_fails_the_run_and_every_damaged_file_is_named(root):
    for folder in ("shards", "intake/batch_001"):
        path = root / "data" / folder / "table.parquet"
        path.write_bytes(b"\x01" + path.read_bytes()[1:])
    (root / "data" / "shards" / "stranger").write_text("")
    done = verify(root)
    assert not done.success
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    shown = failure.step_failure_data.user_failure_data.metadata["problems"].value
    assert len(shown.splitlines()) == 3
    for name in ("silhouette_shards/table.parquet", "intake_register/batch_001/table.parquet"):
        assert f"{name}: sha256" in shown
    assert "silhouette_shards/stranger: extra" in shown


def test_a_damaged_manifest_is_a_problem_and_no_crash(root):
    (root / "data" / "shards" / "manifest.json").write_text("{")
    done = verify(root)
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    assert "unreadable manifest" in failure.step_failure_data.user_failure_data.description


def test_it_runs_every_night_unless_switched_off():
    (schedule,) = [one for one in defs.schedules if one.name == verify_every_night.name]
    assert schedule.default_status is DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "0 3 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.job_name == "verify_published_files"
