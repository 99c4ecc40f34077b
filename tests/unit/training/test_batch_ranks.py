"""Batches shared by processes of their own, which meet over gloo as under DDP."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
STEPS = 40


def read(cohort, settings, folder, *, world_size, threads, stops) -> list[list[str]]:
    """Return the digests of all batches, a list per interruption."""
    folder.mkdir()
    command = [
        *(sys.executable, "-m", "tests.unit.training.batch_ranks"),
        *("--root", str(cohort.dataset.parent)),
        *("--settings", settings.model_dump_json()),
        *("--world-size", str(world_size)),
        *("--threads", str(threads)),
        *("--steps", str(STEPS)),
        *("--stops", *map(str, stops)),
        *("--meeting", str(folder / "meeting")),
        *("--output", str(folder / "digests.json")),
    ]
    ranks = [
        subprocess.Popen([*command, "--rank", str(rank)], cwd=ROOT, stderr=subprocess.PIPE)
        for rank in range(world_size)
    ]
    errors = [rank.communicate(timeout=120)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * world_size, errors
    return json.loads((folder / "digests.json").read_text())


EVERY_WAY = [(world_size, threads) for world_size in (1, 2) for threads in (0, 1, 2)]


@pytest.mark.parametrize(
    ("balance", "ways"),
    [
        ("none", [(1, 1), (2, 2)]),
        ("classes", [(2, 0)]),
        pytest.param("none", EVERY_WAY, marks=pytest.mark.proof),
    ],
)
def test_processes_that_were_interrupted_hold_the_batches_of_a_single_one_that_was_not(
    tmp_path, tiny_cohort, tiny_settings, balance, ways
):
    settings = tiny_settings.model_copy(update={"batch_balance": balance})
    (expected,) = read(
        tiny_cohort, settings, tmp_path / "whole", world_size=1, threads=0, stops=[STEPS]
    )
    assert len(set(expected)) == STEPS
    for world_size, threads in ways:
        generator = np.random.default_rng([world_size, threads])
        stops = generator.choice(STEPS, 20, replace=False).tolist()
        found = read(
            tiny_cohort,
            settings,
            tmp_path / f"{world_size}-{threads}",
            world_size=world_size,
            threads=threads,
            stops=stops,
        )
        assert found == [expected] * 20
