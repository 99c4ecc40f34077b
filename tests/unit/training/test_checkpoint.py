import pytest
import torch

from training.checkpoint import (
    Best,
    Checkpoint,
    list_checkpoints,
    load_newest_checkpoint,
    save_checkpoint,
    save_tensors,
)
from training.history import HistoryRow, format_history, parse_history

HISTORY = [
    HistoryRow(1, 1 / 3, 0.1 + 0.2, None, 0.1),
    HistoryRow(2, 1e-30, None, 2.5, 0.010000000000000002, 2 / 3),
]


def make_checkpoint(step, best=None, scaler=None):
    tensors = {"weight": torch.full((2, 3), float(step)), "count": torch.tensor(step)}
    momentum = {
        "momentum_buffer/weight": torch.randn((2, 3), generator=torch.Generator().manual_seed(step))
    }
    return Checkpoint(step, tensors, momentum, best, HISTORY, scaler or {})


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        assert torch.equal(found[name], expected[name])


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    best = Best(4, 2 / 3, {"weight": torch.rand(3)})
    saved = make_checkpoint(7, best, {"scale": 65536.0, "_growth_tracker": 3})
    save_checkpoint(tmp_path, saved)
    loaded = load_newest_checkpoint(tmp_path)
    assert (loaded.step, loaded.history, loaded.scaler) == (7, HISTORY, saved.scaler)
    assert (loaded.best.step, loaded.best.accuracy) == (4, 2 / 3)
    assert_equal(loaded.best.weights, best.weights)
    assert_equal(loaded.model, saved.model)
    assert_equal(loaded.optimiser, saved.optimiser)


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 10, 15):
        save_checkpoint(tmp_path, make_checkpoint(step))
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step_00000015", "step_00000010"]


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, name, damage):
    for step in (5, 10):
        save_checkpoint(tmp_path, make_checkpoint(step))
    path = tmp_path / "step_00000010" / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        data[len(data) // 2] ^= 255
        path.write_bytes(data if damage == "flip" else data[:-9])
    assert load_newest_checkpoint(tmp_path).step == 5


def test_no_checkpoint_is_none(tmp_path):
    assert load_newest_checkpoint(tmp_path / "nothing") is None


def test_equal_tensors_give_equal_bytes_in_any_layout():
    plain = torch.arange(24.0).reshape(2, 3, 2, 2)
    channels_last = plain.clone().to(memory_format=torch.channels_last)
    assert save_tensors({"a": plain}) == save_tensors({"a": channels_last})


def test_history_survives_a_round_trip_exactly():
    data = format_history(HISTORY)
    assert data.decode().splitlines()[1] == f"1,{1 / 3!r},{0.1 + 0.2!r},,0.1,"
    assert parse_history(data) == HISTORY
