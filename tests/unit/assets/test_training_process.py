"""What the pipeline makes of whatever a training process says, and of how it ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from dagster import AssetExecutionContext, DagsterInstance, MaterializeResult, asset, materialize

from assets.training_process import run_job, run_job_in_run
from training.job import TrainingJob
from transforms.errors import GaitworksError, IntegrityError, MissingDependencyError
from transforms.progress import NoProgress
from transforms.training_settings import TrainingSettings

DONE = 'print(json.dumps({"done": {"device": "cpu", "process_count": 1}}), flush=True)\n'


class Recorder:
    def __init__(self):
        self.heard = []

    def start(self, label, total):
        self.heard.append((label, total))

    def advance(self, count=1, note=""):
        self.heard.append((count, note))


@pytest.fixture
def job(tmp_path):
    names = ("dataset", "splits", "output", "scratch")
    return TrainingJob(
        experiment="sconet-ratio_1_1_2-seed_0",
        model="sconet",
        variant="ratio_1_1_2",
        seed=0,
        **{name: tmp_path / name for name in names},
        training=TrainingSettings(),
    )


@pytest.fixture
def launcher(tmp_path):
    """Return a function that makes a launcher of a program: it runs instead of any training."""

    def make(program):
        path = tmp_path / "program.py"
        path.write_text("import json, os, signal, sys, time\n" + program)
        return [sys.executable, str(path)]

    return make


def test_progress_and_log_arrive_in_order_and_garbage_is_only_text(job, tmp_path, launcher):
    program = (
        "assert sys.argv[1:3] == ['-m', 'training.run'], sys.argv\n"
        "assert json.load(open(sys.argv[3]))['experiment'] == 'sconet-ratio_1_1_2-seed_0'\n"
        "assert sys.stdin.read() == ''\n"
        "print(json.dumps({'start': 'train', 'total': 3}), flush=True)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe no utf-8\\n[1, 2]\\n{\"start\": 5}\\n\\n')\n"
        "sys.stdout.buffer.write(b'[' * 5000 + b'\\n')\n"
        'print(\'{"__dagster_pipes_version": "0.1", "method": "dance"}\')\n'
        "print(json.dumps({'advance': 3, 'note': 'loss 0.5'}))\n"
        "print(json.dumps({'log': 'learning rate 0.1'}))\n" + DONE
    )
    progress, lines = Recorder(), []
    facts = run_job(job, tmp_path, progress=progress, log=lines.append, launcher=launcher(program))
    assert facts == {"device": "cpu", "process_count": 1}
    assert progress.heard == [("train", 3), (3, "loss 0.5")]
    assert lines[:3] == ["\ufffd\ufffd no utf-8", "[1, 2]", '{"start": 5}']
    assert lines[3] == "[" * 5000
    assert "dance" in lines[4]
    assert lines[5:] == ["learning rate 0.1"]


@pytest.mark.parametrize("code", [0, 1, 4, 255])
def test_an_error_keeps_its_kind_whatever_the_launcher_makes_of_the_exit_code(
    job, tmp_path, launcher, code
):
    error = {"what": "the weights are damaged", "where": "a file", "fix": "again", "exit_code": 4}
    later = {"what": "another process of this training has ended", "exit_code": 1}
    program = f"print(json.dumps({{'error': {error}}}))\nprint(json.dumps({{'error': {later}}}))\n"
    with pytest.raises(IntegrityError, match="the weights are damaged") as caught:
        run_job(
            job,
            tmp_path,
            progress=NoProgress(),
            log=print,
            launcher=launcher(f"{program}sys.exit({code})"),
        )
    assert caught.value.details() == {"where": "a file", "fix": "again"}


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9, as the system does"),
        ("sys.exit(137)", "killed by signal 9, as the system does"),
        ("print('one', file=sys.stderr)\nsys.exit(255)", "exit code 255; last lines: one"),
        ("print('no job was run')", "exit code 0; last lines: none"),
    ],
)
def test_a_process_that_ends_without_a_word_is_no_success(job, tmp_path, launcher, program, found):
    with pytest.raises(GaitworksError, match="ended without a word") as caught:
        run_job(job, tmp_path, progress=NoProgress(), log=print, launcher=launcher(program))
    assert found in caught.value.found
    assert Path(caught.value.where).is_file()


def test_a_launcher_that_is_not_there_is_named(job, tmp_path):
    with pytest.raises(MissingDependencyError, match="no-such-launcher"):
        run_job(job, tmp_path, progress=NoProgress(), log=print, launcher=["no-such-launcher"])


def test_torchrun_is_found_beside_our_python(job, tmp_path, monkeypatch):
    commands = []

    def refuse(command, **options):
        commands.append(command)
        raise OSError("not started")

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(OSError, match="not started"):
        run_job(job, tmp_path, progress=NoProgress(), log=print, launcher=["torchrun", "-x"])
    assert commands[0][:2] == [str(Path(sys.executable).parent / "torchrun"), "-x"]
    assert commands[0][2:4] == ["-m", "training.run"]


def test_an_interrupt_ends_the_process_first(job, tmp_path, launcher, heeded_sigterm):
    class Interrupt(NoProgress):
        def start(self, label, total):
            raise KeyboardInterrupt

    program = "print(json.dumps({'start': 'train', 'total': 1}), flush=True)\ntime.sleep(99)"
    began = time.monotonic()
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(KeyboardInterrupt):
        run_job(job, tmp_path, progress=Interrupt(), log=print, launcher=launcher(program))
    assert time.monotonic() - began < 30
    left = set(psutil.Process().children(recursive=True)) - before
    alive = [child for child in left if child.status() != psutil.STATUS_ZOMBIE]
    assert [child for child in alive if "program.py" in " ".join(child.cmdline())] == []


@pytest.fixture
def heeded_sigterm():
    """SIGTERM as a process finds it at its start; tests through Dagster may leave it ignored."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run_through_dagster(job, tmp_path):
    """Return a function that runs a launcher's program as an asset and tells what came of it."""

    def run(launcher):
        progress, facts = Recorder(), {}

        @asset
        def probe(context: AssetExecutionContext) -> MaterializeResult:
            found = run_job_in_run(
                context, job, tmp_path / "scratch", progress=progress, launcher=launcher
            )
            facts.update(found)
            return MaterializeResult()

        with DagsterInstance.ephemeral() as instance:
            result = materialize([probe], instance=instance, raise_on_error=False)
            events = instance.all_logs(result.run_id)
        return result, facts, events, progress.heard

    return run


