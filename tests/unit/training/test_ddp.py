"""Two processes that `torchrun` starts give what one gives, and one that dies is not waited for."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file

from training.history import parse_history
from transforms.files import canonical_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RESULTS = ["history.csv", "model.json", "model.safetensors"]
LAUNCH = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def start(arguments, *, process_count):
    launcher = LAUNCH if process_count == 2 else (sys.executable,)
    return subprocess.Popen(
        [*launcher, "-m", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # torchrun would warn and set it
    )


def finish(arguments, *, process_count):
    process = start(arguments, process_count=process_count)
    out, err = process.communicate(timeout=300)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def write_job(job):
    path = job.output.with_name(f"{job.output.name}.json")
    path.write_bytes(canonical_json(job.model_dump(mode="json")))
    return path


def read_results(job):
    return {path.name: path.read_bytes() for path in sorted(job.output.iterdir())}


def largest_difference(first, second):
    return max(abs(first[name] - second[name]).max() for name in first)


@pytest.mark.parametrize(
    "model", ["sconet_mt", pytest.param("baseline_cnn_triplet", marks=pytest.mark.proof)]
)
def test_two_processes_make_the_updates_of_one(write_tiny_cohort, tmp_path, tiny_settings, model):
    cohort = write_tiny_cohort(tmp_path / "cohort", sides=("train", "train", "train", "test"))
    settings = tiny_settings.model_copy(
        update={"steps": 4, "milestones": (3,), "checkpoint_every_steps": 4}
    )
    job = write_job(cohort.training_job(tmp_path / "model", model=model, training=settings))
    found = []
    for process_count in (1, 2):
        output = tmp_path / f"{process_count}.safetensors"
        code, _, err = finish(
            [
                *("tests.unit.training.ddp_rank", "--job", job, "--output", output),
                *("--checkpoints", tmp_path / f"checkpoints-{process_count}"),
            ],
            process_count=process_count,
        )
        assert code == 0, err
        found.append(load_file(output))
    assert {str(tensor.dtype) for tensor in found[0].values()} == {"float64", "int64"}
    assert largest_difference(*found) < 1e-7


@pytest.fixture
def run_pair(tiny_cohort, tmp_path, tiny_settings):
    """Return a job for processes of their own, by a name."""
    settings = tiny_settings.model_copy(
        update={
            "steps": 60,
            "milestones": (40,),
            "checkpoint_every_steps": 7,
            "learning_rate": 0.001,
        }
    )
    return lambda name: tiny_cohort.training_job(
        tmp_path / name,
        model="baseline_cnn",
        training=settings,
        scratch=tmp_path / f"scratch-{name}",
    )


@pytest.mark.proof
def test_a_run_whose_rank_was_killed_says_so_and_ends_like_an_undisturbed_one(run_pair):
    whole, cut, alone = run_pair("whole"), run_pair("cut"), run_pair("alone")
    code, events, err = finish(["training.run", write_job(whole)], process_count=2)
    assert code == 0, err
    # One process alone speaks and writes.
    assert [event["total"] for event in events if "start" in event] == [15, 60]
    assert sum(event["advance"] for event in events if "loss" in event.get("note", "")) == 60
    assert sorted(read_results(whole)) == RESULTS

    process = start(["training.run", write_job(cut)], process_count=2)
    steps = 0
    while steps < 20:
        event = json.loads(process.stdout.readline())
        steps += event["advance"] if "loss" in event.get("note", "") else 0
    ranks = psutil.Process(process.pid).children(recursive=True)
    victim = next(rank for rank in ranks if rank.environ().get("RANK") == "1")
    victim.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode != 0
    # Only whole lines: the end of one may be left that `readline` has read the start of.
    errors = [json.loads(line)["error"] for line in out.splitlines() if '{"error"' in line]
    assert errors, err
    assert errors[0]["what"] in {
        "another process of this training has ended",
        "torchrun ended this process",
    }
    assert "the last checkpoint is kept" in errors[0]["fix"]
    assert not any(rank.is_running() for rank in ranks)
    assert read_results(cut) == {}

    code, events, err = finish(["training.run", write_job(cut)], process_count=2)
    assert code == 0, err
    assert any("from step" in event.get("note", "") for event in events)
    assert read_results(cut) == read_results(whole)

    # In float32 sums in another order end elsewhere in the last digits, and training adds to it.
    code, _, err = finish(["training.run", write_job(alone)], process_count=1)
    assert code == 0, err
    several, one = (
        parse_history((job.output / "history.csv").read_bytes()) for job in (whole, alone)
    )
    assert [row.loss for row in several[:6]] == pytest.approx(
        [row.loss for row in one[:6]], rel=1e-5
    )
    assert [row.loss for row in several] == pytest.approx([row.loss for row in one], rel=5e-3)
    weights = [load_file(job.output / "model.safetensors") for job in (whole, alone)]
    assert largest_difference(*weights) < 1e-3


def test_an_evaluation_by_several_processes_is_refused(tiny_cohort, tmp_path):
    training = tiny_cohort.training_job(tmp_path / "model")
    job = tiny_cohort.evaluation_job(training, tmp_path / "evaluation")
    code, events, _ = finish(["training.run", write_job(job)], process_count=2)
    assert code != 0
    assert events[0]["error"]["what"] == "only a training can be shared by processes"
    assert list(job.output.iterdir()) == []
