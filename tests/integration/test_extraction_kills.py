"""SIGKILL of extraction or of a worker at any moment: the same bytes, nothing redone."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.extraction_batches import SmallBatch, read_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def finished(cache: Path) -> dict[str, int]:
    """Return the finished recordings with the time they were written."""
    # Level by level: what is being written gets another name while one looks into it.
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in cache.glob("[!.]*/[!.]*/checksums.json")
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


def kill_after(
    batch: SmallBatch, folder: Path, wait: Callable[[Path], None], *, whole: bool
) -> str:
    """Kill a run or one of its workers after a wait, let it end, and check what it left."""
    cache, output = folder / "cache", folder / "output"
    began = time.monotonic()
    process = batch.start(cache, output)
    wait(cache)
    moment_s = time.monotonic() - began
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


def wait_for_the_third(cache: Path) -> None:
    """Wait until three of the eight recordings are finished."""
    while len(finished(cache)) < 3:
        time.sleep(0.01)


@pytest.mark.parametrize("whole", [True, False], ids=["the run", "a worker"])
def test_killed_in_the_middle(small_batch: SmallBatch, tmp_path: Path, whole: bool) -> None:
    fate = kill_after(small_batch, tmp_path, wait_for_the_third, whole=whole)
    assert fate == ("run killed" if whole else "worker killed")


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_killed_at_fifty_random_moments(small_batch: SmallBatch, tmp_path: Path) -> None:
    chance = random.Random(2026)
    duration_s = small_batch.measure_s(tmp_path / "undisturbed")
    fates: list[str] = []
    while len(fates) - fates.count("too late") < 50:
        number = len(fates)
        moment_s = chance.uniform(0.02, 1.0) * duration_s
        folder, whole = tmp_path / str(number), number % 2 == 0
        fates.append(
            kill_after(small_batch, folder, lambda _, s=moment_s: time.sleep(s), whole=whole)
        )
    counted = {fate: fates.count(fate) for fate in sorted(set(fates))}
    print(f"\n{counted}")
    assert min(counted["run killed"], counted["worker killed"]) >= 15
