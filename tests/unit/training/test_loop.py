from dataclasses import replace

import pytest
import torch

from training.checkpoint import list_checkpoints, load_newest_checkpoint, save_tensors
from training.data import select_side
from training.frame_store import open_frame_store
from training.history import format_history
from training.loop import TrainingRun, learning_rate_at, train_model
from training.models.registry import MODELS, build_model
from training.predict import predict_probabilities, sequence_accuracy
from transforms.errors import GaitworksError, SettingsError
from transforms.progress import NoProgress
from transforms.settings import TrainingSettings
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split


class Stop(Exception):
    """Stands for whatever ends a run between two steps."""


class StopAt:
    """Ends the run when so many steps are done."""

    def __init__(self, step):
        self.left = step

    def start(self, label, total):
        pass

    def advance(self, count=1, note=""):
        self.left -= count
        if self.left <= 0:
            raise Stop


@pytest.fixture
def run(tiny_cohort, tiny_settings):
    store = open_frame_store(open_dataset(tiny_cohort.dataset), tiny_cohort.scratch, NoProgress())
    split = load_split(tiny_cohort.splits / "split.parquet", tiny_cohort.version)
    sides = {
        side: select_side(split, "ratio_1_1_2", side, store) for side in ("train", "selection")
    }
    return TrainingRun("sconet_mt", tiny_settings, 0, store, **sides)


def train(run, checkpoints, progress=None):
    return train_model(
        run, checkpoints, device="cpu", label="tiny", progress=progress or NoProgress()
    )


def fingerprint(trained):
    return (
        save_tensors(trained.weights),
        trained.step,
        trained.selection_accuracy,
        format_history(trained.history),
    )


@pytest.mark.parametrize("model", sorted(MODELS))
def test_history_names_the_losses_that_train_the_model(run, tmp_path, model):
    history = train(replace(run, model=model), tmp_path).history
    assert [row.step for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row.learning_rate for row in history] == pytest.approx([0.05] * 4 + [0.005] * 2)
    assert [row.step for row in history if row.selection_accuracy is not None] == [2, 4, 6]
    for row in history:
        assert (row.triplet is not None) == model.endswith(("_mt", "_triplet"))
        assert row.loss == pytest.approx(row.cross_entropy + (row.triplet or 0))


@pytest.mark.parametrize(("model", "stop"), [("sconet", 4), ("sconet_mt", 2), ("sconet_mt", 6)])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(run, tmp_path, model, stop):
    run = replace(run, model=model)
    expected = fingerprint(train(run, tmp_path / "whole"))
    with pytest.raises(Stop):
        train(run, tmp_path / "cut", StopAt(stop))
    assert fingerprint(train(run, tmp_path / "cut")) == expected


def test_a_finished_run_is_not_trained_again(run, tmp_path):
    expected = fingerprint(train(run, tmp_path))
    assert load_newest_checkpoint(tmp_path).step == run.settings.steps
    assert fingerprint(train(run, tmp_path)) == expected


def test_seeds_differ(run, tmp_path):
    first = train(run, tmp_path / "0")
    assert fingerprint(first) != fingerprint(train(replace(run, seed=1), tmp_path / "1"))


def test_the_most_accurate_checkpoint_is_chosen_and_the_later_of_equals(run, tmp_path):
    trained = train(run, tmp_path)
    judged = {r.step: r.selection_accuracy for r in trained.history if r.selection_accuracy}
    best = max(judged.values())
    assert trained.selection_accuracy == best
    assert trained.step == max(step for step, accuracy in judged.items() if accuracy == best)


def test_an_empty_selection_side_means_the_last_step(run, tmp_path):
    empty = replace(
        run.selection,
        table=run.selection.table.clear(),
        **{name: getattr(run.selection, name)[:0] for name in ("positions", "labels", "lengths")},
    )
    trained = train(replace(run, selection=empty), tmp_path)
    assert (trained.step, trained.selection_accuracy) == (6, None)
    last = load_newest_checkpoint(tmp_path)
    assert save_tensors(trained.weights) == save_tensors(last.model)


def test_a_diverged_run_says_so_and_keeps_the_last_good_checkpoint(run, tmp_path, monkeypatch):
    def explode(step, settings):
        return float("inf") if step >= 3 else learning_rate_at(step, settings)

    monkeypatch.setattr("training.loop.learning_rate_at", explode)
    with pytest.raises(GaitworksError, match=r"tiny, step [45]: .*step_00000002") as caught:
        train(run, tmp_path)
    assert "learning_rate" in caught.value.fix
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step_00000002"]
    assert all(torch.isfinite(t).all() for t in load_newest_checkpoint(tmp_path).model.values())


def test_bf16_trains_with_float32_weights(run, tmp_path):
    settings = run.settings.model_copy(update={"precision": "bf16-mixed", "steps": 5})
    trained = train(replace(run, settings=settings), tmp_path)
    assert {t.dtype for t in trained.weights.values()} == {torch.float32, torch.int64}
    assert all(row.loss > 0 for row in trained.history)


def test_fp16_without_cuda_is_refused_instead_of_replaced(run, tmp_path):
    settings = run.settings.model_copy(update={"precision": "16-mixed"})
    with pytest.raises(SettingsError, match="expected 32-true or bf16-mixed, found 16-mixed"):
        train(replace(run, settings=settings), tmp_path)


def test_the_learning_rate_falls_at_each_milestone():
    settings = TrainingSettings()
    steps = (0, 9_999, 10_000, 14_000, 18_000)
    rates = [learning_rate_at(step, settings) for step in steps]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.0001])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sconet", "sconet_mt"])
def test_a_model_learns_its_training_sequences_by_heart(run, tmp_path, model):
    settings = run.settings.model_copy(
        update={
            "channels": (2, 4, 8, 8),
            "embedding_size": 8,
            "identities_per_batch": 8,
            "steps": 60,
            "milestones": (45,),
            "checkpoint_every_steps": 60,
        }
    )
    trained = train(replace(run, model=model, settings=settings), tmp_path)
    module = build_model(model, settings, 0)
    module.load_state_dict(trained.weights)
    probabilities = predict_probabilities(
        module, run.store, run.train, settings, torch.device("cpu"), NoProgress()
    )
    assert sequence_accuracy(probabilities, run.train) == 1.0
