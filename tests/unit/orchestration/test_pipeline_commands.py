"""What `gaitworks run`, `ui` and their like say at once, without running anything."""

import socket
from pathlib import Path
from typing import NoReturn

import pytest

from orchestration.runner import Outcome, select_stages
from transforms.errors import InputError, SettingsError

# Typer takes names from Click that Click will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'click.utils")


def outcomes(*built: bool) -> list[Outcome]:
    return [Outcome("a_stage", None, one, 0.0, "") for one in built]


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ((True,), ""),
        ((False,), ""),
        ((True, True), "all 2 steps were run\n"),
        ((True, False), "1 of 2 steps were run, the rest was up to date\n"),
        ((False, False), "nothing to do: all 2 steps are up to date\n"),
    ],
)
def test_only_more_than_one_step_is_summed_up(
    built: tuple[bool, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from orchestration.cli.pipeline import _sum_up

    _sum_up(outcomes(*built))
    assert capsys.readouterr().err == said


def test_a_reason_that_many_partitions_share_is_said_once() -> None:
    from assets.experiments import TRAINED_MODEL
    from orchestration.runner import _sum_up

    failures = [InputError("no clip", where="clips"), InputError("no clip", where="clips")]
    error = _sum_up([*failures, InputError("a lost file", where="shard")], TRAINED_MODEL, 30)
    assert error.what == "3 of 30 partitions of trained_model failed"
    assert error.found == "clips: no clip; shard: a lost file"


def test_a_stage_that_does_not_exist_is_refused_with_one_that_may_be_meant() -> None:
    with pytest.raises(SettingsError, match=r"no such stage.*did you mean extraction_score\?"):
        select_stages(["extration_score"])


def test_a_port_that_is_taken_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from orchestration.cli.main import app

    def start(*_: object) -> NoReturn:
        raise AssertionError("the UI was started")

    monkeypatch.setattr("os.execve", start)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["-C", str(tmp_path), "ui", "--port", str(port)])
    assert isinstance(done.exception, SettingsError)
    assert done.exception.where == f"127.0.0.1:{port}"
    assert not list(tmp_path.iterdir())
