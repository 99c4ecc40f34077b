"""Dagster and DVC are two ways through one pipeline: same stages rerun, same bytes come out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from assets.catalogue import STAGES
from tests.integration.workspaces import change_params, copy_workspace, dvc, gaitworks
from transforms.manifest import directory_version

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(400)]


def versions(workspace: Path) -> dict[str, str]:
    """Return the version of every published directory."""
    return {
        manifest.parent.relative_to(workspace).as_posix(): directory_version(manifest.parent)
        for manifest in sorted((workspace / "data").rglob("manifest.json"))
    }


def pinned(workspace: Path) -> dict[str, str]:
    """Return the hash dvc.lock holds for every output."""
    lock = yaml.safe_load((workspace / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def unpin_input_of_model(workspace: Path) -> None:
    """Let the lock say that the model read other shards, as if they had been damaged then."""
    lock = yaml.safe_load((workspace / "dvc.lock").read_text())
    stage = next(lock["stages"][name] for name in lock["stages"] if "trained_model" in name)
    dependency = next(one for one in stage["deps"] if one["path"] == "data/shards")
    dependency["md5"] = "0" * 32 + ".dir"
    (workspace / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))


def is_clean(workspace: Path) -> bool:
    status = dvc(workspace, "status", "--json")
    assert status.returncode == 0, status.stderr
    return json.loads(status.stdout) == {}


def test_both_ways_give_the_same_bytes_and_a_clean_status(
    reference: Path, workspace_with_cohort: Callable[[str], Path], tmp_path: Path
) -> None:
    other = workspace_with_cohort("somewhere else")
    reproduced = dvc(other, "repro")
    assert reproduced.returncode == 0, reproduced.stderr[-3000:]
    assert versions(other) == versions(reference)
    assert pinned(other) == pinned(reference)
    assert is_clean(reference)
    assert is_clean(other)

    # Each way finds nothing to do after the other.
    assert "up to date" in dvc(copy_workspace(reference, tmp_path / "copy"), "repro").stdout
    again = gaitworks(other, "run", "--json")
    assert {outcome["is_built"] for outcome in json.loads(again.stdout)} == {False}

    # One changed parameter reruns what depends on it and nothing else, both ways.
    copy = copy_workspace(reference, tmp_path / "changed")
    affected = {"model_evaluation", "results_report", "dataset_release"}
    for workspace in (copy, other):
        change_params(workspace, "evaluation", seed=7)
    unpin_input_of_model(copy)
    ran = gaitworks(copy, "run", "--json")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert {o["stage"] for o in json.loads(ran.stdout) if o["is_built"]} == affected
    reran = dvc(other, "repro")
    assert reran.returncode == 0, reran.stderr[-3000:]
    assert {
        line.split("'")[1].split("@")[0]
        for line in reran.stdout.splitlines()
        if line.startswith("Running stage")
    } == affected
    assert versions(copy) == versions(other)
    assert versions(copy)["data/shards"] == versions(reference)["data/shards"]
    assert is_clean(copy)
    assert is_clean(other)


def test_a_second_run_recomputes_nothing(reference: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(reference, tmp_path / "copy")
    before = {path: path.stat().st_mtime_ns for path in (workspace / "data").rglob("*")}
    again = gaitworks(workspace, "demo")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in (workspace / "data").rglob("*")} == before


def test_every_stage_recorded_its_version_in_dagster(reference: Path) -> None:
    from dagster import AssetKey, DagsterInstance

    with DagsterInstance.from_config(str(reference / ".dagster")) as instance:
        for stage in STAGES:
            event = instance.get_latest_materialization_event(AssetKey(stage.name))
            assert event is not None, stage.name
            assert event.asset_materialization is not None
            tags = event.asset_materialization.tags or {}
            folder = stage.folder.replace(
                "{partition}", event.asset_materialization.partition or ""
            )
            assert tags["dagster/data_version"] == directory_version(reference / folder)


def test_status_names_what_a_change_makes_stale(reference: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(reference, tmp_path / "copy")
    assert set(json.loads(gaitworks(workspace, "status", "--json").stdout).values()) == {"fresh"}
    change_params(workspace, "splits", seed=1)
    states = json.loads(gaitworks(workspace, "status", "--json").stdout)
    # What is downstream turns stale only once the splits are built anew and differ; the report and
    # the release hold the settings themselves.
    assert {name for name, state in states.items() if state == "stale"} == {
        "participant_splits",
        "results_report",
        "dataset_release",
    }
    waiting = {name.split("/")[0] for name, state in states.items() if state == "waiting"}
    assert waiting == {"trained_model", "model_evaluation", "model_explanation"}


def test_a_damaged_shard_is_found_and_stops_the_release(reference: Path, tmp_path: Path) -> None:
    workspace = copy_workspace(reference, tmp_path / "copy")
    shard = next((workspace / "data" / "shards" / "sequences").glob("*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    checked = gaitworks(workspace, "verify")
    assert checked.returncode == 4
    assert shard.name in checked.stderr
    change_params(workspace, "release", title="Another title")
    refused = gaitworks(workspace, "run", "dataset_release")
    assert refused.returncode != 0
    assert not json.loads(refused.stdout or "[]")
