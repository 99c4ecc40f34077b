"""`gaitworks predict FRONT SIDE`, from two video files to a page, by a model of two views."""

import csv
import json
from pathlib import Path

import pytest

from tests.integration.workspaces import change_params, gaitworks, make_workspace
from tests.unit.training.dual_view_cohort import SMALL, make_cohort

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the videos of two cameras, and nothing trained."""
    workspace = make_workspace(tmp_path_factory.mktemp("two") / "cameras")
    change_params(
        workspace,
        "synth",
        participants={"asd": 1, "dhs": 1, "lcs": 1, "hipoa": 1},
        views=["front", "side"],
        start_spread_s=0.4,
        duration_s=3.0,
        bystander_fraction=0.0,
    )
    done = gaitworks(workspace, "synth")
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder from elsewhere, after one epoch."""
    cohort = make_cohort(tmp_path_factory.mktemp("elsewhere"), asd=6, planted=None, folds=2)
    few = SMALL.model_copy(update={"epochs": 1})
    return cohort.train("prob_mean", "fold_1", few).output


def test_two_videos_become_one_answer(filmed: Path, model: Path, tmp_path: Path) -> None:
    table = next((filmed / "raw").glob("*/recordings.csv"))
    with table.open() as stream:
        front, side = sorted(csv.DictReader(stream), key=lambda row: row["recording_id"])[:2]
    assert (front["view"], side["view"]) == ("front", "side")
    videos = [str(table.parent / "videos" / row["file"]) for row in (front, side)]
    offset_s = float(side["start_offset_s"]) - float(front["start_offset_s"])
    output = tmp_path / "answer"
    arguments = ["predict", *videos, "--model-directory", str(model)]

    done = gaitworks(filmed, *arguments, f"--offset={offset_s}", "--output", str(output))
    assert done.returncode == 0, done.stderr
    names = {"prediction.json", "prediction.html", "timing.json"}
    sheets = {"silhouettes_front.png", "silhouettes_side.png"}
    assert {path.name for path in output.iterdir()} == names | sheets
    document = json.loads((output / "prediction.json").read_bytes())
    assert [one["view"] for one in document["videos"]] == ["front", "side"]
    assert document["clips"]["count"] >= 2
    assert document["clips"]["alignment"]["offset_s"] == pytest.approx(offset_s)
    assert sum(document["answer"]["probabilities"].values()) == pytest.approx(1)
    assert [one["view"] for one in document["explanation"]["views"]] == ["front", "side"]
    assert "aligned: the side video begins" in done.stdout
    assert len(json.loads((output / "timing.json").read_bytes())["extraction_s"]) == 2

    # Not of one walk, as somebody says: no clip is whole, and the page shows both videos.
    refused = gaitworks(filmed, *arguments, "--offset=30", "--output", str(output))
    assert refused.returncode == 5, refused.stderr
    assert "no clip of 1 s is whole" in refused.stderr
    assert "--offset" in refused.stderr
    page = (output / "not_judged.html").read_text()
    assert front["file"] in page
    assert side["file"] in page
    assert [path.name for path in output.iterdir()] == ["not_judged.html"]
