"""What a stage is to those that read it."""

import shutil

import pytest

from assets.clips import DUAL_VIEW_CLIPS
from assets.experiments import TRAINED_MODEL
from assets.splits import PARTICIPANT_SPLITS
from assets.stage import input_version, lineage_of
from assets.workspace import Workspace
from transforms.errors import InputError
from transforms.manifest import write_manifest


@pytest.fixture
def workspace(tmp_path):
    """A dataset that was rendered or imported: shards and splits, and nothing before them."""
    (tmp_path / "params.yaml").write_text("{}")
    for name in ("shards", "splits"):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_manifest(tmp_path / "data" / name, kind=name, facts={})
    return Workspace(root=str(tmp_path))


def test_a_dataset_without_clips_can_be_trained_on_and_notices_clips_that_come(workspace):
    before = lineage_of(workspace, TRAINED_MODEL, "sconet-ratio_1_1_2-seed_0")
    directory = DUAL_VIEW_CLIPS.directory(workspace, None)
    directory.mkdir()
    write_manifest(directory, kind="dual_view_clips", facts={})
    after = lineage_of(workspace, TRAINED_MODEL, "sconet-ratio_1_1_2-seed_0")
    assert before["inputs"].keys() == after["inputs"].keys()
    assert before["inputs"]["dual_view_clips"] != after["inputs"]["dual_view_clips"]


def test_a_folder_without_its_manifest_does_not_count_as_absent(workspace):
    DUAL_VIEW_CLIPS.directory(workspace, None).mkdir()
    with pytest.raises(InputError, match="dual_view_clips has not been built"):
        input_version(DUAL_VIEW_CLIPS, workspace, None)


def test_any_other_stage_has_to_be_there(workspace):
    shutil.rmtree(PARTICIPANT_SPLITS.directory(workspace, None))
    with pytest.raises(InputError, match="participant_splits has not been built"):
        lineage_of(workspace, TRAINED_MODEL, "sconet-ratio_1_1_2-seed_0")
