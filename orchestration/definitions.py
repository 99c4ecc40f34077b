"""The Dagster code location: every asset, check, job, sensor, schedule and resource.

This is the edge where the environment is read; nothing heavy is imported on the way here.
"""

import os
from pathlib import Path
from typing import Final

from dagster import Definitions

from assets.catalogue import ASSETS, SOURCE_SPECS
from assets.checks import ALL_CHECKS
from assets.run_choices import ComputeDevice, RunWorkspace
from assets.workspace import PARAMS_NAME
from orchestration.automation import JOBS, batches_flow_to_the_dataset
from orchestration.schedules import verify_every_night, verify_published_files
from orchestration.sensors import batches_arrive, experiments_follow_the_grid
from transforms.errors import GaitworksError
from transforms.layout import WORKSPACE_VARIABLE
from transforms.settings import RuntimeSettings, read_settings


def configure_workspace(root: str) -> RunWorkspace:
    """Return the workspace with the values the launchpad offers: those of its `params.yaml`.

    Where that file is absent or wrong the defaults stand, so that the UI opens; a run then says
    what is wrong.
    """
    try:
        runtime = read_settings(Path(root) / PARAMS_NAME).runtime
    except (GaitworksError, OSError):
        runtime = RuntimeSettings()
    device = ComputeDevice(runtime.device)
    return RunWorkspace(root=root, worker_count=runtime.worker_count, device=device)


defs: Final = Definitions(
    assets=[*SOURCE_SPECS, *ASSETS],
    asset_checks=list(ALL_CHECKS),
    jobs=[*JOBS, verify_published_files],
    sensors=[batches_arrive, experiments_follow_the_grid, batches_flow_to_the_dataset],
    schedules=[verify_every_night],
    resources={"workspace": configure_workspace(os.environ.get(WORKSPACE_VARIABLE, "."))},
)
