from dataclasses import replace

import pytest
import torch

import training.loop
from training.checkpoint import list_checkpoints, load_newest_checkpoint, save_tensors
from training.data import select_side
from training.failures import translate_failure
from training.frame_store import open_frame_store
from training.history import format_history
from training.launch import launch_fabric
from training.loop import TrainingRun, learning_rate_at, train_model
from training.models.registry import MODELS, build_model
from training.predict import predict_probabilities, sequence_accuracy
from transforms.errors import GaitworksError, IntegrityError, SettingsError
from transforms.labels import SCOLIOSIS_LABELS
from transforms.progress import NoProgress
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split
from transforms.training_settings import TrainingSettings

WALK_MODELS = sorted(name for name, one in MODELS.items() if one.reads == "walks")


class Stop(Exception):
    """Stands for whatever ends a run between two steps."""


def stop_when(monkeypatch, name, count):
    """Let a function of the loop raise when it is called for the time after `count` times."""
    original, left = getattr(training.loop, name), [count]

    def stop(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            raise Stop
        return original(*arguments, **options)

    monkeypatch.setattr(f"training.loop.{name}", stop)


@pytest.fixture
def run(tiny_cohort, tiny_settings):
    store = open_frame_store(open_dataset(tiny_cohort.dataset), tiny_cohort.scratch, NoProgress())
    split = load_split(tiny_cohort.splits / "split.parquet", tiny_cohort.version)
    sides = {
        side: select_side(split, "ratio_1_1_2", side, store) for side in ("train", "selection")
    }
    return TrainingRun("sconet_mt", tiny_settings, tiny_settings, 0, store, **sides)


def train(run, checkpoints, progress=None):
    fabric = launch_fabric(run.settings.precision, "cpu")
    return train_model(
        run, checkpoints, fabric=fabric, label="tiny", progress=progress or NoProgress()
    )


def set_settings(run, settings):
    return replace(run, settings=settings, model_settings=settings)


def fingerprint(trained):
    return (
        save_tensors(trained.weights),
        trained.step,
        trained.selection_accuracy,
        format_history(trained.history),
    )


@pytest.mark.parametrize("model", WALK_MODELS)
def test_history_names_the_losses_that_train_the_model(run, tmp_path, model):
    history = train(replace(run, model=model), tmp_path).history
    assert [row.step for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row.learning_rate for row in history] == pytest.approx([0.05] * 4 + [0.005] * 2)
    assert [row.step for row in history if row.selection_accuracy is not None] == [2, 4, 6]
    for row in history:
        assert (row.triplet is not None) == (model not in ("sconet", "baseline_cnn"))
        assert row.loss == pytest.approx(row.cross_entropy + (row.triplet or 0))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("model", ["sconet_mt", "baseline_cnn_triplet", "gait_mil"])
def test_a_run_that_was_stopped_at_any_step_ends_like_one_that_was_not(
    run, tmp_path, monkeypatch, model, precision
):
    settings = run.settings.model_copy(update={"precision": precision})
    run = set_settings(replace(run, model=model), settings)
    expected = fingerprint(train(run, tmp_path / "whole"))
    # Before the update of a step, on the way to a checkpoint, and before it is written.
    moments = [("compute_losses", step) for step in range(settings.steps)]
    moments += [(name, due) for name in ("_judge", "save_checkpoint") for due in range(3)]
    for name, count in moments:
        checkpoints = tmp_path / f"{name}-{count}"
        with monkeypatch.context() as patch:
            stop_when(patch, name, count)
            with pytest.raises(Stop):
                train(run, checkpoints)
        kept = load_newest_checkpoint(checkpoints)
        assert (kept.step if kept else 0) == 2 * (count // 2 if name == "compute_losses" else count)
        assert fingerprint(train(run, checkpoints)) == expected


def test_adam_goes_on_where_it_was(run, tmp_path, monkeypatch):
    adam = run.settings.model_copy(update={"optimiser": "adam", "learning_rate": 1e-3})
    run = set_settings(run, adam)
    whole = train(run, tmp_path / "whole")
    stop_when(monkeypatch, "compute_losses", 3)
    with pytest.raises(Stop):
        train(run, tmp_path / "cut")
    monkeypatch.undo()
    assert fingerprint(train(run, tmp_path / "cut")) == fingerprint(whole)
    optimiser = load_newest_checkpoint(tmp_path / "whole").optimiser
    kinds = {name.partition("/")[0] for name in optimiser}
    assert kinds == {"exp_avg", "exp_avg_sq", "step"}
    assert set(optimiser["step/projection.weight"].reshape(1).tolist()) == {6.0}


@pytest.mark.parametrize(
    ("accuracies", "patience", "steps", "chosen"),
    [
        ([0.5, 0.5, 0.4, 0.9, 0.9, 0.9], 2, 3, 2),  # of equals the later is kept, and is no rise
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.4], 2, 6, 6),
        ([0.5, 0.4, 0.3, 0.2, 0.1, 0.0], None, 6, 1),
        ([0.5, 0.4, 0.3, 0.2, 0.1, 0.6], 5, 6, 6),
    ],
)
def test_training_ends_once_patience_has_run_out(
    run, tmp_path, monkeypatch, accuracies, patience, steps, chosen
):
    left = iter(accuracies)
    monkeypatch.setattr("training.loop._judge", lambda *_: next(left))
    update = {"checkpoint_every_steps": 1, "patience": patience}
    run = set_settings(run, run.settings.model_copy(update=update))
    trained = train(run, tmp_path)
    assert (len(trained.history), trained.step) == (steps, chosen)
    # Once it has ended it has ended: nothing is judged again.
    assert fingerprint(train(run, tmp_path)) == fingerprint(trained)


