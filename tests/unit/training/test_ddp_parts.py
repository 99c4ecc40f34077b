"""The parts that several processes need, in one process; `test_ddp` puts them to work in two."""

import pytest
import torch
from torch import nn

from training.gather import gather_rows
from training.launch import launch_fabric, read_process_count
from training.models.registry import build_model
from training.synced_norm import SyncedBatchNorm, synchronise_norms
from transforms.errors import SettingsError

CPU = torch.device("cpu")
SHAPES = {nn.BatchNorm1d: (6, 5), nn.BatchNorm2d: (6, 5, 3, 4)}


def make_pair(kind):
    torch.manual_seed(0)
    plain = kind(5)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    synced = SyncedBatchNorm(5)
    synced.load_state_dict(plain.state_dict())
    return plain, synced


@pytest.mark.parametrize("kind", SHAPES)
def test_a_synced_norm_alone_is_an_ordinary_one(kind):
    plain, synced = make_pair(kind)
    plain.double(), synced.double()
    for _ in range(3):
        found = []
        batch = torch.randn(SHAPES[kind], dtype=torch.float64) * 3 + 1
        target = torch.randn_like(batch)
        for norm in (plain, synced):
            features = batch.clone().requires_grad_()
            output = norm(features)
            (output * target).sum().backward()
            found.append((output, features.grad, norm.weight.grad, norm.bias.grad))
        for expected, value in zip(*found, strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(synced.state_dict(), plain.state_dict(), rtol=1e-12, atol=1e-12)
    synced.load_state_dict(plain.state_dict())
    plain.eval(), synced.eval()
    assert torch.equal(synced(batch), plain(batch))


@pytest.mark.parametrize("kind", SHAPES)
def test_a_synced_norm_takes_and_gives_what_autocast_brings(kind):
    plain, synced = make_pair(kind)
    features = torch.randn(SHAPES[kind]).bfloat16()
    output = synced(features)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), plain(features.float()), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("model", ["sconet_mt", "baseline_cnn"])
def test_every_norm_of_a_model_is_synchronised_and_nothing_else_changes(tiny_settings, model):
    plain = build_model(model, tiny_settings, 0)
    synced = synchronise_norms(build_model(model, tiny_settings, 0), CPU)
    kinds = {type(module) for module in synced.modules()}
    assert SyncedBatchNorm in kinds
    assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d}
    for (name, value), (other_name, other) in zip(
        plain.state_dict().items(), synced.state_dict().items(), strict=True
    ):
        assert name == other_name
        assert torch.equal(value, other)


def test_one_process_gathers_what_it_has():
    rows = torch.randn(3, 2, requires_grad=True)
    assert gather_rows(rows) is rows


def test_the_number_of_processes_is_what_torchrun_says(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # some schedulers set it for themselves
    assert read_process_count() == 1
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")
    assert read_process_count() == 4


def test_more_processes_than_gpus_are_refused(monkeypatch, tiny_settings):
    for name, value in {
        "TORCHELASTIC_RUN_ID": "any",
        "WORLD_SIZE": "99",
        "LOCAL_WORLD_SIZE": "99",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="more processes than GPUs"):
        launch_fabric(tiny_settings.precision, "cuda")
