"""`gaitworks release verify|diff|load`: what is said, exit codes, JSON."""

import dataclasses
import json

import pytest

from transforms.errors import IntegrityError
from transforms.manifest import directory_version

# Typer takes names from Click that Click will drop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:'click.utils")]


def _call(*arguments):
    from typer.testing import CliRunner

    from orchestration.cli.main import app

    return CliRunner().invoke(app, ["release", *map(str, arguments)])


@pytest.fixture
def release_and_next(make_inputs, publish):
    """A release and one that differs in nothing but its version."""
    inputs = make_inputs()
    settings = inputs.release.model_copy(update={"version": "2026.11.1"})
    following = dataclasses.replace(inputs, release=settings)
    return publish(inputs), publish(following, "following")


def test_a_whole_release_is_said_to_be_and_its_version_can_be_held_against(release):
    version = directory_version(release)
    done = _call("verify", release, "--version", version)
    assert (done.exit_code, done.stdout) == (0, f"{release}: whole, version {version}\n")
    assert json.loads(_call("verify", release, "--json").stdout) == {
        "directory": str(release),
        "version": version,
        "problems": [],
    }
    done = _call("verify", release, "--version", "0" * 64, "--json")
    assert done.exit_code == 4
    assert [problem["kind"] for problem in json.loads(done.stdout)["problems"]] == ["version"]


def test_a_damaged_shard_is_named_with_its_sequences(release):
    shard = sorted((release / "webdataset").iterdir())[0]
    shard.unlink()
    done = _call("verify", release, "--json")
    assert done.exit_code == 4
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["path"], problem["kind"]) == (f"webdataset/{shard.name}", "missing")
    done = _call("verify", release)
    assert isinstance(done.exception, IntegrityError)
    for name in problem["sequences"]:
        assert name in str(done.exception)


def test_what_to_do_fits_what_is_wrong(release, tmp_path):
    def advice(directory):
        done = _call("verify", directory, "--version", "0" * 64)
        assert isinstance(done.exception, IntegrityError)
        return done.exception.fix

    assert advice(release).startswith("compare with the hash that the publisher states: all 64")
    for other in (tmp_path, tmp_path / "dataset"):
        assert advice(other) == "give the folder that holds the release's manifest.json"
    (release / "SHA256SUMS").unlink()
    assert advice(release).startswith("get the release again")
    (release / "manifest.json").unlink()
    assert advice(release).startswith("get the release again")


def test_a_version_that_follows_is_honoured_and_one_that_goes_back_is_not(release_and_next):
    older, newer = release_and_next
    done = _call("diff", older, newer)
    assert done.exit_code == 0, done.output
    assert "documents      0        0" in done.stdout
    assert done.stdout.endswith("2026.11.1 honours that.\n")
    done = _call("diff", newer, older, "--json")
    assert done.exit_code == 5
    described = json.loads(done.stdout)
    assert (described["level"], described["version"]["needs"]) == ("patch", "2026.11.2 or later")


def test_a_program_is_printed_or_run(release, capfd):
    done = _call("load", release, "--with", "pyarrow")
    assert done.exit_code == 0
    assert f"RELEASE = Path('{release}')" in done.stdout
    assert _call("load", release, "--with", "pyarrow", "--run").exit_code == 0
    printed = capfd.readouterr().out
    assert "p00000000-s1-side positive (2, 64, 44) uint8" in printed
    assert _call("load", release, "--with", "pickle").exit_code == 2
