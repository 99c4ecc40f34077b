"""What the UI shows of a finished run, and what a failed check stops there."""

import base64
import json
import os
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    ExecuteInProcessResult,
    MarkdownMetadataValue,
    PathMetadataValue,
    RunsFilter,
    TableSchemaMetadataValue,
    materialize,
)

from assets.catalogue import ASSETS, SOURCE_SPECS, STAGES
from assets.checks import ALL_CHECKS
from assets.guards import refuse_failed_inputs
from assets.partitions import Partitioning
from assets.progress import LAUNCHED_BY_CLI, LAUNCHED_BY_TAG
from assets.splits import PARTICIPANT_SPLITS
from assets.workspace import Workspace
from orchestration.runner import partitions_to_run
from tests.integration.workspaces import copy_workspace
from transforms.errors import RefusalError
from transforms.manifest import directory_version, read_manifest, write_manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LIMIT_BYTES = 100_000
PICTURE = re.compile(r"!\[([^\]]+)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


@pytest.fixture
def instance(reference):
    with DagsterInstance.from_config(str(reference / ".dagster")) as opened:
        yield opened


def latest_metadata(instance, name):
    event = instance.get_latest_materialization_event(AssetKey(name))
    assert event is not None, name
    return event.asset_materialization.metadata


def size_of(value):
    shown = value.value
    if isinstance(value, TableSchemaMetadataValue):
        shown = [[column.name, column.type, column.description] for column in shown.columns]
    return len(shown if isinstance(shown, str) else json.dumps(shown, default=str))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_what_every_asset_shows_is_small_whole_and_linked(instance, reference, stage):
    shown = latest_metadata(instance, stage.name)
    assert {
        name: size_of(value) for name, value in shown.items() if size_of(value) >= LIMIT_BYTES
    } == {}
    for name in ("version", "code_version", "inputs", "files", "bytes", "file_list", "path"):
        assert name in shown, name
    directory = Path(shown["path"].value)
    manifest = read_manifest(directory)
    assert shown["bytes"].value == sum(entry["bytes"] for entry in manifest["files"])
    assert shown["version"].value == directory_version(directory)
    largest = max(manifest["files"], key=lambda entry: entry["bytes"])
    assert largest["sha256"] in shown["file_list"].value
    for name, value in shown.items():
        if isinstance(value, PathMetadataValue):
            assert Path(value.value).exists(), name
            assert Path(value.value).is_relative_to(reference / "data"), name


WITH_TABLE = {
    "intake_register": "recordings.parquet",
    "silhouette_sequences": "recordings.parquet",
    "silhouette_shards": "index.parquet",
    "dual_view_clips": "clips.parquet",
    "participant_splits": "split.parquet",
    "model_evaluation": "predictions.parquet",
}


@pytest.mark.parametrize("name", list(WITH_TABLE))
def test_tables_show_their_rows_and_columns_with_words(instance, name):
    shown = latest_metadata(instance, name)
    table = pl.read_parquet(Path(shown["path"].value) / WITH_TABLE[name])
    assert shown["dagster/row_count"].value == table.height
    schema = shown["dagster/column_schema"]
    assert isinstance(schema, TableSchemaMetadataValue)
    assert [column.name for column in schema.value.columns] == table.columns
    assert all(column.description for column in schema.value.columns)


WITH_PICTURES = {
    "silhouette_sequences": 3,
    "silhouette_shards": 1,
    "participant_splits": 1,
    "trained_model": 1,
    "model_evaluation": 1,
}


def test_pictures_are_there_and_none_is_a_raw_video_frame(instance, reference):
    """A raw frame has its video's shape and many colours; drawings and silhouettes have neither."""
    import cv2
    import numpy as np

    videos = set()
    for path in sorted((reference / "raw").rglob("*.mp4")):
        capture = cv2.VideoCapture(str(path))
        videos.add(
            (
                int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
                int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            )
        )
        _, frame = capture.read()
        capture.release()
    assert videos
    raw_colours = len(np.unique(frame.reshape(-1, 3), axis=0)) / (frame.shape[0] * frame.shape[1])
    for stage in STAGES:
        found = []
        for value in latest_metadata(instance, stage.name).values():
            if isinstance(value, MarkdownMetadataValue):
                assert "data:image" not in PICTURE.sub("", value.value)
                found += PICTURE.findall(value.value)
        assert len(found) >= WITH_PICTURES.get(stage.name, 0), stage.name
        for words, data in found:
            image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
            assert len(words) > 10
            assert image.shape[:2] not in videos, words
            colours = len(np.unique(image.reshape(-1, 3), axis=0))
            assert colours / (image.shape[0] * image.shape[1]) < 0.2 * raw_colours, words


def test_runs_of_the_command_line_are_listed_under_the_names_of_their_assets(instance, reference):
    runs = instance.get_runs(RunsFilter(tags={LAUNCHED_BY_TAG: LAUNCHED_BY_CLI}))
    # Of this job, and of no other, the Runs page shows the assets in the job's place.
    assert {run.job_name for run in runs} == {"__ASSET_JOB"}
    shown = [
        (*(key.to_user_string() for key in run.asset_selection), run.tags.get("dagster/partition"))
        for run in runs
    ]
    workspace = Workspace(root=str(reference))
    assert set(shown) == {
        (stage.name, key) for stage in STAGES for key in partitions_to_run(workspace, stage, None)
    }


def test_every_column_of_every_contract_has_its_words():
    import pyarrow as pa

    from assets.column_words import COLUMN_WORDS
    from transforms import schemas

    contracts = [value for value in vars(schemas).values() if isinstance(value, pa.Schema)]
    columns = {name for contract in contracts for name in contract.names}
    assert columns == set(COLUMN_WORDS)


def run_as_the_ui_does(workspace: Path, *assets: str) -> ExecuteInProcessResult:
    """Run assets with their checks in one job, as a click on Materialize does."""
    environment = os.environ.copy()
    try:
        with DagsterInstance.from_config(str(workspace / ".dagster")) as instance:
            return materialize(
                [*SOURCE_SPECS, *ASSETS, *ALL_CHECKS],
                selection=AssetSelection.assets(*assets),
                instance=instance,
                resources={"workspace": Workspace(root=str(workspace))},
                raise_on_error=False,
            )
    finally:
        os.environ.clear()
        os.environ.update(environment)


def republish(directory: Path, change):
    """Change a published output and its manifest, as a defect of the stage would have."""
    facts = read_manifest(directory)["facts"]
    kind = read_manifest(directory)["kind"]
    (directory / "manifest.json").unlink()
    change(directory)
    write_manifest(directory, kind=kind, facts=facts)


def take_one_from_training(directory: Path) -> None:
    table = pl.read_parquet(directory / "split.parquet")
    is_first = pl.int_range(pl.len()) == table["side"].to_list().index("train")
    side = pl.when(is_first).then(pl.lit("unused")).otherwise(pl.col("side"))
    # The audit still passes on a ratio it can't know the promised size of; this check does not.
    table.with_columns(side.alias("side")).write_parquet(directory / "split.parquet")


def test_a_failed_blocking_check_stops_the_release_in_its_run_and_in_later_ones(
    reference, tmp_path
):
    workspace = copy_workspace(reference, tmp_path / "copy")
    release = directory_version(workspace / "data" / "release")
    republish(workspace / "data" / "splits", take_one_from_training)

    ran = run_as_the_ui_does(workspace, "participant_splits", "results_report", "dataset_release")
    assert not ran.success
    checks = {event.check_name: event for event in ran.get_asset_check_evaluations()}
    assert not checks["class_counts_are_as_promised"].passed
    assert checks["class_counts_are_as_promised"].blocking
    assert "positive" in checks["class_counts_are_as_promised"].description or "neg" in (
        checks["class_counts_are_as_promised"].description
    )
    built = {event.asset_key.to_user_string() for event in ran.get_asset_materialization_events()}
    assert built == {"participant_splits"}

    # The next click is on the release alone.
    again = run_as_the_ui_does(workspace, "dataset_release")
    assert not again.success
    assert again.get_asset_materialization_events() == []
    (failure,) = [event for event in again.all_events if event.is_step_failure]
    assert "class_counts_are_as_promised" in str(failure.step_failure_data.error)
    assert directory_version(workspace / "data" / "release") == release

    # Splits that are as they were are not refused: the verdict was about other bytes.
    shutil.rmtree(workspace / "data" / "splits")
    shutil.copytree(reference / "data" / "splits", workspace / "data" / "splits")
    with DagsterInstance.from_config(str(workspace / ".dagster")) as instance:
        given = Workspace(root=str(workspace))
        release_stage = STAGES[-1]
        assert release_stage.name == "dataset_release"
        refuse_failed_inputs(instance, given, release_stage, None)
        republish(workspace / "data" / "splits", take_one_from_training)
        with pytest.raises(RefusalError, match="class_counts_are_as_promised"):
            refuse_failed_inputs(instance, given, release_stage, None)


def test_a_batch_that_failed_is_named_even_after_another_has_passed(reference, tmp_path):
    workspace = copy_workspace(reference, tmp_path / "copy")
    given = Workspace(root=str(workspace))
    first, second = given.partition_keys(Partitioning.INTAKE_BATCH)[:2]
    stages = {stage.name: stage for stage in STAGES}
    register = stages["intake_register"].directory(given, first)

    def damage(directory: Path) -> None:
        path = directory / "participants.parquet"
        pl.read_parquet(path).drop("site").write_parquet(path)

    republish(register, damage)
    with DagsterInstance.from_config(str(workspace / ".dagster")) as instance:
        for batch, is_sound in ((first, False), (second, True)):
            ran = materialize(
                [*SOURCE_SPECS, *ASSETS, *ALL_CHECKS],
                selection=AssetSelection.assets("intake_register"),
                instance=instance,
                resources={"workspace": given},
                partition_key=batch,
                raise_on_error=False,
            )
            (evaluation,) = [
                one
                for one in ran.get_asset_check_evaluations()
                if one.check_name == "intake_tables_meet_their_contract"
            ]
            assert evaluation.passed == is_sound
        refuse_failed_inputs(instance, given, stages["silhouette_sequences"], second)
        for name, partition in (("silhouette_sequences", first), ("silhouette_shards", None)):
            with pytest.raises(RefusalError, match=first):
                refuse_failed_inputs(instance, given, stages[name], partition)


def test_every_check_judged_the_reference_and_its_guards_passed(instance):
    keys = [key for check in ALL_CHECKS for key in check.check_keys]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    verdicts = {key.name: record.evaluation for key, record in latest.items()}
    assert set(verdicts) == {key.name for key in keys}
    failed = {name for name, one in verdicts.items() if not one.passed and one.blocking}
    assert failed == set()
    for name, one in verdicts.items():
        assert all(size_of(value) < LIMIT_BYTES for value in one.metadata.values()), name
    drift = verdicts["quality_is_like_the_other_batches"]
    assert PICTURE.search(drift.metadata["picture"].value)
    assert "sharpness" in drift.metadata["measures"].value
    assert PARTICIPANT_SPLITS.name in {key.asset_key.to_user_string() for key in keys}
