"""`gaitworks predict` on a finished workspace: the pipeline's own answers, twice the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.integration.workspaces import change_params, gaitworks
from transforms.shards.reader import open_dataset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def judged(reference: Path) -> dict[str, object]:
    """A walk of the test side: what the pipeline said of it."""
    (experiment,) = (reference / "data" / "experiments").iterdir()
    row = pl.read_parquet(experiment / "evaluation" / "predictions.parquet").row(0, named=True)
    (video,) = (reference / "raw").glob(f"*/videos/{row['sequence_id']}.mp4")
    return {"video": video, "row": row}


def test_the_answer_is_the_pipelines_and_the_same_again(
    reference: Path, judged: dict[str, object], tmp_path: Path
) -> None:
    before = sorted(path for path in reference.rglob("*") if path.is_file())
    video, row = judged["video"], judged["row"]
    output = tmp_path / "answer"
    done = gaitworks(reference, "predict", str(video), "--output", str(output))
    assert done.returncode == 0, done.stderr
    names = {"prediction.json", "prediction.html", "silhouettes.png", "timing.json"}
    assert {path.name for path in output.iterdir()} == names
    document = json.loads((output / "prediction.json").read_bytes())

    # To the bit what the evaluation of the same walk says.
    found = document["answer"]["probabilities"]
    assert found == {label: row[f"p_{label}"] for label in found}
    assert document["answer"]["predicted"] == row["predicted"]
    assert document["model"]["trained_on"]["is_synthetic"] is True
    assert "walks of the dataset, side view" in document["explanation"]["views"][0]["reference"]
    assert document["own_test"]["participants"] > 0
    known = document["videos"][0]["known_as"]
    assert (known["sequence_id"], known["side"]) == (row["sequence_id"], "test")
    assert known["was_learnt_from"] is False
    assert "learnt nothing from this person" in done.stdout

    timing = json.loads((output / "timing.json").read_bytes())
    stages = {"decode", "detect", "track", "segment", "normalise", "gates", "probe"}
    assert stages < set(timing["extraction_s"][0])
    assert {"load model", "judge", "explain", "page"} < set(timing["here_s"])
    assert sum(timing["here_s"].values()) == pytest.approx(timing["total_s"], abs=0.05)
    for name in (*stages, "judge", "explain"):
        assert f"\n  {name} " in done.stderr
    for words in ("not a medical device", "own test", "trained on", "evidence"):
        assert words in done.stdout
    page = (output / "prediction.html").read_text()
    assert "not a medical device" in page
    assert str(reference) not in page

    # The way a user starts it, without the imports of the other commands.
    again = gaitworks(reference, "predict", str(video), "--json", is_warm=False)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == document
    assert sorted(path for path in reference.rglob("*") if path.is_file()) == before


def test_silhouettes_are_those_of_the_dataset(reference: Path, judged: dict[str, object]) -> None:
    from transforms.extract.registry import Resources
    from transforms.extract.single import WalkRequest, extract_walk
    from transforms.settings import read_settings

    settings = read_settings(reference / "params.yaml")
    walk = extract_walk(
        WalkRequest(
            judged["video"], settings.intake, settings.extraction, settings.shards, Resources()
        )
    )
    expected = open_dataset(reference / "data" / "shards").read(judged["row"]["sequence_id"])
    np.testing.assert_array_equal(walk.silhouettes, expected)


def test_a_walk_that_the_gates_refuse_is_shown_and_judged_only_on_demand(
    reference: Path, judged: dict[str, object], tmp_path: Path
) -> None:
    workspace = tmp_path / "strict"
    workspace.mkdir()
    for name in ("params.yaml", "weights.toml"):
        shutil.copyfile(reference / name, workspace / name)
    (workspace / "data").mkdir()
    (workspace / "data" / "experiments").symlink_to(reference / "data" / "experiments")
    params = {"quality": {"min_kept_frames": 1000}}
    change_params(workspace, "extraction", **params)
    video, output = str(judged["video"]), tmp_path / "answer"

    refused = gaitworks(workspace, "predict", video, "--output", str(output))
    assert refused.returncode == 5, refused.stderr
    assert "quality gates refuse" in refused.stderr
    assert "--anyway" in refused.stderr
    assert [path.name for path in output.iterdir()] == ["not_judged.html"]

    taken = gaitworks(workspace, "predict", video, "--output", str(output), "--anyway")
    assert taken.returncode == 0, taken.stderr
    document = json.loads((output / "prediction.json").read_bytes())
    assert document["videos"][0]["overruled"] is True
    assert document["videos"][0]["gates"]["verdict"] == "rejected"
    assert "judged by a person's decision; extraction found rejected" in taken.stdout
    # There is no dataset in this workspace.
    assert "is not here" in document["videos"][0]["known_as"]["reason"]
    assert "the walk's own mean silhouette" in document["explanation"]["views"][0]["reference"]
    assert document["model"]["trained_on"]["is_synthetic"] is True  # as params.yaml says
    assert not (output / "not_judged.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere.mp4",), 3, "no such video"),
        (("VIDEO", "--model", "sconet"), 3, "no such experiment"),
        (("VIDEO", "--offset", "1"), 3, "no second video"),
        (("VIDEO", "--accept-track2", "1@3f9c0a12"), 3, "no second video"),
        (("VIDEO", "VIDEO", "--offset", "nan"), 3, "not a time"),
        (("VIDEO", "--accept-track", "1"), 3, "not a track"),
        (("VIDEO", "--output", "."), 3, "something else than a prediction"),
        (("VIDEO", "--model-directory", "nowhere"), 4, "unreadable model card"),
        (("VIDEO", "VIDEO"), 3, "reads 1 video(s) of a walk"),
        (("TEXT",), 3, "not a video that can be judged"),
    ],
)
def test_wrong_wishes_are_refused(
    reference: Path,
    judged: dict[str, object],
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 100)
    known = {"VIDEO": str(judged["video"]), "TEXT": str(text)}
    done = gaitworks(reference, "predict", *(known.get(one, one) for one in arguments))
    assert done.returncode == code, done.stderr
    assert words in done.stderr
