"""How long the Dagster UI takes to show a large workspace: 256 intake batches, 200 experiments.

    python -m benchmarks.ui_load [--batches 256] [--rounds 7] [--folder DIR] [--json FILE]

Real: `gaitworks ui` with its web server, daemon and code server, all partitions, and Chromium.
Stood in for: nothing is computed; runs, checks and materialisations (with a picture of the size
the pipeline allows) are written through the instance, every batch holds the same small video, and
the runs that automation asks for stay in the queue.

A visit begins with an empty tab and ends when the named content is on the screen. The first one
loads the program of the UI, too; the others find it in the browser's cache, as a person's do: of
those the median and the slowest are given in wall-clock seconds. On a machine that does other work
too, look at the processor time: what browser, web server, code server and daemon together used.
"""

import argparse
import base64
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil
import yaml
from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    MetadataValue,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData

from assets.catalogue import STAGES
from assets.checks import ALL_CHECKS
from assets.partitions import Partitioning
from assets.previews import PICTURE_MAX_BYTES
from assets.stage import Stage
from assets.workspace import Workspace
from orchestration.instance import HOME_NAME, open_instance
from orchestration.partition_keys import register_partitions
from tests.browser.chromium import Browser, open_browser
from tests.browser.ui_pages import asset_path, graph_path
from tests.browser.ui_server import UiServer, serve_ui
from tests.integration.workspaces import ROOT, make_workspace
from transforms.synth.video import encode_video

if TYPE_CHECKING:
    from playwright.sync_api import Page

BATCHES: Final = 256
CELLS: Final[dict[str, list[Any]]] = {  # 5 x 4 x 10 = 200
    "models": ["baseline_cnn", "baseline_cnn_mt", "sconet", "sconet_triplet", "sconet_mt"],
    "variants": ["ratio_1_1_2", "ratio_1_1_4", "ratio_1_1_8", "ratio_1_1_16"],
    "seeds": list(range(10)),
}
CELL_COUNT: Final = 200
FAILED_EVERY: Final = 40  # one run in so many failed
JOB_NAME: Final = "__ASSET_JOB"  # what the UI's own runs of assets are called
GOAL_S: Final = 2.0


def make_large_workspace(path: Path, batch_count: int) -> Workspace:
    """Make a workspace with that many intake batches and the grid's cells."""
    make_workspace(path)
    params = yaml.safe_load((path / "params.yaml").read_text())
    params["experiments"] |= CELLS
    params["splits"]["ratios"] = CELLS["variants"]
    (path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    grey = np.full((180, 160), 128, np.uint8)  # I420: 120 rows of grey and 60 of colour
    video = encode_video([grey] * 40, fps=15, width_px=160, height_px=120)
    for number in range(1, batch_count + 1):
        write_batch(path / "raw" / f"batch_{number:03d}", f"p{number:08x}", video)
    home = path / HOME_NAME
    home.mkdir()
    configuration = yaml.safe_load((ROOT / HOME_NAME / "dagster.yaml").read_text())
    configuration["concurrency"]["runs"] = {"max_concurrent_runs": 0}
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    return Workspace(root=str(path))


def write_batch(folder: Path, participant_id: str, video: bytes) -> None:
    """Write a batch of one participant and one recording."""
    videos = folder / "videos"
    videos.mkdir(parents=True)
    (videos / f"{participant_id}_s1_side.mp4").write_bytes(video)
    (folder / "participants.csv").write_text(
        "participant_id,label,sex,age_years,height_cm,weight_kg,site\n"
        f"{participant_id},negative,F,13.2,163.7,39.7,site_a\n"
    )
    recording = f"{participant_id}_s1_side"
    (folder / "recordings.csv").write_text(
        "recording_id,participant_id,file,view,session,sync_group\n"
        f"{recording},{participant_id},{recording}.mp4,side,s1,\n"
    )


def record_history(instance: DagsterInstance, workspace: Workspace) -> int:
    """Record a run for every batch, every cell and every other stage; return how many it is."""
    picture = base64.b64encode(os.urandom(PICTURE_MAX_BYTES)).decode()
    runs: list[tuple[list[Stage], str | None]] = []
    for partitioning in Partitioning:
        stages = [stage for stage in STAGES if stage.partitioning is partitioning]
        if partitioning is Partitioning.NONE:
            runs += [([stage], None) for stage in stages]
        else:
            runs += [(stages, key) for key in workspace.partition_keys(partitioning)]
    for number, (stages, partition) in enumerate(runs, start=1):
        record_run(instance, stages, partition, picture, is_failed=number % FAILED_EVERY == 0)
    return len(runs)


def record_run(
    instance: DagsterInstance,
    stages: list[Stage],
    partition: str | None,
    picture: str,
    *,
    is_failed: bool,
) -> None:
    """Record what a run of some stages leaves in the instance."""
    run = instance.add_run(
        DagsterRun(
            job_name=JOB_NAME,
            status=DagsterRunStatus.STARTED,
            tags={"dagster/partition": partition} if partition else {},
            asset_selection=frozenset(AssetKey(stage.name) for stage in stages),
        )
    )

    def report(kind: DagsterEventType, data: Any = None, step: str | None = None) -> None:
        event = DagsterEvent(kind.value, JOB_NAME, step_key=step, event_specific_data=data)
        instance.report_dagster_event(event, run.run_id)

    planned = [
        (stage.name, AssetKey(stage.name), checks_of(AssetKey(stage.name))) for stage in stages
    ]
    for step, key, checks in planned:
        data = AssetMaterializationPlannedData(key, partition=partition)
        report(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, data, step)
        for check in checks:
            plan = AssetCheckEvaluationPlanned(asset_key=key, check_name=check)
            report(DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, plan, step)
    report(DagsterEventType.RUN_START)
    if is_failed:
        report(DagsterEventType.RUN_FAILURE)
        return
    metadata: dict[str, Any] = {
        "files": 9,
        "bytes": 140_531,
        "contact_sheet": MetadataValue.md(f"![noise](data:image/png;base64,{picture})"),
    }
    for step, key, checks in planned:
        made = AssetMaterialization(key, partition=partition, metadata=metadata)
        report(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made), step)
        for check in checks:
            result = AssetCheckEvaluation(key, check, True, {"problem_count": 0})
            report(DagsterEventType.ASSET_CHECK_EVALUATION, result, step)
    report(DagsterEventType.RUN_SUCCESS)


