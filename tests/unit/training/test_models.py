import pytest
import torch

from training.model_card import count_parameters
from training.models.reference import translate_reference_name
from training.models.registry import MODELS, build_model, find_model
from transforms.errors import InputError, SettingsError
from transforms.settings import TrainingSettings


@pytest.fixture
def settings(tiny_settings):
    return tiny_settings


def silhouettes(samples, frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand((samples, 1, frames, 64, 44), generator=generator) > 0.5).float()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_full_width_has_the_published_number_of_parameters(name):
    with torch.device("meta"):
        model = find_model(name).build(TrainingSettings())
    assert count_parameters(model) == 7_014_592
    assert len(model.state_dict()) == 79


@pytest.mark.parametrize("parts", [1, 4, 16])
def test_output_has_one_embedding_and_one_cosine_per_class_and_part(settings, parts):
    model = build_model("sconet", settings.model_copy(update={"parts": parts}), 0)
    output = model(silhouettes(2, 3))
    assert output.embeddings.shape == (2, 4, parts)
    assert output.logits.shape == (2, 3, parts)
    assert output.logits.abs().max() <= 1 + 1e-6


def test_the_order_of_frames_does_not_matter(settings):
    model = build_model("sconet", settings, 0).eval()
    frames = silhouettes(1, 6)
    shuffled = frames[:, :, torch.tensor([3, 0, 5, 1, 4, 2])]
    assert torch.equal(model(frames).logits, model(shuffled).logits)


def test_packed_sequences_are_judged_like_single_ones(settings):
    model = build_model("sconet", settings, 0).eval()
    first, second = silhouettes(1, 2, seed=1), silhouettes(1, 5, seed=2)
    packed = model(torch.cat([first, second], dim=2), [2, 5]).logits
    alone = torch.cat([model(first).logits, model(second).logits])
    torch.testing.assert_close(packed, alone, atol=1e-6, rtol=0)


def test_the_seed_alone_decides_the_parameters(settings):
    def weights(seed):
        return torch.cat([p.flatten() for p in build_model("sconet", settings, seed).parameters()])

    expected = weights(4)
    torch.rand(3)  # moves torch's global generator, which must not matter
    assert torch.equal(weights(4), expected)
    assert not torch.equal(weights(5), expected)


def test_every_parameter_is_initialised():
    settings = TrainingSettings(channels=(2, 2, 4, 4), embedding_size=4)
    model = build_model("sconet", settings, 0)
    for name, parameter in model.named_parameters():
        assert parameter.abs().max() < 2, name
        if name.endswith("norm.bias"):
            assert not parameter.any(), name
        else:
            assert parameter.std() > 0, name


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match="sconet or sconet_mt, found resnet"):
        find_model("resnet")


@pytest.mark.parametrize(
    ("reference", "ours"),
    [
        ("Backbone.forward_block.conv1.conv.weight", "backbone.stem.conv.weight"),
        ("Backbone.forward_block.bn1.running_var", "backbone.stem.norm.running_var"),
        ("Backbone.forward_block.layer1.0.conv2.weight", "backbone.blocks.0.second.conv.weight"),
        (
            "Backbone.forward_block.layer4.0.downsample.1.bias",
            "backbone.blocks.3.shortcut.norm.bias",
        ),
        ("FCs.fc_bin", "projection.weight"),
        ("BNNecks.bn1d.weight", "neck.norm.weight"),
    ],
)
def test_reference_names_are_translated(reference, ours):
    assert translate_reference_name(reference) == ours


@pytest.mark.parametrize("name", ["Backbone.forward_block.layer5.0.conv1.weight", "FCs", ""])
def test_a_foreign_name_is_refused(name):
    with pytest.raises(InputError, match="not a state entry"):
        translate_reference_name(name)
