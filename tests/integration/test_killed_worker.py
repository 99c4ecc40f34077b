"""A run worker that is killed: its run is retried and its slot in the pool comes free."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus

from tests.integration.workspaces import BIN, ROOT, environment, shorten_run_queue

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]

DEFINITIONS = Path(__file__).parent / "killed_worker_definitions.py"
HASTY_DAEMON = Path(__file__).parent / "hasty_daemon.py"
WAIT_S = 180.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The committed instance configuration with the shortest intervals."""
    config = yaml.safe_load((ROOT / ".dagster" / "dagster.yaml").read_text())
    assert config["run_retries"]["enabled"]
    config["run_monitoring"] |= {
        "poll_interval_seconds": 1,
        "free_slots_after_run_end_seconds": 1,
    }
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
    shorten_run_queue(folder)
    return folder


@contextmanager
def daemon(variables: dict[str, str], log: Path) -> Iterator[None]:
    """Run Dagster's daemon, which launches, watches and retries runs, until the block ends."""
    command = [sys.executable, str(HASTY_DAEMON), "run", "-f", str(DEFINITIONS)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=variables, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until(is_so, what: str, log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: {log.read_text()[-3000:]}"
        time.sleep(0.2)


def test_a_killed_worker_is_retried_and_its_slot_comes_free(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    variables = environment() | {"DAGSTER_HOME": str(home), "KILLED_WORKER_FOLDER": str(tmp_path)}
    with DagsterInstance.from_config(str(home)) as instance, daemon(variables, log):
        launched = subprocess.run(
            [str(BIN / "dagster"), "job", "launch", "-f", str(DEFINITIONS), "-j", "train"],
            capture_output=True,
            text=True,
            check=False,
            env=variables,
        )
        assert launched.returncode == 0, launched.stderr[-3000:]
        wait_until((tmp_path / "first.pids").exists, "the first run did not begin", log)
        assert slots_taken(instance) == 1
        worker, step = map(int, (tmp_path / "first.pids").read_text().split())
        assert len({worker, step, os.getpid()}) == 3
        os.kill(worker, signal.SIGKILL)
        os.kill(step, signal.SIGKILL)

        wait_until((tmp_path / "finished").exists, "it was not run again", log)
        wait_until(lambda: len(ended(instance)) == 2, "the second run did not end", log)
        wait_until(lambda: slots_taken(instance) == 0, "the slot did not come free", log)
        first, second = ended(instance)
    assert first.status is DagsterRunStatus.FAILURE
    assert second.status is DagsterRunStatus.SUCCESS
    assert second.parent_run_id == first.run_id
    assert (tmp_path / "finished").read_text() == second.run_id


def slots_taken(instance: DagsterInstance) -> int:
    return instance.event_log_storage.get_concurrency_info("gpu").active_slot_count


def ended(instance: DagsterInstance):
    """Return the runs that are over, the oldest first."""
    return [run for run in reversed(instance.get_runs()) if run.is_finished]
