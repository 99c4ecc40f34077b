"""The process: exit codes, lines on standard output, and what a SIGKILL leaves behind."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
from torch._dynamo.exc import BackendCompilerFailed

from assets.training_process import run_job
from training.checkpoint import load_newest_checkpoint
from training.data import select_side
from training.failures import accept_termination, translate_failure
from training.frame_store import open_frame_store
from training.run import main
from transforms.errors import GaitworksError
from transforms.files import canonical_json
from transforms.progress import NoProgress
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split

ROOT = Path(__file__).parents[3]
RESULTS = ("history.csv", "model.json", "model.safetensors")


def write_job(job):
    path = job.output.with_name(f"{job.output.name}.json")
    path.write_bytes(canonical_json(job.model_dump(mode="json")))
    return path


def start(job):
    return subprocess.Popen(
        [sys.executable, "-m", "training.run", str(write_job(job))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(job):
    with start(job) as process:
        events = [json.loads(line) for line in process.stdout]
    return process.returncode, events


def read_results(job):
    return {name: (job.output / name).read_bytes() for name in RESULTS}


@pytest.fixture
def in_this_process(monkeypatch):
    """`main` as a function: no watcher thread, torch's deterministic mode put back."""
    import torch

    monkeypatch.setattr("training.run.exit_with_parent", lambda: None)
    yield main
    torch.use_deterministic_algorithms(False)


def last_event(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_training_then_evaluation_writes_what_the_contract_says(
    tiny_cohort, tmp_path, in_this_process
):
    job = tiny_cohort.training_job(tmp_path / "model", model="sconet_mt")
    assert in_this_process([str(write_job(job))]) == 0
    assert sorted(path.name for path in job.output.iterdir()) == list(RESULTS)
    card = json.loads((job.output / "model.json").read_bytes())
    assert card["dataset_version"] == tiny_cohort.version
    assert card["triplet_identity"] == "sequence"
    assert card["chosen"]["by"] == "selection_accuracy"
    assert str(tmp_path) not in json.dumps(card)

    judged = tiny_cohort.evaluation_job(job, tmp_path / "evaluation")
    assert in_this_process([str(write_job(judged))]) == 0
    predictions = pl.read_parquet(judged.output / "predictions.parquet")
    assert predictions["sequence_id"].to_list() == ["s300", "s310", "s320"]
    assert predictions["side"].unique().to_list() == ["test"]
    probabilities = predictions.select("p_negative", "p_neutral", "p_positive").to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    labels = np.array(["negative", "neutral", "positive"])
    assert predictions["predicted"].to_list() == labels[probabilities.argmax(axis=1)].tolist()
    selected = pl.read_parquet(judged.output / "selection_predictions.parquet")
    assert selected["side"].unique().to_list() == ["selection"]
    assert not set(selected["participant_id"]) & set(predictions["participant_id"])
    metrics = json.loads((judged.output / "metrics.json").read_bytes())
    point = metrics["units"]["participant"]["operating_points"]["any_abnormality"]
    assert point["sensitivity_95_by_selection"]["selection_participants"] == 2
    assert set(metrics["units"]) == {"participant", "sequence"}
    assert metrics["dataset_version"] == tiny_cohort.version
    assert metrics["split_sha256"] == card["split_sha256"]


def test_the_same_job_elsewhere_gives_the_same_bytes(tiny_cohort, tmp_path, in_this_process):
    jobs = [
        tiny_cohort.training_job(tmp_path / name / "model", scratch=tmp_path / name / "scratch")
        for name in ("first", "second")
    ]
    for job in jobs:
        assert in_this_process([str(write_job(job))]) == 0
    assert read_results(jobs[0]) == read_results(jobs[1])


def test_a_finished_training_is_taken_from_scratch(
    tiny_cohort, tmp_path, in_this_process, monkeypatch, capsys
):
    first = tiny_cohort.training_job(tmp_path / "first")
    assert in_this_process([str(write_job(first))]) == 0
    monkeypatch.setattr("training.train.train_model", None)  # calling it would fail
    second = tiny_cohort.training_job(tmp_path / "second")
    assert in_this_process([str(write_job(second))]) == 0
    assert read_results(first) == read_results(second)
    third = tiny_cohort.training_job(tmp_path / "third", seed=1)
    assert in_this_process([str(write_job(third))]) == 1
    assert "not foreseen" in last_event(capsys)["error"]["what"]


def test_the_model_of_another_experiment_is_not_judged(
    tiny_cohort, tmp_path, in_this_process, capsys
):
    job = tiny_cohort.training_job(tmp_path / "model")
    in_this_process([str(write_job(job))])
    other = tiny_cohort.evaluation_job(job, tmp_path / "other", seed=1)
    assert in_this_process([str(write_job(other))]) == 4
    assert "another seed" in last_event(capsys)["error"]["what"]

    weights = job.output / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    same = tiny_cohort.evaluation_job(job, tmp_path / "same")
    assert in_this_process([str(write_job(same))]) == 4
    assert last_event(capsys)["error"]["what"] == "the weights are damaged"
    assert list(same.output.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "code", "what"),
    [
        ({"model": "resnet"}, 3, "no such model"),
        ({"variant": "ratio_1_1_8"}, 3, "the split has no such variant"),
        ({"splits": Path("nowhere")}, 4, "no such file"),
        ({"dataset": Path("nowhere")}, 4, "no manifest"),
    ],
)
def test_errors_are_one_json_line_and_an_exit_code(
    tiny_cohort, tmp_path, in_this_process, capsys, changes, code, what
):
    job = tiny_cohort.training_job(tmp_path / "model", **changes)
    assert in_this_process([str(write_job(job))]) == code
    error = last_event(capsys)["error"]
    assert error["what"] == what
    assert error["exit_code"] == code
    assert list(job.output.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "training"}', '{"kind": "dance"}'])
