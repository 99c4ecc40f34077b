"""Weights from a file with the names of the public repository, written here by hand."""

import copy
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

import training.pretrained
from training.models.registry import build_model
from training.pretrained import load_pretrained
from transforms.errors import InputError, MissingDependencyError, SettingsError
from transforms.files import sha256_file
from transforms.training_settings import DualViewSettings

WIDTH, DEPTHS = 2, (2, 1, 1, 1)


def build(name="single_front", channel_count=3, depths=DEPTHS, width=WIDTH):
    settings = DualViewSettings(
        input="rgb" if channel_count == 3 else "silhouettes", width=width, depths=depths
    )
    return build_model(name, settings, 0, 2)


def make_public_state(channels=3, counts_batches=True):
    """Return a state with the names, shapes and order of the public code, all values random."""
    generator = torch.Generator().manual_seed(5)
    state = {}

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    def add_layer(conv, norm, inputs, outputs, kernel):
        state[f"{conv}.weight"] = 0.2 * draw(outputs, inputs, kernel, kernel, kernel)
        for entry in ("weight", "bias", "running_mean"):
            state[f"{norm}.{entry}"] = draw(outputs)
        state[f"{norm}.running_var"] = draw(outputs).square() + 0.5
        if counts_batches:
            state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    add_layer("conv1", "bn1", channels, WIDTH, 7)
    inputs = WIDTH
    for stage, depth in enumerate(DEPTHS):
        inner, outer = WIDTH * 2**stage, 4 * WIDTH * 2**stage
        for block in range(depth):
            prefix = f"layer{stage + 1}.{block}"
            add_layer(f"{prefix}.conv1", f"{prefix}.bn1", inputs, inner, 1)
            add_layer(f"{prefix}.conv2", f"{prefix}.bn2", inner, inner, 3)
            add_layer(f"{prefix}.conv3", f"{prefix}.bn3", inner, outer, 1)
            if block == 0:
                add_layer(f"{prefix}.downsample.0", f"{prefix}.downsample.1", inputs, outer, 1)
            inputs = outer
    state["fc.weight"], state["fc.bias"] = draw(700, inputs), draw(700)
    return state


def describe_as_published(state, clips):
    """Return the pooled features of a public state, from the description of the public code."""

    def layer(features, conv, norm, stride=1, padding=0):
        inner = functional.conv3d(features, state[f"{conv}.weight"], None, stride, padding)
        statistics = [state[f"{norm}.{name}"] for name in ("running_mean", "running_var")]
        return functional.batch_norm(
            inner, *statistics, state[f"{norm}.weight"], state[f"{norm}.bias"]
        )

    features = layer(clips, "conv1", "bn1", (1, 2, 2), 3).relu()
    features = functional.max_pool3d(features, 3, 2, 1)
    for stage, depth in enumerate(DEPTHS):
        for block in range(depth):
            prefix, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
            inner = layer(features, f"{prefix}.conv1", f"{prefix}.bn1").relu()
            inner = layer(inner, f"{prefix}.conv2", f"{prefix}.bn2", stride, 1).relu()
            inner = layer(inner, f"{prefix}.conv3", f"{prefix}.bn3")
            if block == 0:
                down = f"{prefix}.downsample"
                features = layer(features, f"{down}.0", f"{down}.1", stride)
            features = (inner + features).relu()
    return features.mean(dim=(2, 3, 4))


def draw_clips(channels):
    shape = (2, 2, channels, 4, 36, 40)  # ends as a map of several values
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def write_pth(path, content, **options):
    torch.save(content, path, **options)
    return path


def with_prefix(state):
    return {f"module.{name}": tensor for name, tensor in state.items()}


@pytest.fixture
def public():
    return make_public_state()


WRITERS = {
    "plain": lambda folder, state: write_pth(folder / "w.pth", state),
    "training": lambda folder, state: write_pth(
        folder / "w.pth",
        {
            "epoch": 200,
            "arch": "resnet-50",
            "state_dict": with_prefix(state),
            "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": []},
        },
    ),
    "before_zip": lambda folder, state: write_pth(
        folder / "w.pt", state, _use_new_zipfile_serialization=False
    ),
    "safetensors": lambda folder, state: (
        save_file(with_prefix(state), folder / "w.safetensors") or folder / "w.safetensors"
    ),
}


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_loaded_network_says_what_the_published_one_says(tmp_path, public, kind):
    path = WRITERS[kind](tmp_path, public)
    model = build().eval()
    assert load_pretrained(model, path) == sha256_file(path)
    clips = draw_clips(3)
    expected = describe_as_published(public, clips[:, 0])
    torch.testing.assert_close(model(clips).embeddings[:, :, 0], expected)


def test_the_classifier_keeps_its_own_first_draw(tmp_path, public):
    model, fresh = build(), build()
    load_pretrained(model, WRITERS["plain"](tmp_path, public))
    assert torch.equal(model.classifiers[0].weight, fresh.classifiers[0].weight)
    assert torch.equal(model.classifiers[0].bias, fresh.classifiers[0].bias)


@pytest.mark.parametrize("name", ["feature_concat", "prob_mean", "logit_mean"])
def test_the_network_of_every_view_begins_from_the_file(tmp_path, public, name):
    model = build(name).eval()
    load_pretrained(model, WRITERS["plain"](tmp_path, public))
    clips = draw_clips(3)
    expected = [describe_as_published(public, clips[:, view]) for view in (0, 1)]
    torch.testing.assert_close(model(clips).embeddings[:, :, 0], torch.cat(expected, dim=1))


