"""A code location with one asset in the pool `gpu`: its first run waits to be killed."""

import os
import time
from pathlib import Path

from dagster import AssetExecutionContext, AssetSelection, Definitions, asset, define_asset_job

FOLDER = Path(os.environ["KILLED_WORKER_FOLDER"])


@asset(pool="gpu")
def trained(context: AssetExecutionContext) -> None:
    first = FOLDER / "first.pids"
    if not first.exists():
        made = FOLDER / "making.pids"
        made.write_text(f"{os.getppid()} {os.getpid()}")  # the run worker, and the step it started
        made.rename(first)
        time.sleep(600)
    (FOLDER / "finished").write_text(context.run_id)


defs = Definitions(
    assets=[trained], jobs=[define_asset_job("train", AssetSelection.assets("trained"))]
)
