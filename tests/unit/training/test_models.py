import pytest
import torch

from training.loop import compute_losses
from training.model_card import count_parameters
from training.models import sconet
from training.models.reference import translate_reference_name
from training.models.registry import MODELS, build_model, find_model
from transforms.errors import InputError, SettingsError
from transforms.training_settings import TrainingSettings

WALK_MODELS = sorted(name for name, one in MODELS.items() if one.reads == "walks")


@pytest.fixture
def settings(tiny_settings):
    return tiny_settings


def silhouettes(samples, frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand((samples, 1, frames, 64, 44), generator=generator) > 0.5).float()


@pytest.mark.parametrize("name", ["sconet", "sconet_triplet", "sconet_mt"])
def test_full_width_has_the_published_number_of_parameters(name):
    with torch.device("meta"):
        model = find_model(name).build(TrainingSettings())
    assert count_parameters(model) == 7_014_592
    assert len(model.state_dict()) == 79


@pytest.mark.parametrize("name", ["baseline_cnn", "baseline_cnn_triplet", "baseline_cnn_mt"])
def test_the_baseline_is_the_same_backbone_with_a_plain_head(name):
    with torch.device("meta"):
        model = find_model(name).build(TrainingSettings())
        sconet = find_model("sconet").build(TrainingSettings())
    assert count_parameters(model.backbone) == count_parameters(sconet.backbone)
    head = 512 * 256 + 256 * 3 + 3
    assert count_parameters(model) == count_parameters(model.backbone) + head


@pytest.mark.parametrize("name", WALK_MODELS)
def test_a_probe_shapes_nothing(settings, name):
    model = build_model(name, settings, 0)
    output = model(silhouettes(2, 3))
    (output.logits.sum() * output.scale).backward()
    is_reached = model.projection.weight.grad is not None
    assert is_reached == (not name.endswith("triplet"))
    assert all(parameter.grad is not None for parameter in model.neck.parameters() if is_reached)


@pytest.mark.slow
@pytest.mark.parametrize("name", WALK_MODELS)
def test_eight_sequences_are_learned_by_heart(name):
    settings = TrainingSettings(channels=(8, 8, 16, 16), embedding_size=16)
    model = build_model(name, settings, 0)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    frames = silhouettes(8, 4, seed=3)
    losses = find_model(name).losses
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(50):
        optimiser.zero_grad()
        compute_losses(model(frames), labels, labels, losses, settings).sum().backward()
        optimiser.step()
    output = model(frames)
    assert torch.equal(output.logits.mean(dim=-1).argmax(dim=1), labels)


def test_a_baseline_has_one_part_and_any_logits(settings):
    output = build_model("baseline_cnn", settings, 0)(silhouettes(2, 3))
    assert output.embeddings.shape == (2, 4, 1)
    assert output.logits.shape == (2, 3, 1)
    assert output.scale == 1


@pytest.mark.parametrize("parts", [1, 4, 16])
def test_output_has_one_embedding_and_one_cosine_per_class_and_part(settings, parts):
    model = build_model("sconet", settings.model_copy(update={"parts": parts}), 0)
    output = model(silhouettes(2, 3))
    assert output.embeddings.shape == (2, 4, parts)
    assert output.logits.shape == (2, 3, parts)
    assert output.logits.abs().max() <= 1 + 1e-6
    assert output.scale == settings.logit_scale


@pytest.mark.parametrize("name", WALK_MODELS)
def test_the_order_of_frames_does_not_matter(settings, name):
    model = build_model(name, settings, 0).eval()
    frames = silhouettes(1, 6)
    shuffled = frames[:, :, torch.tensor([3, 0, 5, 1, 4, 2])]
    expected, found = model(frames).logits, model(shuffled).logits
    if name.startswith("gait_mil"):  # a mean adds up in another order
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    else:
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", WALK_MODELS)
def test_packed_sequences_are_judged_like_single_ones(settings, name):
    model = build_model(name, settings, 0).eval()
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


@pytest.mark.parametrize("kind", WALK_MODELS)
def test_every_parameter_is_initialised(kind):
    settings = TrainingSettings(channels=(2, 2, 4, 4), embedding_size=4)
    model = build_model(kind, settings, 0)
    for name, parameter in model.named_parameters():
        assert parameter.abs().max() < 2, name
        if name.endswith("bias"):
            assert not parameter.any(), name
        else:
            assert parameter.std() > 0, name


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"sconet_mt or sconet_triplet or .*, found resnet"):
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


@pytest.mark.parametrize(
    ("channels", "is_last"),
    [((16, 32, 64, 128), True), ((64, 128, 256, 512), True), ((4, 8, 16, 32), False)],
)
def test_channels_lie_last_where_the_backward_pass_is_safe(channels, is_last):
    model = build_model("sconet_mt", TrainingSettings(channels=channels, embedding_size=4), 0)
    weight = model.backbone.blocks[1].second.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == is_last
    assert weight.is_contiguous() != is_last


def test_the_layout_of_channels_changes_no_weight_and_hardly_a_gradient(monkeypatch):
    settings = TrainingSettings(channels=(16, 16, 16, 16), embedding_size=4)
    last = build_model("sconet_mt", settings, 0)
    monkeypatch.setattr(sconet, "_CHANNELS_LAST_FROM", 17)
    first = build_model("sconet_mt", settings, 0)
    frames, labels = silhouettes(4, 2).double(), torch.tensor([0, 1, 2, 0])
    for model in (first, last):
        losses = ("cross_entropy", "triplet")
        output = model.double()(frames)
        compute_losses(output, labels, labels, losses, settings).sum().backward()
    for (name, one), other in zip(first.named_parameters(), last.parameters(), strict=True):
        assert torch.equal(one, other), name
        torch.testing.assert_close(one.grad, other.grad, atol=1e-9, rtol=1e-9)
