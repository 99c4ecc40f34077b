"""A model from its folder alone: what its card says is checked before memory is taken for it."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

import training.model_card
from training.card_file import CARD_NAME, MODEL_NAME
from training.checkpoint import save_tensors
from training.described_model import open_described_model
from training.experiment_data import open_experiment
from training.find_model import describe_model_directory, find_model_directory
from training.model_card import describe_model
from training.models.registry import build_model
from transforms.errors import GaitworksError, InputError, IntegrityError, SettingsError
from transforms.files import canonical_json, sha256_bytes
from transforms.labels import SCOLIOSIS, SPINAL_DEFORMITY
from transforms.progress import NoProgress


@pytest.fixture
def trained(tiny_cohort, tmp_path: Path) -> Path:
    """A model with its card as a training leaves them; nothing was learnt."""
    job = tiny_cohort.training_job(tmp_path / "model")
    data = open_experiment(job)
    weights = save_tensors(build_model(job.model, job.training, job.seed).state_dict())
    (job.output / MODEL_NAME).write_bytes(weights)
    card = describe_model(data, data.open_store(NoProgress()), weights)
    (job.output / CARD_NAME).write_bytes(canonical_json(card))
    return job.output


def change_card(directory: Path, **values: object) -> None:
    path = directory / CARD_NAME
    path.write_bytes(canonical_json(json.loads(path.read_bytes()) | values))


def test_a_model_is_built_as_its_card_says(trained: Path) -> None:
    described = open_described_model(trained)
    assert described.scheme == SCOLIOSIS
    assert not described.model.training
    assert described.card["experiment"] == "sconet-ratio_1_1_2-seed_0"
    frames = torch.from_numpy(np.zeros((1, 1, 3, 64, 44), np.float32))
    with torch.inference_mode():
        assert described.model(frames).probabilities().sum() == pytest.approx(1)


def test_what_is_wrong_with_a_models_folder_is_said(trained: Path, tmp_path: Path) -> None:
    def refused(match: str, kind: type[GaitworksError] = IntegrityError, **card: object) -> None:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(trained, copy)
        change_card(copy, **card)
        with pytest.raises(kind, match=match):
            open_described_model(copy)

    training = json.loads((trained / CARD_NAME).read_bytes())["training"]
    refused("not a model card", format="other/1")
    for labels in (["well", "ill"], ["positive", "negative"], [], None, [[1]], "positive"):
        refused("other classes", labels=labels)
    refused("another shape", labels=list(SPINAL_DEFORMITY.classes))
    refused("no such model", SettingsError, model="resnet")
    refused("settings that this version does not know", training={"layers": 3})
    refused("settings that this version does not know", training=None)
    refused("weights are damaged", weights_sha256="0" * 64)
    # Nobody takes memory for what a card merely claims.
    refused("another shape", training=training | {"channels": [4096] * 4})
    for name, value in (("channels", [10**6] * 4), ("embedding_size", 10**30)):
        refused("settings that this version does not know", training=training | {name: value})
    (trained / MODEL_NAME).write_bytes(b"no tensors")
    refused("weights are damaged", weights_sha256=sha256_bytes(b"no tensors"))
    (trained / CARD_NAME).write_text("[" * 100_000)
    with pytest.raises(IntegrityError, match="unreadable model card"):
        open_described_model(trained)


@pytest.mark.parametrize("number", [math.nan, -math.inf, 1e300])
def test_weights_that_are_no_numbers_are_refused(trained: Path, number: float) -> None:
    state = load((trained / MODEL_NAME).read_bytes())
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    state[name] = state[name].double()  # which holds 1e300, and the model's float does not
    state[name].view(-1)[-1] = number
    weights = save_tensors(state)
    (trained / MODEL_NAME).write_bytes(weights)
    change_card(trained, weights_sha256=sha256_bytes(weights))
    with pytest.raises(IntegrityError, match="not finite numbers"):
        open_described_model(trained)


def test_weights_that_are_too_large_are_not_read(trained: Path, monkeypatch) -> None:
    size = (trained / MODEL_NAME).stat().st_size
    monkeypatch.setattr(training.model_card, "_MAX_BYTES", size)
    assert open_described_model(trained)
    monkeypatch.setattr(training.model_card, "_MAX_BYTES", size - 1)
    with pytest.raises(IntegrityError, match=f"over {size - 1} bytes"):
        open_described_model(trained)


def make_experiments(root: Path, *names: str) -> None:
    for name in names:
        folder = root / "data" / "experiments" / name / "model"
        folder.mkdir(parents=True)
        (folder / CARD_NAME).write_text("{}")


def test_the_only_model_is_meant_and_of_several_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained model"):
        find_model_directory(tmp_path, None)
    make_experiments(tmp_path, "one")
    assert find_model_directory(tmp_path, None).directory.parent.name == "one"
    make_experiments(tmp_path, "two")
    metrics = {
        "units": {
            "participant": {
                "count": 9,
                "metrics": {
                    "accuracy": {"value": 0.75},
                    "any_abnormality/sensitivity": {"value": None},
                },
            }
        }
    }
    judged = tmp_path / "data" / "experiments" / "two" / "evaluation"
    judged.mkdir()
    (judged / "metrics.json").write_bytes(canonical_json(metrics))
    with pytest.raises(SettingsError, match="several trained models") as caught:
        find_model_directory(tmp_path, None)
    assert "one: not judged on its test side yet" in str(caught.value)
    assert "two: accuracy 0.75 on 9 test participants" in str(caught.value)
    found = find_model_directory(tmp_path, "two")
    assert found.evaluations == (judged,)
    with pytest.raises(SettingsError, match="no such experiment"):
        find_model_directory(tmp_path, "tow")
    with pytest.raises(SettingsError, match="no such experiment"):
        find_model_directory(tmp_path, "../two")


def test_a_release_has_cards_and_no_weights(trained: Path) -> None:
    assert describe_model_directory(trained).directory == trained
    (trained / MODEL_NAME).unlink()
    with pytest.raises(InputError, match="card and not its weights"):
        describe_model_directory(trained)