def test_a_file_that_is_no_job_is_refused(tmp_path, in_this_process, capsys, text):
    path = tmp_path / "job.json"
    path.write_text(text)
    assert in_this_process([str(path)]) == 3
    assert last_event(capsys)["error"]["what"].startswith("not a job")


@pytest.mark.parametrize("arguments", [[], ["a.json", "b.json"], ["missing.json"]])
def test_a_wrong_command_line_is_refused(in_this_process, capsys, arguments):
    assert in_this_process(arguments) == 3
    assert "error" in last_event(capsys)


def test_running_out_of_memory_is_said_in_words(
    tiny_cohort, tmp_path, in_this_process, capsys, monkeypatch
):
    def run_out(*arguments, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 GB")

    monkeypatch.setattr("training.train.train_model", run_out)
    job = tiny_cohort.training_job(tmp_path / "model")
    assert in_this_process([str(write_job(job))]) == 1
    assert last_event(capsys)["error"]["what"] == "out of memory"


def test_a_job_heeds_a_termination_that_its_parent_ignores():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        accept_termination()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "out of memory"),
        (
            RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [::1]:5001"),
            "another process of this training has ended",
        ),
        (
            BackendCompilerFailed(compile, RuntimeError("InvalidCxxCompiler: no g++"), None),
            "torch.compile cannot compile the training step",
        ),
        (KeyError("step"), "the job failed in a way that is not foreseen"),
    ],
)
def test_failures_are_told_apart(error, what):
    translated = translate_failure(error)
    assert translated.what == what
    assert translated.found
    assert translated.fix


@pytest.fixture
def damage_side():
    """Return a function that flips a bit of every frame of a side in the frame store."""

    def damage(cohort, side):
        dataset = open_dataset(cohort.dataset)
        store = open_frame_store(dataset, cohort.scratch, NoProgress())
        split = load_split(cohort.splits / "split.parquet", dataset.version)
        positions = select_side(split, "ratio_1_1_2", side, store).positions
        (frames,) = store.directory.glob("frames*")
        rows = np.memmap(frames, np.uint8, "r+").reshape(-1, store.rows.shape[1])
        for position in positions:
            rows[store.index.offsets[position] : store.index.offsets[position + 1]] ^= 1
        rows.flush()

    return damage