PIPES = (
    "from dagster_pipes import PipesCliArgsParamsLoader, open_dagster_pipes\n"
    "pipes = open_dagster_pipes(params_loader=PipesCliArgsParamsLoader())\n"
    "pipes.report_custom_message({'start': 'train', 'total': 2})\n"
    "pipes.log.warning('about ' + pipes.asset_key)\n"
    "print('text in between', flush=True)\n"
    "pipes.report_custom_message({'advance': 2, 'note': 'loss 0.5'})\n"
)


def test_pipes_messages_become_progress_log_entries_and_facts(run_through_dagster, launcher):
    end = "pipes.report_custom_message({'done': {'process_count': 1}})\npipes.close()\n"
    result, facts, events, heard = run_through_dagster(launcher(PIPES + end))
    assert result.success
    assert facts == {"process_count": 1}
    assert heard == [("train", 2), (2, "loss 0.5")]
    said = [(event.level, event.user_message) for event in events]
    assert (30, "about probe") in said
    assert (20, "text in between") in said
    assert [text for level, text in said if level >= 30 and "[pipes]" in text] == []


def test_an_error_through_pipes_fails_the_run_with_its_words(run_through_dagster, launcher):
    end = (
        "pipes.report_custom_message({'error': {'what': 'the weights are damaged', "
        "'exit_code': 4}})\nsys.exit(4)\n"
    )
    result, _, events, _ = run_through_dagster(launcher(PIPES + end))
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert failure.step_failure_data.error.cause.cls_name == "IntegrityError"
    assert "the weights are damaged" in failure.step_failure_data.error.cause.message
    # Dagster itself says that the session was not closed.
    assert any("did not receive closed message" in event.user_message for event in events)


def test_only_what_is_announced_is_spoken_to(tmp_path):
    """The option that announces Pipes reaches a process without any environment."""
    program = (
        "import sys; from training.reporting import split_arguments as split; "
        "print(split(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "job.json", "--dagster-pipes-context", "abc="],
        capture_output=True,
        text=True,
        check=True,
        env={},
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "(['job.json'], {'DAGSTER_PIPES_CONTEXT': 'abc='})"
