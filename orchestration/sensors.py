"""What Dagster's daemon does on its own: keep the partitions in step with the workspace."""

from dagster import DefaultSensorStatus, SensorEvaluationContext, SensorResult, sensor

from assets.partitions import Partitioning
from assets.workspace import Workspace
from orchestration.partition_keys import partition_requests


@sensor(minimum_interval_seconds=30, default_status=DefaultSensorStatus.RUNNING)
def partitions_follow_the_workspace(
    context: SensorEvaluationContext, workspace: Workspace
) -> SensorResult:
    """Register each complete batch under `raw/` and each cell of the grid as a partition."""
    requests = [
        request
        for partitioning in Partitioning
        for request in partition_requests(context.instance, workspace, partitioning)
    ]
    return SensorResult(dynamic_partitions_requests=requests)
