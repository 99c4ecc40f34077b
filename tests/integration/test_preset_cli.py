"""`gaitworks preset` on the project's own params.yaml."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.workspaces import ROOT, gaitworks
from transforms.presets import PRESETS
from transforms.settings import read_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    return folder


def test_presets_are_listed_and_shown_without_changing_anything(workspace):
    before = (workspace / "params.yaml").read_bytes()
    listed = gaitworks(workspace, "preset").stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(PRESETS)
    assert "  steps: 20000\n" in gaitworks(workspace, "preset", "paper").stdout
    values = json.loads(gaitworks(workspace, "preset", "small", "--json").stdout)
    assert values == PRESETS["small"].sections
    assert (workspace / "params.yaml").read_bytes() == before


def test_writing_says_what_changed_keeps_the_rest_and_can_be_undone(workspace):
    before = (workspace / "params.yaml").read_text()
    said = gaitworks(workspace, "preset", "paper", "--write").stderr
    assert "training.steps: 80 -> 20000\n" in said
    assert "momentum" not in said
    assert read_settings(workspace / "params.yaml").training == PRESETS["paper"].training
    after = (workspace / "params.yaml").read_text()
    assert before.partition("training:")[0] == after.partition("training:")[0]
    assert before.partition("experiments:")[2] == after.partition("experiments:")[2]
    assert list(workspace.iterdir()) == [workspace / "params.yaml"]

    gaitworks(workspace, "preset", "tiny", "--write")
    assert (workspace / "params.yaml").read_text() == before
    assert "as it was" in gaitworks(workspace, "preset", "tiny", "--write").stderr


def test_an_unknown_preset_is_refused_with_the_known_ones(workspace):
    refused = gaitworks(workspace, "preset", "huge")
    assert refused.returncode == 3
    assert "paper or small or tiny" in refused.stderr
