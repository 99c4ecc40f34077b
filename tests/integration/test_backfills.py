"""Backfills of both kinds of partitions, launched and run as the UI's button does."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from orchestration.instance import HOME_NAME
from tests.integration.workspaces import BIN, copy_workspace, environment, shorten_run_queue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(380)]

HASTY_DAEMON = Path(__file__).with_name("hasty_daemon.py")

LAUNCH = """
mutation Launch($batches: LaunchBackfillParams!, $cells: LaunchBackfillParams!) {
  batches: launchPartitionBackfill(backfillParams: $batches) { ...launched }
  cells: launchPartitionBackfill(backfillParams: $cells) { ...launched }
}
fragment launched on LaunchBackfillResult {
  __typename
  ... on LaunchBackfillSuccess { backfillId }
  ... on PythonError { message }
}
"""


def launch(workspace: Path, answer: Path, **wanted: tuple[list[str], list[str]]) -> list[str]:
    """Launch backfills of (assets, partitions) through the UI's own interface; return their ids."""
    variables = {
        name: {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": keys}
        for name, (assets, keys) in wanted.items()
    }
    command = [str(BIN / "dagster-graphql"), "-m", "orchestration.definitions", "-t", LAUNCH]
    done = subprocess.run(
        [*command, "-v", json.dumps(variables), "-o", str(answer)],
        capture_output=True,
        text=True,
        check=False,
        env=variables_of(workspace),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    data = json.loads(answer.read_text())["data"]
    assert {one["__typename"] for one in data.values()} == {"LaunchBackfillSuccess"}, data
    return [data[name]["backfillId"] for name in wanted]


def variables_of(workspace: Path) -> dict[str, str]:
    return environment() | {
        "DAGSTER_HOME": str(workspace / HOME_NAME),
        "GAITWORKS_WORKSPACE": str(workspace),
    }


def test_both_kinds_of_partitions_can_be_backfilled(reference: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(reference, tmp_path / "copy")
    shorten_run_queue(workspace / HOME_NAME)
    log = tmp_path / "daemon.log"
    with (
        DagsterInstance.from_config(str(workspace / HOME_NAME)) as instance,
        log.open("wb") as stream,
    ):
        batches = instance.get_dynamic_partitions("intake_batch")
        cells = instance.get_dynamic_partitions("experiment")
        assert len(batches) >= 2
        before = {name: built(instance, name) for name in ("intake_register", "trained_model")}
        ids = launch(
            workspace,
            tmp_path / "answer.json",
            batches=(["intake_register"], batches),
            cells=(["trained_model"], cells),
        )
        daemon = subprocess.Popen(
            [sys.executable, str(HASTY_DAEMON), "run", "-m", "orchestration.definitions"],
            stdout=stream,
            stderr=stream,
            env=variables_of(workspace),
        )
        try:
            deadline = time.monotonic() + 300
            while not all(
                instance.get_backfill(one).status.value.startswith("COMPLETED") for one in ids
            ):
                assert time.monotonic() < deadline, log.read_text()[-3000:]
                time.sleep(0.2)
        finally:
            daemon.terminate()
            daemon.wait(60)
        states = [instance.get_backfill(one).status.value for one in ids]
        assert states == ["COMPLETED_SUCCESS"] * 2
        after = {name: built(instance, name) for name in before}
        assert set(after["intake_register"]) == set(batches)
        assert set(after["trained_model"]) == set(cells)
        for name, partitions in after.items():
            assert all(count > before[name][key] for key, count in partitions.items())


def built(instance: DagsterInstance, name: str) -> dict[str, int]:
    """Return how often each partition was materialised."""
    counts = instance.event_log_storage.get_materialized_partitions(AssetKey(name))
    return {
        key: len(
            instance.fetch_materializations(
                AssetRecordsFilter(AssetKey(name), asset_partitions=[key]),
                limit=100,
            ).records
        )
        for key in counts
    }
