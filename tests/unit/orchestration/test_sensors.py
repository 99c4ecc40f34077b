import json
import shutil
from pathlib import Path

import pytest
from dagster import (
    AddDynamicPartitionsRequest,
    AssetMaterialization,
    DagsterInstance,
    DeleteDynamicPartitionsRequest,
    SensorResult,
    build_sensor_context,
)

from assets.workspace import Workspace
from orchestration.partition_keys import register_partitions
from orchestration.sensors import batches_arrive, experiments_follow_the_grid

ROOT = Path(__file__).parent.parent.parent.parent
PEOPLE = "participant_id,label,sex,age_years,height_cm,weight_kg\nP1,positive,F,14,160,50\n"
TAKES = "recording_id,participant_id,file,view\nR1,P1,a.mp4,side\n"


@pytest.fixture
def root(tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "raw").mkdir()
    return tmp_path


@pytest.fixture
def instance():
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Daemon:
    """Ticks the sensor as Dagster's daemon does: keeps its cursor and applies what it asks for."""

    def __init__(self, instance, root):
        self.instance, self.root, self.cursor = instance, root, None
        self.tick()  # reports the sources that are no batches

    def tick(self) -> SensorResult:
        context = build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"workspace": Workspace(root=str(self.root))},
        )
        result = batches_arrive(context)
        self.cursor = result.cursor
        for request in result.dynamic_partitions_requests or []:
            name, keys = request.partitions_def_name, list(request.partition_keys)
            if isinstance(request, AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(name, keys)
            else:
                assert isinstance(request, DeleteDynamicPartitionsRequest)
                for key in keys:
                    self.instance.delete_dynamic_partition(name, key)
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return result

    @property
    def batches(self):
        return self.instance.get_dynamic_partitions("intake_batch")


def reported(result, name="raw_cohort"):
    events = [event for event in result.asset_events if isinstance(event, AssetMaterialization)]
    return [event.partition for event in events if event.asset_key.to_user_string() == name]


def copy_batch(root, name="batch_001", tables=True, video=b"x" * 100):
    folder = root / "raw" / name
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    if video is not None:
        (folder / "videos" / "a.mp4").write_bytes(video)
    if tables:
        (folder / "participants.csv").write_text(PEOPLE)
        (folder / "recordings.csv").write_text(TAKES)
    return folder


def test_a_complete_batch_is_registered_at_the_second_look_and_reported_once(instance, root):
    daemon = Daemon(instance, root)
    copy_batch(root)
    first = daemon.tick()
    assert daemon.batches == []
    assert "batch_001: complete; taken when nothing has changed" in first.skip_reason.skip_message
    second = daemon.tick()
    assert daemon.batches == ["batch_001"]
    assert reported(second) == ["batch_001"]
    third = daemon.tick()
    assert third.skip_reason.skip_message == "every batch is registered"


def test_a_half_copied_batch_is_ignored_until_it_is_whole_and_at_rest(instance, root):
    daemon = Daemon(instance, root)
    folder = copy_batch(root, tables=False, video=None)
    for _ in range(3):
        assert "waits for participants.csv" in daemon.tick().skip_reason.skip_message
    (folder / "participants.csv").write_text(PEOPLE)
    (folder / "recordings.csv").write_text(TAKES)
    for _ in range(3):
        assert "waits for 1 of 1 videos (a.mp4)" in daemon.tick().skip_reason.skip_message
    for size in (100, 200, 300):  # the video is still growing
        copy_batch(root, video=b"x" * size)
        daemon.tick()
        assert daemon.batches == []
    daemon.tick()
    assert daemon.batches == ["batch_001"]


def test_an_invalid_batch_is_not_registered_and_the_tick_says_why(instance, root):
    daemon = Daemon(instance, root)
    folder = copy_batch(root, name="broken")
    (folder / "participants.csv").write_text("name\nJane\n")
    copy_batch(root, name="sound")
    for _ in range(3):
        said = daemon.tick().skip_reason
    assert daemon.batches == ["sound"]
    assert "broken: participants.csv: missing column participant_id" in said.skip_message
    assert "Jane" not in said.skip_message


def test_a_batch_that_changes_is_reported_again_and_one_that_leaves_is_dropped(instance, root):
    daemon = Daemon(instance, root)
    copy_batch(root, name="one")
    copy_batch(root, name="two")
    daemon.tick()
    daemon.tick()
    assert daemon.batches == ["one", "two"]
    copy_batch(root, name="two", video=b"y" * 77)
    assert reported(daemon.tick()) == []
    assert reported(daemon.tick()) == ["two"]
    shutil.rmtree(root / "raw" / "one")
    daemon.tick()
    assert daemon.batches == ["two"]


def test_a_decision_on_a_recording_and_new_weights_are_reported(instance, root):
    daemon = Daemon(instance, root)
    copy_batch(root)
    daemon.tick()
    first = daemon.tick()
    assert reported(first, "overrides") == ["batch_001"]
    (root / "overrides" / "batch_001").mkdir(parents=True)
    (root / "overrides" / "batch_001" / "overrides.csv").write_text("x")
    (root / "weights.toml").write_text("")
    changed = daemon.tick()
    assert reported(changed, "overrides") == ["batch_001"]
    assert reported(changed, "model_weights") == [None]
    assert reported(changed) == []


def test_what_the_command_line_registered_stays_and_is_not_reported_again(instance, root):
    copy_batch(root)
    register_partitions(instance, Workspace(root=str(root)))
    daemon = Daemon(instance, root)
    for _ in range(3):
        result = daemon.tick()
        assert daemon.batches == ["batch_001"]
        assert result.asset_events == []


def test_batches_that_are_known_and_at_rest_are_not_read_again(instance, root, monkeypatch):
    daemon = Daemon(instance, root)
    for number in range(10):
        copy_batch(root, name=f"batch_{number:03}")
    daemon.tick()
    daemon.tick()
    assert len(daemon.batches) == 10
    assert len(json.dumps(daemon.cursor)) < 10 * 150
    reads = []
    monkeypatch.setattr("transforms.intake.arrival.look_at_batch", reads.append)
    assert daemon.tick().skip_reason.skip_message == "every batch is registered"
    assert reads == []


def test_cells_follow_the_grid_and_wrong_params_are_said(instance, root):
    def tick():
        return experiments_follow_the_grid(
            build_sensor_context(
                instance=instance, resources={"workspace": Workspace(root=str(root))}
            )
        )

    (request,) = tick().dynamic_partitions_requests
    assert "sconet-ratio_1_1_2-seed_0" in request.partition_keys
    instance.add_dynamic_partitions("experiment", list(request.partition_keys))
    assert "every cell" in tick().skip_reason.skip_message
    (root / "params.yaml").write_text("nonsense: 1\n")
    assert "nonsense" in tick().skip_reason.skip_message