def test_training_never_reads_the_test_side(
    tiny_cohort, tmp_path, in_this_process, capsys, damage_side
):
    # Whatever is read is checked first: a side that is damaged throughout cannot be read unnoticed.
    clean = tiny_cohort.training_job(tmp_path / "clean", scratch=tmp_path / "scratch")
    assert in_this_process([str(write_job(clean))]) == 0
    damage_side(tiny_cohort, "test")
    job = tiny_cohort.training_job(tmp_path / "model")
    assert in_this_process([str(write_job(job))]) == 0
    assert read_results(job) == read_results(clean)

    judge = tiny_cohort.evaluation_job(job, tmp_path / "evaluation")
    assert in_this_process([str(write_job(judge))]) == 4
    assert "damaged frames" in last_event(capsys)["error"]["what"]

    damage_side(tiny_cohort, "selection")
    other = tiny_cohort.training_job(tmp_path / "other", seed=1)
    assert in_this_process([str(write_job(other))]) == 4
    assert "damaged frames" in last_event(capsys)["error"]["what"]


@pytest.mark.slow
def test_a_killed_process_started_again_gives_the_bytes_of_an_undisturbed_one(
    tiny_cohort, tmp_path, tiny_settings, in_this_process, capsys
):
    settings = tiny_settings.model_copy(
        update={"steps": 60, "milestones": (40,), "checkpoint_every_steps": 7}
    )
    whole = tiny_cohort.training_job(
        tmp_path / "whole", training=settings, scratch=tmp_path / "scratch"
    )
    assert in_this_process([str(write_job(whole))]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(event["advance"] for event in events if "loss" in event.get("note", "")) == 60

    # Once while the frame store is built, then in training; which step it meets is left to chance.
    cut = tiny_cohort.training_job(tmp_path / "cut", training=settings)
    for steps in (0, 20):
        with start(cut) as process:
            while steps > 0:
                event = json.loads(process.stdout.readline())
                steps -= event["advance"] if "loss" in event.get("note", "") else 0
            process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert list(cut.output.iterdir()) == []
    code, events = finish(cut)
    assert code == 0
    assert any("from step" in event.get("note", "") for event in events)
    assert read_results(cut) == read_results(whole)


class KillAt:
    """Kills the process that trains, once so many steps are done."""

    def __init__(self, steps):
        self.left = steps
        self.has_killed = False

    def start(self, label, total):
        pass

    def advance(self, count=1, note=""):
        self.left -= count if "loss" in note else 0
        if self.left > 0 or self.has_killed:
            return
        self.has_killed = True  # what it said before may still come
        for child in psutil.Process().children():
            # Other tests of this process may have left it more of them, dead ones among them.
            with contextlib.suppress(psutil.Error):
                if "training.run" in child.cmdline():
                    child.kill()


@pytest.mark.slow
def test_the_pipeline_says_that_a_training_was_killed_and_goes_on_from_its_checkpoint(
    tiny_cohort, tmp_path, tiny_settings
):
    settings = tiny_settings.model_copy(update={"steps": 60, "milestones": (40,)})
    job = tiny_cohort.training_job(tmp_path / "model", training=settings)
    with pytest.raises(GaitworksError, match="killed by signal 9, as the system does") as caught:
        run_job(job, tmp_path, progress=KillAt(20), log=print)
    assert "last checkpoint" in caught.value.fix
    (checkpoints,) = tiny_cohort.scratch.glob("runs/*/checkpoints")
    assert load_newest_checkpoint(checkpoints).step >= 18
    run_job(job, tmp_path, progress=NoProgress(), log=print)
    assert sorted(read_results(job)) == list(RESULTS)