def test_a_silhouette_is_described_like_the_grey_picture_it_is(tmp_path, public):
    model = build("single_side", channel_count=1).eval()
    load_pretrained(model, WRITERS["plain"](tmp_path, public))
    clips = draw_clips(1)
    expected = describe_as_published(public, clips[:, 1].expand(-1, 3, -1, -1, -1))
    torch.testing.assert_close(model(clips).embeddings[:, :, 0], expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_two_equal_views_in_one_input_are_described_like_one(tmp_path, public, channels):
    model = build("early_channel", channels).eval()
    load_pretrained(model, WRITERS["plain"](tmp_path, public))
    view = draw_clips(channels)[:, :1]
    expected = describe_as_published(public, view[:, 0].expand(-1, 3, -1, -1, -1))
    found = model(view.expand(-1, 2, -1, -1, -1, -1)).embeddings[:, :, 0]
    torch.testing.assert_close(found, expected)


def test_a_file_of_silhouettes_fits_silhouettes_and_not_rgb(tmp_path):
    state = make_public_state(channels=1, counts_batches=False)  # as before torch 0.4
    path = WRITERS["plain"](tmp_path, state)
    model = build(channel_count=1).eval()
    load_pretrained(model, path)
    clips = draw_clips(1)
    expected = describe_as_published(state, clips[:, 0])
    torch.testing.assert_close(model(clips).embeddings[:, :, 0], expected)
    with pytest.raises(InputError, match=r"stem.conv.weight has another shape"):
        load_pretrained(build(channel_count=3), path)


SPOILERS = {
    "another depth": (lambda state: state.pop("layer1.1.conv2.weight"), "another depth"),
    "deeper": (
        lambda state: state.update({"layer4.1.conv1.weight": torch.zeros(16, 64, 1, 1, 1)}),
        "another depth",
    ),
    "another width": (lambda state: state.update({"bn1.weight": torch.ones(9)}), "another shape"),
    "another network": (lambda state: state.update({"conv2.weight": torch.ones(1)}), "no 3D"),
    "a name of ours": (lambda state: state.update({"stem.conv.weight": torch.ones(1)}), "no 3D"),
    "a kernel of two axes": (
        lambda state: state.update({"conv1.weight": torch.ones(2, 3)}),
        "another shape",
    ),
    "not a number": (lambda state: state["bn1.bias"].fill_(torch.nan), "not all finite"),
    "whole numbers": (
        lambda state: state.update({"bn1.bias": torch.ones(2, dtype=torch.int64)}),
        "not all finite",
    ),
    "too large for float32": (
        lambda state: state.update({"bn1.bias": torch.full((2,), 1e300, dtype=torch.float64)}),
        "not all finite",
    ),
    "complex": (
        lambda state: state.update({"bn1.bias": torch.ones(2, dtype=torch.complex64)}),
        "not all finite",
    ),
    "sparse": (
        lambda state: state.update({"bn1.bias": torch.ones(2).to_sparse()}),
        "tensors by name",
    ),
    "without values": (
        lambda state: state.update({"bn1.bias": torch.ones(2, device="meta")}),
        "tensors by name",
    ),
    "vast without bytes": (
        lambda state: state.update({"layer1.0.conv1.weight": torch.zeros(1).expand(10**13)}),
        "another shape",
    ),
    "not tensors": (lambda state: state.update({"bn1.bias": [0.0, 0.0]}), "tensors by name"),
}


@pytest.mark.parametrize("spoiler", sorted(SPOILERS))
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(tmp_path, public, spoiler):
    spoil, message = SPOILERS[spoiler]
    spoil(public)
    model = build("prob_mean")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=message):
        load_pretrained(model, write_pth(tmp_path / "w.pth", public))
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


class Calls:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("is_zip", [True, False])
def test_nothing_in_a_file_is_run(tmp_path, public, is_zip):
    mark = tmp_path / "ran"
    content = {"state_dict": public, "extra": Calls(mark)}
    path = write_pth(tmp_path / "w.pth", content, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(InputError, match="without running"):
        load_pretrained(build(), path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it would have


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps({"a": 1}), b"PK\x05\x06"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_damaged_files_are_refused(tmp_path, content, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="without running"):
        load_pretrained(build(), path)


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["plain", "before_zip", "safetensors"])
def test_files_cut_short_are_refused(tmp_path, public, kind, share):
    path = WRITERS[kind](tmp_path, public)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="without running"):
        load_pretrained(build(), path)


def test_a_file_that_is_too_large_is_refused(tmp_path, public, monkeypatch):
    path = WRITERS["plain"](tmp_path, public)
    monkeypatch.setattr(training.pretrained, "_LARGEST_FILE", path.stat().st_size - 1)
    with pytest.raises(InputError, match="too large"):
        load_pretrained(build(), path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    monkeypatch.setattr(training.pretrained, "_LARGEST_FILE", 10**5)
    with pytest.raises(InputError, match="too large"):
        load_pretrained(build(), path)


def test_a_pickle_is_refused_by_a_torch_that_would_run_it(tmp_path, public, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(MissingDependencyError, match="safely"):
        load_pretrained(build(), WRITERS["plain"](tmp_path, public))
    load_pretrained(build(), WRITERS["safetensors"](tmp_path, public))


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(MissingDependencyError, match="cannot be read"):
        load_pretrained(build(), tmp_path / "w.pth")
    (tmp_path / "w.onnx").write_bytes(b"x")
    with pytest.raises(SettingsError, match=r"\.safetensors"):
        load_pretrained(build(), tmp_path / "w.onnx")
