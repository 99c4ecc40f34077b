"""`gaitworks preset` on the project's own params.yaml."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.workspaces import ROOT, gaitworks
from transforms.presets import PRESETS, SIZES
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
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    assert names == list(PRESETS)
    assert "  views: [front, side]\n" in gaitworks(workspace, "preset", "spinal_deformity").stdout
    assert "  steps: 20000\n" in gaitworks(workspace, "preset", "paper").stdout
    values = json.loads(gaitworks(workspace, "preset", "small", "--json").stdout)
    assert values == PRESETS["small"].sections
    assert (workspace / "params.yaml").read_bytes() == before


def test_writing_says_what_changed_keeps_the_rest_and_can_be_undone(workspace):
    before = (workspace / "params.yaml").read_text()
    said = gaitworks(workspace, "preset", "paper", "--write").stderr
    assert "training.steps: 80 -> 20000\n" in said
    assert "momentum" not in said
    assert read_settings(workspace / "params.yaml").training == SIZES["paper"].training
    after = (workspace / "params.yaml").read_text()
    assert before.partition("training:")[0] == after.partition("training:")[0]
    assert before.partition("experiments:")[2] == after.partition("experiments:")[2]
    assert list(workspace.iterdir()) == [workspace / "params.yaml"]

    gaitworks(workspace, "preset", "tiny", "--write")
    assert (workspace / "params.yaml").read_text() == before
    assert "as it was" in gaitworks(workspace, "preset", "tiny", "--write").stderr


def test_a_study_is_written_beside_a_size_and_undone_by_the_other_study(workspace):
    before = (workspace / "params.yaml").read_text()
    said = gaitworks(workspace, "preset", "spinal_deformity", "--write").stderr
    assert "splits.protocol: fixed_test_nested -> k_fold\n" in said
    assert "{positive: 11, neutral: 9, negative: 18} -> {asd: 27, dhs: 9, lcs: 6, hipoa: 2}" in said
    settings = read_settings(workspace / "params.yaml")
    assert settings.training == SIZES["tiny"].training
    states = gaitworks(workspace, "status").stdout
    assert "missing  trained_model: all 30\n" in states
    assert "fold_3" not in states
    assert "missing  trained_model/prob_mean-fold_3-seed_0\n" in (
        gaitworks(workspace, "status", "--all").stdout
    )
    gaitworks(workspace, "preset", "scoliosis", "--write")
    assert (workspace / "params.yaml").read_text() == before


def test_values_that_do_not_go_with_the_rest_are_refused_and_nothing_is_written(workspace):
    path = workspace / "params.yaml"
    text = path.read_text().replace("selection_fraction: 0.1", "selection_fraction: 0.0")
    path.write_text(text.replace("test_fraction: 0.3", "test_fraction: 0.85"))
    before = path.read_bytes()
    refused = gaitworks(workspace, "preset", "spinal_deformity", "--write")
    assert refused.returncode == 3
    assert "test_fraction + selection_fraction must stay below 0.9" in refused.stderr
    assert path.read_bytes() == before


def test_an_unknown_preset_is_refused_with_the_known_ones(workspace):
    refused = gaitworks(workspace, "preset", "huge")
    assert refused.returncode == 3
    assert "paper or small or tiny" in refused.stderr
