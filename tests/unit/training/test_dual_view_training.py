"""Models of clips through the whole of training: what they can see, that they resume and agree."""

import json

import numpy as np
import polars as pl
import pytest

from tests.unit.training.dual_view_cohort import (
    QUICK,
    SMALL,
    DualViewCohort,
    make_cohort,
    stop_at_second,
)
from training.clip_store import SilhouetteClips
from training.experiment_data import open_experiment
from training.explain import run_explanation
from training.job import TrainingJob
from training.train import run_training
from transforms.errors import InputError, IntegrityError
from transforms.explanation.results import SHARES_NAME, SUMMARY_NAME
from transforms.metrics.folds import summarise_folds
from transforms.progress import NoProgress
from transforms.synth.sequence_plan import Planted

FEW = SMALL.model_copy(update={"epochs": 1})


@pytest.fixture(scope="module")
def seen_from_the_side(tmp_path_factory) -> DualViewCohort:
    """Twelve of 24 people lean forwards, which the side camera alone sees."""
    folder = tmp_path_factory.mktemp("side")
    return make_cohort(folder, asd=12, planted=Planted("asd", "side"))


@pytest.fixture(scope="module")
def seen_by_nobody(tmp_path_factory) -> DualViewCohort:
    """The same people, draw for draw, and nothing goes with the label."""
    folder = tmp_path_factory.mktemp("nobody")
    return make_cohort(folder, asd=12, planted=Planted("asd", "side", size=0.0))


def auroc(metrics, unit="participant"):
    return metrics["units"][unit]["metrics"]["asd/auroc"]


@pytest.mark.slow
def test_a_view_is_blind_to_what_only_the_other_sees_and_fusion_is_not(
    seen_from_the_side, seen_by_nobody
):
    # Blind beyond chance: with and without the effect the very same weights are learnt.
    with_effect, without = (
        cohort.train("single_front") for cohort in (seen_from_the_side, seen_by_nobody)
    )
    weights = [(job.output / "model.safetensors").read_bytes() for job in (with_effect, without)]
    assert weights[0] == weights[1]
    for model in ("single_side", "feature_concat"):
        metrics = seen_from_the_side.judge(seen_from_the_side.train(model))
        area = auroc(metrics)
        assert area["value"] > 0.9, model
        assert area["low"] > 0.5, model
        units = metrics["units"]
        assert set(units) == {"participant", "sequence", "clip"}
        assert units["clip"]["count"] == 2 * units["sequence"]["count"]


@pytest.mark.proof
@pytest.mark.parametrize("view", ["front", "side"])
def test_every_fusion_finds_what_either_view_shows(tmp_path, view):
    cohort = make_cohort(tmp_path, asd=24, planted=Planted("asd", view), folds=3, selection=0.2)
    settings = SMALL.model_copy(update={"epochs": 20, "patience": 8})
    for model in (f"single_{view}", "early_channel", "feature_concat", "prob_mean", "logit_mean"):
        jobs = [cohort.train(model, f"fold_{fold}", settings) for fold in (1, 2, 3)]
        metrics = [cohort.judge(job) for job in jobs]
        predictions = [pl.read_parquet(cohort.judged(job) / "predictions.parquet") for job in jobs]
        # Each of 48 people was tested once, by a model that had not seen them.
        pooled = summarise_folds(metrics, predictions, QUICK)["pooled"]
        area = pooled["units"]["participant"]["metrics"]["asd/auroc"]
        print(f"{view} {model}: {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]")
        assert area["low"] > 0.5, (model, area)


