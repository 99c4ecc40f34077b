"""`gaitworks gap` on a workspace: both splits, both trainings, what is written, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.workspaces import change_params, gaitworks, make_workspace
from transforms.files import publish_directory
from transforms.manifest import read_manifest, verify_directory, write_manifest
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.writer import write_shards
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Everybody walks twice or more, so that single sequences can be dealt to several sides.
_SHAPE = CohortShape(
    participants={"positive": 5, "neutral": 5, "negative": 6},
    sequences={"positive": 12, "neutral": 12, "negative": 18},
    frames_mean=30,
    frames_sd=1,
)
_ONCE = replace(_SHAPE, sequences=_SHAPE.participants)


def build(path: Path, shape: CohortShape) -> Path:
    """Make a workspace with a dataset of walkers and short trainings."""
    workspace = make_workspace(path / "workspace")
    change_params(workspace, "training", steps=4, milestones=[2], checkpoint_every_steps=2)
    write_silhouette_batch(shape, 3, path / "tables", worker_count=1, progress=NoProgress())
    parts = [path / "tables" / part for part in ("intake", "extraction")]
    with publish_directory(workspace / "data" / "shards") as staging:
        facts = write_shards(
            [parts[0]], [parts[1]], ShardSettings(), staging, progress=NoProgress()
        )
        write_manifest(staging, kind="silhouette_shards", facts=facts)
    return workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that a gap may be measured in, nothing else of it changed."""
    return build(tmp_path_factory.mktemp("gap"), _SHAPE)


def count_jobs(workspace: Path) -> int:
    """Return how many trainings and evaluations were ever started; each leaves its log."""
    return len(list((workspace / ".gaitworks" / "jobs").glob("*.stderr.log")))


def test_the_gap_is_measured_written_and_found_again(workspace: Path) -> None:
    done = gaitworks(workspace, "gap", "--seeds", "1", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    output = workspace / "data" / "optimism_gap" / "sconet-ratio_1_1_2"
    assert not verify_directory(output)
    assert printed == json.loads((output / "gap.json").read_bytes())
    assert printed["warning"].startswith("LEAKY")
    assert "LEAKY" in done.stderr
    assert printed["seeds"] == [1]
    splits = printed["splits"]
    assert splits["participant_wise"]["sequences"] == splits["sequence_wise_LEAKY"]["sequences"]
    assert splits["participant_wise"]["known_test_sequences"] == 0
    assert splits["sequence_wise_LEAKY"]["known_test_sequences"] > 0
    accuracy = printed["units"]["sequence"]["accuracy"]
    values = [accuracy[name]["value"] for name in ("sequence_wise_LEAKY", "participant_wise")]
    assert accuracy["gap"]["value"] == pytest.approx(values[0] - values[1])

    # Nothing that counts as a result is there.
    folders = sorted(path.name for path in (workspace / "data").iterdir())
    assert folders == ["optimism_gap", "shards"]
    # The participant-wise training has the pipeline's name: whichever comes first, it is done once.
    cards = (workspace / ".gaitworks" / "training" / "runs").glob("*/finished/model.json")
    names = {json.loads(card.read_bytes())["experiment"] for card in cards}
    assert names == {"sconet-ratio_1_1_2-seed_1", "sconet-ratio_1_1_2-seed_1-LEAKY"}

    assert count_jobs(workspace) == 4
    other = workspace.parent / "elsewhere"
    again = gaitworks(workspace, "gap", "--seeds", "1", "--to", str(other))
    assert again.returncode == 0, again.stderr
    assert "LEAKY" in again.stdout
    assert count_jobs(workspace) == 4
    assert (other / "manifest.json").read_bytes() == (output / "manifest.json").read_bytes()


def test_a_folder_with_something_else_is_left_alone(workspace: Path) -> None:
    shards = workspace / "data" / "shards"
    done = gaitworks(workspace, "gap", "--to", str(shards))
    assert done.returncode == 3
    assert "holds no optimism gap" in done.stderr
    assert read_manifest(shards)["kind"] == "silhouette_shards"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--ratio", "ratio_1_1_16"), 3, "ratio_1_1_2"),
        (("--seeds", "0", "1", "0"), 3, "0 1 0"),
        (("--model", "resnet", "--to", "nowhere"), 3, "no such model"),
    ],
)
def test_wrong_wishes_are_refused(
    workspace: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = gaitworks(workspace, "gap", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert not (workspace.parent / "nowhere").exists()


def test_a_cohort_without_second_walks_is_refused_before_training(tmp_path: Path) -> None:
    workspace = build(tmp_path, _ONCE)
    done = gaitworks(workspace, "gap")
    assert done.returncode == 5
    assert "no leak to measure" in done.stderr
    assert count_jobs(workspace) == 0


def test_a_workspace_without_a_dataset_says_what_to_run(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    done = gaitworks(workspace, "gap")
    assert done.returncode == 3
    assert "gaitworks run silhouette_shards" in done.stderr


def test_a_cohort_without_class_ratios_is_told_so_and_no_split_to_set(tmp_path: Path) -> None:
    one_each = {"asd": 2, "dhs": 1}
    workspace = build(tmp_path, replace(_SHAPE, participants=one_each, sequences=one_each))
    done = gaitworks(workspace, "gap")
    assert done.returncode == 5
    assert "asd, dhs" in done.stderr
    assert "cohort of scoliosis" in done.stderr
    assert "splits.protocol" not in done.stderr
