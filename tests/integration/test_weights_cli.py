"""`gaitworks weights`: exit codes, JSON, `--from`, downloads from a server on this machine."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.integration.workspaces import gaitworks
from tests.unit.transforms.weights.loopback import cut, ranged, serve, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DATA = sha256(b"model").digest() * 5000


def entry(name: str, *, licence: str = "Apache-2.0", url: str | None = None) -> str:
    address = f'\nurl = "{url}"' if url else ""
    return f"""
[weights.{name}]
kind = "onnx"
task = "detect"
licence = "{licence}"
source = "https://example.org/{name}"
contract = {{ family = "yolo", input_px = 640, person_class = 0 }}
[[weights.{name}.files]]
name = "{name}.onnx"
sha256 = "{sha256(DATA).hexdigest()}"
size_bytes = {len(DATA)}{address}
"""


def register(workspace: Path, *entries: str) -> None:
    (workspace / "weights.toml").write_text("".join(entries))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace without params.yaml: weights need none."""
    path = tmp_path / "workspace"
    path.mkdir()
    return path


def states(workspace: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    done = gaitworks(workspace, "weights", *arguments, "--json")
    return done.returncode, {row["name"]: row["state"] for row in json.loads(done.stdout)}


def test_help_teaches(workspace: Path) -> None:
    shown = gaitworks(workspace, "weights", "--help").stdout
    for word in ("list", "fetch", "verify", "params.yaml", "sha256"):
        assert word in shown
    assert "--from" in gaitworks(workspace, "weights", "fetch", "--help").stdout


def test_from_list_over_fetch_to_verify(workspace: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick" / "deep"
    stick.mkdir(parents=True)
    (stick / "renamed").write_bytes(DATA)
    register(workspace, entry("walker", licence="AGPL-3.0-only"), entry("runner"))
    assert states(workspace, "verify") == (0, {"runner": "missing", "walker": "missing"})
    assert states(workspace, "verify", "walker") == (6, {"walker": "missing"})

    homeless = gaitworks(workspace, "weights", "fetch", "walker")
    assert homeless.returncode == 6
    assert "fetch walker --from DIR" in homeless.stderr

    fetched = gaitworks(workspace, "weights", "fetch", "walker", "--from", str(stick.parent))
    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stdout == "walker: fetched walker.onnx\n"
    assert "AGPL" in fetched.stderr
    again = gaitworks(workspace, "weights", "fetch", "--all", "--from", str(stick.parent))
    assert again.returncode == 0
    assert "walker: already here" in again.stdout

    file = workspace / "weights" / "walker" / "walker.onnx"
    file.write_bytes(DATA[:-1] + b"?")
    assert states(workspace, "verify", "walker") == (4, {"walker": "damaged"})
    told = gaitworks(workspace, "weights", "verify")
    assert told.returncode == 4
    assert str(file) in told.stderr
    listed = gaitworks(workspace, "weights", "list")
    assert listed.returncode == 0
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["present", "runner"],
        ["damaged", "walker"],
    ]


def test_a_download_that_breaks_off_goes_on_and_all_failures_are_told_at_the_end(
    workspace: Path,
) -> None:
    with serve(cut(DATA, after=90_000), ranged(DATA)) as good, serve(whole(DATA[::-1])) as bad:
        register(
            workspace,
            entry("good", url=good.url),
            entry("homeless"),
            entry("wrong", url=bad.url),
        )
        done = gaitworks(workspace, "weights", "fetch", "--all")
        assert good.ranges == [None, "bytes=90000-"]
    assert done.returncode == 4
    assert done.stdout == "good: fetched good.onnx\n"
    assert "2 of 3 weights" in done.stderr
    assert "no `url` for homeless.onnx" in done.stderr
    assert "nothing has parsed it" in done.stderr
    assert f"{len(DATA)}/{len(DATA)}" in done.stderr  # the progress, as lines
    assert states(workspace, "list")[1] == {
        "good": "present",
        "homeless": "missing",
        "wrong": "missing",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fetch"], 2, "or give --all"),
        (["fetch", "walker", "--all"], 2, "or give --all"),
        (["fetch", "nobody"], 3, "'nobody'"),
        (["verify", "nobody"], 3, "'nobody'"),
        (["fetch", "walker", "--from", "nowhere"], 3, "nowhere"),
    ],
)
def test_wrong_use_ends_with_its_own_code(
    workspace: Path, arguments: list[str], code: int, words: str
) -> None:
    register(workspace, entry("walker"))
    done = gaitworks(workspace, "weights", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_workspace_without_a_registry_has_no_weights(workspace: Path) -> None:
    assert states(workspace, "list") == (0, {})
    assert states(workspace, "verify") == (0, {})
    told = gaitworks(workspace, "weights", "list")
    assert "weights.toml" in told.stderr
    sought = gaitworks(workspace, "weights", "fetch", "walker")
    assert sought.returncode == 3
    assert str(workspace / "weights.toml") in sought.stderr


def test_a_broken_registry_is_refused_with_every_key(workspace: Path) -> None:
    register(workspace, entry("walker").replace('"onnx"', '"zip"').replace("size_bytes", "size"))
    done = gaitworks(workspace, "weights", "list", "--json")
    assert done.returncode == 3
    what = json.loads(done.stdout)["error"]["what"]
    for key in ("walker.kind", "walker.files.0.size: unknown key", "files.0.size_bytes: missing"):
        assert key in what
