"""What is printed of an error, where parts of it came with somebody's data."""

import warnings

import pytest

from transforms.errors import GaitworksError, InputError


@pytest.fixture
def end_with(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # typer's import warns of click
        import typer

        from orchestration.cli.frame import run_app
    monkeypatch.setattr("sys.argv", ["gaitworks"])

    def run(error: Exception) -> int:
        app = typer.Typer()

        @app.command()
        def fail() -> None:
            raise error

        with pytest.raises(SystemExit) as ended:
            run_app(app)
        return ended.value.code

    return run


def test_nothing_of_a_models_card_reaches_the_terminal_as_a_command(capsys, end_with) -> None:
    error = InputError("no such model", expected="a\nb", found="\x1b[2Jx\n  fix: \ud800")
    assert end_with(error) == InputError.exit_code
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "error: no such model",
        "  expected: a",
        "    b",
        "  found:    \\x1b[2Jx",
        "      fix: \\ud800",
    ]


def test_nor_what_a_defect_says(capsys, end_with) -> None:
    assert end_with(ValueError("\x1b]0;title\x07")) == GaitworksError.exit_code
    assert "\x1b" not in capsys.readouterr().err