def checks_of(key: AssetKey) -> list[str]:
    """Return the names of an asset's checks."""
    keys = [check for definition in ALL_CHECKS for check in definition.check_keys]
    return [check.name for check in keys if check.asset_key == key]


@contextmanager
def opened(instance: DagsterInstance) -> Iterator[DagsterInstance]:
    """Dispose of an instance in the end."""
    try:
        yield instance
    finally:
        instance.dispose()


def pages(batch_count: int) -> dict[str, tuple[str, str, list[str]]]:
    """Return each page's address, the part of it to look at, and the texts that must be there."""
    graph = "svg foreignObject"
    return {
        "asset graph, groups closed": ("/asset-groups", graph, ["sources", "results"]),
        "asset graph, groups open": (graph_path(), graph, ["raw_cohort", "dataset_release"]),
        "asset, intake batches": (asset_path("silhouette_sequences"), "body", ["contact_sheet"]),
        "partitions, intake batches": (
            asset_path("silhouette_sequences", "partitions"),
            "body",
            [f"{batch_count} Partitions Selected", "batch_001"],
        ),
        "partitions, experiments": (
            asset_path("trained_model", "partitions"),
            "body",
            [f"{CELL_COUNT} Partitions Selected", "baseline_cnn-ratio_1_1_2-seed_0"],
        ),
        "checks of a partitioned asset": (
            asset_path("model_evaluation", "checks"),
            "body",
            ["metrics_follow_from_the_predictions"],
        ),
        "runs": ("/runs", "body", ["Success"]),
    }


def time_visit(browser: Browser, address: str, part: str, texts: list[str]) -> tuple[float, float]:
    """Return the seconds until all texts are there, and the processor time that took."""
    page: Page = browser.new_page()
    began, before = time.monotonic(), processor_times()
    page.goto(address, wait_until="commit")
    for text in texts:
        page.locator(part).get_by_text(text, exact=True).first.wait_for(state="attached")
    seconds = time.monotonic() - began
    used = sum(spent - before.get(key, 0.0) for key, spent in processor_times().items())
    page.close()
    return seconds, used


def processor_times() -> dict[int, float]:
    """Return the processor time so far of every living process that this one has started."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def measure(server: UiServer, profile: Path, batch_count: int, rounds: int) -> dict[str, Any]:
    """Visit every page in turn, several times over."""
    visits: dict[str, list[tuple[float, float]]] = {}
    with open_browser(profile, keeps_cache=True) as browser:
        for _ in range(rounds + 1):
            for name, (path, part, texts) in pages(batch_count).items():
                visit = time_visit(browser, server.url + path, part, texts)
                visits.setdefault(name, []).append(visit)
        if browser.outside:
            raise RuntimeError(f"the UI asked for {browser.outside}")
    return {name: sum_up(found) for name, found in visits.items()}


def sum_up(visits: list[tuple[float, float]]) -> dict[str, float]:
    """Return the first visit's seconds, and of the others what is typical and what is slowest."""
    seconds, used = zip(*visits[1:], strict=True)
    found = {
        "first": visits[0][0],
        "median": statistics.median(seconds),
        "slowest": max(seconds),
        "processor": statistics.median(used),
    }
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep the workspace here, and use it again")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        workspace = Workspace(root=str(folder / "workspace"))
        if not workspace.path.exists():
            began = time.monotonic()
            make_large_workspace(workspace.path, arguments.batches)
            with opened(open_instance(workspace)) as instance:
                register_partitions(instance, workspace)
                count = record_history(instance, workspace)
            print(f"{count} runs recorded in {time.monotonic() - began:.0f} s", flush=True)
        # The server looks for the instance in the workspace it is given.
        os.environ.pop("DAGSTER_HOME", None)
        with serve_ui(workspace.path, folder / "ui.log") as server:
            result = measure(
                server, Path(temporary) / "profile", arguments.batches, arguments.rounds
            )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| page | first visit | median | slowest | processor time |\n|---|---:|---:|---:|---:|")
    for name, found in result.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in found.values()) + " |")
    late = [name for name, found in result.items() if found["median"] >= GOAL_S]
    print(f"goal of {GOAL_S} s: {'missed by ' + ', '.join(late) if late else 'met by all'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
