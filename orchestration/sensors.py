"""What Dagster's daemon watches: batches that arrive under `raw/`, and the cells of the grid."""

import json

from dagster import (
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from assets.partitions import Partitioning, list_batch_folders
from assets.source_reports import source_reports
from assets.workspace import Workspace
from orchestration.partition_keys import partition_requests
from transforms.errors import GaitworksError


@sensor(minimum_interval_seconds=30, default_status=DefaultSensorStatus.RUNNING)
def batches_arrive(context: SensorEvaluationContext, workspace: Workspace) -> SensorResult:
    """Register a folder under `raw/` as a batch once it is complete, fit for intake and at rest.

    Complete: both tables are there (copy them last) and every video that `recordings.csv` names.
    Fit: the tables can be read and at least one row can be used. At rest: no file has changed
    since the look before. Of every other folder the tick says what it waits for.
    """
    from transforms.intake.arrival import fingerprint_folder, look_at_batch

    raw = workspace.path / "raw"
    before: dict[str, str] = json.loads(context.cursor or "{}")
    registered = set(context.instance.get_dynamic_partitions(Partitioning.INTAKE_BATCH.value))
    prints = {name: fingerprint_folder(raw / name)[0] for name in list_batch_folders(raw)}
    waiting = {}
    for name, fingerprint in prints.items():
        is_at_rest = before.get(name) == fingerprint
        if is_at_rest and name in registered:
            continue  # its tables were read when it came
        look = look_at_batch(raw / name)
        if look.faults:
            waiting[name] = "; ".join(look.faults)
        elif look.missing:
            waiting[name] = f"waits for {'; '.join(look.missing)}"
        elif not is_at_rest or look.fingerprint != fingerprint:
            waiting[name] = "complete; taken when nothing has changed at the next look"
    arrived = [name for name in prints if name not in waiting]
    wanted = sorted({*arrived, *(name for name in registered if name in prints)})
    requests = partition_requests(context.instance, workspace, Partitioning.INTAKE_BATCH, wanted)
    reports = list(source_reports(context.instance, workspace, arrived))
    said = "\n".join(f"{name}: {why}" for name, why in waiting.items())
    context.log.info(said or "no batch is on its way")
    return SensorResult(
        dynamic_partitions_requests=requests,
        asset_events=reports,
        skip_reason=None if requests or reports else said or "every batch is registered",
        cursor=json.dumps(prints),
    )


@sensor(minimum_interval_seconds=30, default_status=DefaultSensorStatus.RUNNING)
def experiments_follow_the_grid(
    context: SensorEvaluationContext, workspace: Workspace
) -> SensorResult:
    """Register each cell of the grid in `params.yaml` as a partition, and drop those that left."""
    try:
        requests = partition_requests(context.instance, workspace, Partitioning.EXPERIMENT)
    except GaitworksError as error:
        return SensorResult(skip_reason=str(error))
    said = None if requests else "every cell of the grid is registered"
    return SensorResult(dynamic_partitions_requests=requests, skip_reason=said)
