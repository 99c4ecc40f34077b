"""One walk explained: shares that add up, the strip of models that weigh frames, the reference."""

from dataclasses import replace

import numpy as np
import pytest

from training.described_model import DescribedModel
from training.explain_walk import explain_walk
from training.models.registry import build_model
from transforms.describe.attention_figure import draw_attention
from transforms.errors import IntegrityError
from transforms.explanation.reference import Reference, find_reference, take_own_mean
from transforms.labels import SCOLIOSIS
from transforms.settings import TrainingSettings

SETTINGS = TrainingSettings(channels=(2, 2, 4, 4), embedding_size=4, parts=4)
CAP = 30


@pytest.fixture
def explain():
    generator = np.random.default_rng(0)
    walk = (generator.random((40, 64, 44)) > 0.5).astype(np.float32)

    def run(name: str):
        model = build_model(name, SETTINGS, 3).eval()
        described = DescribedModel({}, SCOLIOSIS, SETTINGS, model)
        reference = Reference(np.full((64, 44), 0.5, np.float32), "a grey sheet")
        return explain_walk(
            described, walk, np.arange(40) / 25, reference,
            explained=2, view="side", frame_cap=CAP,
        )  # fmt: skip

    return run


def test_shares_of_the_regions_add_up(explain) -> None:
    found = explain("sconet")
    whole = [row for row in found.shares if row["half"] == "all"]
    assert sum(row["share"] for row in whole) == pytest.approx(1, abs=1e-5)
    assert sum(row["body_share"] for row in whole) == pytest.approx(1, abs=1e-5)
    document = found.describe()
    assert found.maps.predicted == "positive"
    assert (document["view"], document["share"]) == ("side", 1.0)
    assert document["frames"] == CAP
    assert document["reference"] == "a grey sheet"
    assert document["over_time"] is None


def test_a_model_that_weighs_frames_shows_their_weights(explain) -> None:
    found = explain("gait_mil")
    assert found.over_time is not None
    assert found.over_time.weights.shape == (CAP,)
    assert found.over_time.weights.sum() == pytest.approx(1, abs=1e-5)
    assert found.describe()["over_time"]["phases"] == SETTINGS.phase_count
    figure = draw_attention([found.over_time])
    assert figure.axes[0].get_title(loc="left") == "side: predicted positive"


def test_the_reference_is_the_mean_walk_of_the_datasets_view(tiny_cohort) -> None:
    found = find_reference(tiny_cohort.dataset, tiny_cohort.version, "unknown")
    assert isinstance(found, Reference)
    means = [frames.mean(axis=0) / 255 for frames in tiny_cohort.silhouettes.values()]
    np.testing.assert_allclose(found.silhouette, np.mean(means, axis=0), atol=1e-6)
    assert f"{len(means)} walks" in found.words
    assert "side" in found.words


@pytest.mark.parametrize(
    ("version", "view", "why"),
    [("other", "side", "not what the model was trained on"), (None, "front", "views side")],
)
def test_another_dataset_or_view_is_no_reference(tiny_cohort, version, view, why) -> None:
    found = find_reference(tiny_cohort.dataset, version or tiny_cohort.version, view)
    assert isinstance(found, str)
    assert why in found


def test_without_a_dataset_the_walk_is_its_own_reference(tmp_path) -> None:
    reason = find_reference(tmp_path / "nothing", "any", "side")
    assert isinstance(reason, str)
    walk = np.stack([np.zeros((64, 44), np.float32), np.ones((64, 44), np.float32)])
    own = take_own_mean(walk, reason)
    assert (own.silhouette == 0.5).all()
    assert "not here" in own.words
    assert "posture that is kept cannot" in own.words


def test_evidence_that_is_no_number_is_no_explanation(explain) -> None:
    found = explain("sconet")
    with pytest.raises(IntegrityError, match="can't be explained"):
        replace(found, weight=np.nan)
    maps = {"evidence": np.full((16, 11), np.inf, np.float32)}
    with pytest.raises(IntegrityError, match="can't be explained"):
        replace(found, maps=replace(found.maps, whole=maps))