@pytest.mark.slow
def test_a_training_of_clips_that_was_stopped_goes_on_alike(
    seen_from_the_side, tmp_path, monkeypatch
):
    settings = SMALL.model_copy(update={"epochs": 3})
    whole = seen_from_the_side.train("prob_mean", "fold_2", settings)
    arguments = seen_from_the_side.arguments("prob_mean", "fold_2", settings)
    arguments["scratch"] = tmp_path / "scratch"
    job = TrainingJob(**arguments, output=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("training.loop._REPORT_EVERY_STEPS", 1)
        patch.setattr("training.loop.require_finite_weights", stop_at_second())
        with pytest.raises(KeyboardInterrupt):
            run_training(job, device="cpu", progress=NoProgress())
    run_training(job, device="cpu", progress=NoProgress())
    for name in ("model.safetensors", "model.json", "history.csv"):
        assert (tmp_path / name).read_bytes() == (whole.output / name).read_bytes(), name


@pytest.mark.slow
def test_a_walk_is_the_mean_of_its_clips(seen_by_nobody):
    job = seen_by_nobody.train("single_side", "fold_3", FEW)
    seen_by_nobody.judge(job)
    judged = seen_by_nobody.judged(job)
    clips = pl.read_parquet(judged / "clip_predictions.parquet")
    walks = pl.read_parquet(judged / "predictions.parquet")
    means = clips.group_by("sequence_id").agg(pl.mean("p_asd")).sort("sequence_id")
    assert walks["sequence_id"].to_list() == means["sequence_id"].to_list()
    assert walks["p_asd"].to_numpy() == pytest.approx(means["p_asd"].to_numpy())
    named = (walks["p_asd"] > walks["p_non_asd"]).to_list()
    assert named == (walks["predicted"] == "asd").to_list()
    assert set(clips["label"]) == {"asd", "non_asd"}
    card = json.loads((job.output / "model.json").read_bytes())
    assert card["input"] == {
        "height_px": 64,
        "width_px": 44,
        "range": [0, 1],
        "views": ["front", "side"],
        "frames": 8,
        "duration_s": 1.0,
        "shows": "silhouettes",
    }
    assert card["train"]["clips"] > card["train"]["sequences"] >= card["train"]["participants"]
    assert card["selection"] == {"clips": 0, "sequences": 0, "participants": 0}
    assert "training" not in card
    assert card["dual_view"]["epochs"] == 1


@pytest.mark.slow
def test_a_model_of_clips_is_explained_in_the_views_it_reads(seen_by_nobody, tmp_path):
    for model, views in (("single_front", {"front"}), ("early_channel", {"front", "side"})):
        job = seen_by_nobody.train(model, "fold_2", FEW)
        output = tmp_path / model
        output.mkdir()
        run_explanation(
            seen_by_nobody.explanation(job, output), device="cpu", progress=NoProgress()
        )
        shares = pl.read_parquet(output / SHARES_NAME)
        assert set(shares["view"]) == views
        assert set(shares["method"]) == {"evidence"}
        groups = json.loads((output / SUMMARY_NAME).read_bytes())["groups"]
        assert {group["view"] for group in groups} == views


def test_clips_are_drawn_from_the_frames_that_the_table_names(seen_by_nobody):
    arguments = seen_by_nobody.arguments("early_channel", "fold_1", FEW)
    data = open_experiment(TrainingJob(**arguments, output=seen_by_nobody.folder))
    store = data.open_store(NoProgress())
    assert isinstance(store, SilhouetteClips)
    row = data.clips.row(3, named=True)
    frames = store._store
    clip = store.read(3, cap=720)
    assert clip.shape == (1, 2, 1, 8, 64, 44)
    for place, view in enumerate(("front", "side")):
        position = frames.index.find_positions([row[f"{view}_sequence_id"]])[0]
        walk = frames.read(int(position), cap=10_000)[0, 0]
        assert np.array_equal(clip[0, place, 0], walk[row[f"{view}_frames"]])
    packed = store.gather_packed(np.array([3, 5]), np.tile(np.arange(8), (2, 1)))
    import torch

    expanded = store.expand(torch.from_numpy(packed)).numpy()
    assert np.array_equal(expanded[0], clip[0])


def test_no_clip_is_on_a_side_that_its_participant_is_not_on(seen_by_nobody):
    arguments = seen_by_nobody.arguments("early_channel", "fold_1", FEW)
    data = open_experiment(TrainingJob(**arguments, output=seen_by_nobody.folder))
    store = data.open_store(NoProgress())
    people = {
        side: set(data.select(side, store).table["participant_id"]) for side in ("train", "test")
    }
    assert not people["train"] & people["test"]
    assert people["train"] | people["test"] == set(data.clips["participant_id"])


def test_a_cohort_without_clips_is_refused_by_a_model_of_clips(tmp_path, write_tiny_cohort):
    cohort = write_tiny_cohort(tmp_path / "cohort")
    job = cohort.training_job(tmp_path / "model").model_copy(update={"model": "early_channel"})
    with pytest.raises(InputError, match="the model reads clips and the job names none"):
        run_training(job, device="cpu", progress=NoProgress())


def test_pretrained_weights_must_be_the_ones_asked_for(seen_by_nobody, tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"others")
    settings = FEW.model_copy(
        update={"pretrained": "weights.safetensors", "pretrained_sha256": "0" * 64}
    )
    arguments = seen_by_nobody.arguments("single_side", "fold_1", settings)
    job = TrainingJob(**arguments, output=tmp_path, pretrained=file)
    with pytest.raises(IntegrityError, match="another file than the one asked for"):
        run_training(job, device="cpu", progress=NoProgress())
