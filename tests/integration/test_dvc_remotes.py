"""A cohort's results go to a DVC remote and come back in a fresh clone, nothing is recomputed."""

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.object_storage import BUCKET, CREDENTIALS, serve_s3
from tests.integration.workspaces import copy_workspace, dvc
from transforms.manifest import verify_directory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

needs_dvc_s3 = pytest.mark.skipif(
    importlib.util.find_spec("dvc_s3") is None, reason="needs the s3 extra (dvc-s3)"
)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *identity, *arguments], check=True, cwd=folder, capture_output=True)


def ask_dvc(workspace: Path, *arguments: str) -> str:
    done = dvc(workspace, *arguments)
    assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.fixture(params=["local", pytest.param("s3", marks=needs_dvc_s3)])
def remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Yield the settings of an empty remote."""
    if request.param == "local":
        yield {"url": str(tmp_path / "remote")}
        return
    import s3fs

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with serve_s3() as endpoint:
        s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True).mkdir(BUCKET)
        yield {"url": f"s3://{BUCKET}/cohort", "endpointurl": endpoint}


def test_a_fresh_clone_reproduces_from_the_run_cache(
    remote: dict[str, str], reference: Path, tmp_path: Path
) -> None:
    workspace = copy_workspace(reference, tmp_path / "workspace")
    config = workspace / ".dvc" / "config"  # what `dvc remote add --default` writes
    settings = "".join(f"    {name} = {value}\n" for name, value in remote.items())
    text = config.read_text().replace("[core]", "[core]\n    remote = storage")
    config.write_text(f"{text}['remote \"storage\"']\n{settings}")
    git(workspace, "add", ".")
    git(workspace, "commit", "-qm", "a cohort and its results")
    assert "pushed" in ask_dvc(workspace, "push", "--run-cache")
    assert "up to date" in ask_dvc(workspace, "push")

    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(workspace), str(clone))
    assert not (clone / "data").exists()
    # Videos are in no repository and no remote: whoever has them brings them along.
    for folder in ("raw", "truth"):
        shutil.copytree(reference / folder, clone / folder, dirs_exist_ok=True)
    pinned = (clone / "dvc.lock").read_bytes()
    (clone / "dvc.lock").unlink()
    reproduced = ask_dvc(clone, "repro", "--pull")
    assert "Running stage" not in reproduced
    assert reproduced.count("is cached - skipping run") == pinned.count(b"\n    cmd:")
    assert (clone / "dvc.lock").read_bytes() == pinned
    for manifest in (clone / "data").rglob("manifest.json"):
        assert verify_directory(manifest.parent) == []
    assert len(list((clone / "data").rglob("manifest.json"))) >= 10

    # `dvc pull` is the other way, for those who only want the results.
    shutil.rmtree(clone / "data")
    shutil.rmtree(clone / ".dvc" / "cache")
    ask_dvc(clone, "pull")
    assert ask_dvc(clone, "status").startswith("Data and pipelines are up to date")
