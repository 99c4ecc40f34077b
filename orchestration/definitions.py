"""The Dagster code location: every asset, check, sensor and resource of the pipeline.

This is the edge where the environment is read; nothing heavy is imported on the way here.
"""

import os
from typing import Final

from dagster import Definitions

from assets.catalogue import ASSETS, SOURCE_SPECS
from assets.checks import ALL_CHECKS
from assets.workspace import Workspace
from orchestration.sensors import partitions_follow_the_workspace

WORKSPACE_VARIABLE: Final = "GAITWORKS_WORKSPACE"

defs: Final = Definitions(
    assets=[*SOURCE_SPECS, *ASSETS],
    asset_checks=list(ALL_CHECKS),
    sensors=[partitions_follow_the_workspace],
    resources={"workspace": Workspace(root=os.environ.get(WORKSPACE_VARIABLE, "."))},
)