@pytest.mark.slow
def test_a_wide_run_whose_channels_lie_last_goes_on_alike(run, tmp_path, monkeypatch):
    run = set_settings(run, run.settings.model_copy(update={"channels": (16, 16, 32, 32)}))
    weight = build_model(run.model, run.settings, 0).backbone.stem.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    expected = fingerprint(train(run, tmp_path / "whole"))
    stop_when(monkeypatch, "compute_losses", 3)
    with pytest.raises(Stop):
        train(run, tmp_path / "cut")
    monkeypatch.undo()
    assert fingerprint(train(run, tmp_path / "cut")) == expected


@pytest.mark.slow
def test_a_compiled_run_goes_on_alike_and_is_judged_as_an_eager_one(run, tmp_path, monkeypatch):
    compiled = set_settings(run, run.settings.model_copy(update={"compile_step": True}))
    whole = train(compiled, tmp_path / "whole")
    stop_when(monkeypatch, "compute_losses", 3)
    with pytest.raises(Stop):
        train(compiled, tmp_path / "cut")
    monkeypatch.undo()
    assert fingerprint(train(compiled, tmp_path / "cut")) == fingerprint(whole)
    eager = train(run, tmp_path / "eager")
    assert whole.weights.keys() == eager.weights.keys()
    assert whole.history[0].loss == pytest.approx(eager.history[0].loss, rel=1e-5)


def test_a_run_may_be_stopped_again_and_again(run, tmp_path, monkeypatch):
    expected = fingerprint(train(run, tmp_path / "whole"))
    for updates in (1, 3, 0, 2):
        with monkeypatch.context() as patch:
            stop_when(patch, "compute_losses", updates)
            with pytest.raises(Stop):
                train(run, tmp_path / "cut")
    assert fingerprint(train(run, tmp_path / "cut")) == expected


class ForgetfulModel(torch.nn.Module):
    """A model that runs out of memory in the middle of a training."""

    def __init__(self, inner, steps):
        super().__init__()
        self.inner, self.steps = inner, steps

    def forward(self, silhouettes):
        self.steps -= self.training
        if self.steps < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return self.inner(silhouettes)


def test_running_out_of_memory_keeps_a_checkpoint_that_can_be_gone_on_from(
    run, tmp_path, monkeypatch
):
    def build(steps):
        return lambda *arguments: ForgetfulModel(build_model(*arguments), steps)

    monkeypatch.setattr("training.loop.build_model", build(99))
    expected = fingerprint(train(run, tmp_path / "whole"))
    monkeypatch.setattr("training.loop.build_model", build(5))
    with pytest.raises(torch.OutOfMemoryError) as caught:
        train(run, tmp_path / "cut")
    error = translate_failure(caught.value)
    assert error.what == "out of memory"
    assert "identities_per_batch" in error.fix
    assert load_newest_checkpoint(tmp_path / "cut").step == 4
    monkeypatch.setattr("training.loop.build_model", build(99))
    assert fingerprint(train(run, tmp_path / "cut")) == expected


@pytest.mark.parametrize("world_size", [1, 2, 3, 99])
def test_the_parts_of_a_side_are_the_whole_of_it(run, world_size):
    parts = [run.train.share(rank, world_size) for rank in range(world_size)]
    ids = [part.table["sequence_id"].to_list() for part in parts]
    assert (
        sorted(name for names in ids for name in names) == run.train.table["sequence_id"].to_list()
    )
    for part, names in zip(parts, ids, strict=True):
        assert len(part) == len(names)
        assert run.store.index.find_positions(names).tolist() == part.positions.tolist()
        assert run.store.lengths[part.positions].tolist() == part.lengths.tolist()
        assert [SCOLIOSIS_LABELS[index] for index in part.labels] == part.table["label"].to_list()
        assert len(part.participants) == len(part)


def test_processes_that_see_different_checkpoints_are_refused(run, tmp_path, monkeypatch):
    train(run, tmp_path)
    # What the first process would say, whose disk is another.
    monkeypatch.setattr("lightning_fabric.Fabric.broadcast", lambda self, step: 0)
    with pytest.raises(IntegrityError, match="same scratch directory"):
        train(run, tmp_path)


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
    trained = train(set_settings(run, settings), tmp_path)
    assert {t.dtype for t in trained.weights.values()} == {torch.float32, torch.int64}
    assert all(row.loss > 0 for row in trained.history)


def test_fp16_without_cuda_is_refused_instead_of_replaced(run, tmp_path):
    settings = run.settings.model_copy(update={"precision": "16-mixed"})
    with pytest.raises(SettingsError, match="expected 32-true or bf16-mixed, found 16-mixed"):
        train(set_settings(run, settings), tmp_path)


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
    trained = train(set_settings(replace(run, model=model), settings), tmp_path)
    module = build_model(model, settings, 0)
    module.load_state_dict(trained.weights)
    probabilities = predict_probabilities(
        module, run.store, run.train, settings, torch.device("cpu"), NoProgress()
    )
    assert sequence_accuracy(probabilities, run.train) == 1.0
