"""SIGKILL of extraction or of a worker at any moment: the same bytes, nothing redone."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.extraction_batches import SmallBatch, make_small_batch, read_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> SmallBatch:
    return make_small_batch(tmp_path_factory.mktemp("small"))


def finished(cache: Path) -> dict[str, int]:
    """Return the finished recordings with the time they were written."""
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in cache.rglob("checksums.json")
        if ".tmp-" not in path.as_posix()
    }


def find_workers(pid: int) -> list[psutil.Process]:
    """Return the living descendants of a run, workers and their decoders."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children(recursive=True):
            # Python's resource tracker is no worker of ours; without it nothing is lost.
            with contextlib.suppress(psutil.Error):
                if "resource_tracker" not in " ".join(child.cmdline()):
                    found.append(child)
    return found


def kill_at(batch: SmallBatch, folder: Path, moment_s: float, *, whole: bool) -> str:
    """Kill a run or one of its workers at a moment, let it end, and check what it left."""
    cache, output = folder / "cache", folder / "output"
    process = batch.start(cache, output)
    time.sleep(moment_s)
    victims = [psutil.Process(process.pid)] if whole else find_workers(process.pid)
    fate = "too late"
    if victims and process.poll() is None:
        victim = random.Random(str(moment_s)).choice(victims)
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(victim.pid, signal.SIGKILL)
            fate = "run killed" if whole else "worker killed"
    process.communicate(timeout=300)
    if process.returncode == 0:
        assert read_bytes(output) == batch.undisturbed, f"{fate} at {moment_s:.2f} s"
        return fate
    assert fate == "run killed", f"a lost worker ended the run, at {moment_s:.2f} s"
    before = finished(cache)
    summary = batch.run(cache, folder / "again")
    assert summary["reused"] >= len(before)
    after = finished(cache)
    assert {key: after.get(key) for key in before} == before, f"redone after {moment_s:.2f} s"
    assert read_bytes(folder / "again") == batch.undisturbed, f"{fate} at {moment_s:.2f} s"
    return fate


@pytest.mark.parametrize("whole", [True, False], ids=["the run", "a worker"])
def test_killed_in_the_middle(batch: SmallBatch, tmp_path: Path, whole: bool) -> None:
    fate = kill_at(batch, tmp_path, 0.5 * batch.duration_s, whole=whole)
    assert fate != "too late"


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_killed_at_fifty_random_moments(batch: SmallBatch, tmp_path: Path) -> None:
    chance = random.Random(2026)
    fates: list[str] = []
    while len(fates) - fates.count("too late") < 50:
        number = len(fates)
        moment_s = chance.uniform(0.02, 1.0) * batch.duration_s
        fates.append(kill_at(batch, tmp_path / str(number), moment_s, whole=number % 2 == 0))
    counted = {fate: fates.count(fate) for fate in sorted(set(fates))}
    print(f"\n{counted}")
    assert min(counted["run killed"], counted["worker killed"]) >= 15
