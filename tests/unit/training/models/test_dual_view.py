"""What the six models of two views look at, how they join it, and what they are called."""

import pytest
import torch
from torch.nn import functional

from training.model_card import count_parameters
from training.models.dual_view import DualViewSpec, log_mean_probabilities
from training.models.registry import MODELS, build_model, find_model
from training.models.resnet3d import ResNet3DArchitecture
from transforms.errors import InputError
from transforms.published import PAPER_NAMES
from transforms.training_settings import DualViewSettings

DUAL_VIEW_MODELS = {name: one for name, one in MODELS.items() if one.reads == "clips"}

SMALLEST = ResNet3DArchitecture(width=2, depths=(1, 1, 1, 1))
NETWORKS = {
    "single_front": 1,
    "single_side": 1,
    "early_channel": 1,
    "feature_concat": 2,
    "prob_mean": 2,
    "logit_mean": 2,
}
CLASSIFIERS = NETWORKS | {"feature_concat": 1}


def build(name, channel_count=1, seed=0):
    settings = DualViewSettings(
        input="rgb" if channel_count == 3 else "silhouettes",
        width=SMALLEST.width,
        depths=SMALLEST.depths,
    )
    return build_model(name, settings, seed, 2)


def draw_clips(samples=2, channels=1, seed=0):
    shape = (samples, 2, channels, 4, 16, 12)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(DUAL_VIEW_MODELS))
def test_every_model_says_one_part_per_clip(name, channels):
    model = build(name, channels)
    output = model(draw_clips(3, channels))
    assert output.logits.shape == (3, 2, 1)
    assert output.embeddings.shape == (3, NETWORKS[name] * SMALLEST.feature_count, 1)
    assert output.scale == 1.0
    assert (len(model.backbones), len(model.classifiers)) == (NETWORKS[name], CLASSIFIERS[name])


@pytest.mark.parametrize("name", sorted(DUAL_VIEW_MODELS))
def test_a_model_depends_on_the_views_it_names_and_on_no_other(name):
    model = build(name).eval()
    clips = draw_clips()
    before = model(clips)
    for position, view in enumerate(("front", "side")):
        changed = clips.clone()
        changed[:, position] = torch.nan  # spreads to whatever is computed from it
        after = model(changed)
        if view in DUAL_VIEW_MODELS[name].views:
            assert after.logits.isnan().all()
        else:
            assert torch.equal(after.logits, before.logits)
            assert torch.equal(after.embeddings, before.embeddings)


@pytest.mark.parametrize("name", sorted(DUAL_VIEW_MODELS))
def test_the_loss_reaches_every_parameter(name):
    model = build(name)
    functional.cross_entropy(model(draw_clips()).logits[:, :, 0], torch.tensor([0, 1])).backward()
    assert all(one.grad is not None and one.grad.any() for one in model.classifiers.parameters())
    assert all(one.grad is not None for one in model.backbones.parameters())
    assert all(one.stem.conv.weight.grad.any() for one in model.backbones)


@pytest.mark.parametrize("name", ["prob_mean", "logit_mean"])
def test_fusion_after_the_classifiers_is_the_mean_of_what_each_view_says_alone(name):
    model = build(name).eval()
    clips = draw_clips()
    alone = [
        classifier(backbone(clips[:, view]))
        for view, (backbone, classifier) in enumerate(
            zip(model.backbones, model.classifiers, strict=True)
        )
    ]
    fused = model(clips).logits[:, :, 0]
    if name == "prob_mean":
        expected = (alone[0].softmax(dim=1) + alone[1].softmax(dim=1)) / 2
        torch.testing.assert_close(fused.softmax(dim=1), expected)
        torch.testing.assert_close(fused.exp(), expected)
    else:
        torch.testing.assert_close(fused, (alone[0] + alone[1]) / 2)


def test_the_two_means_after_the_classifiers_are_not_the_same():
    probabilities, logits = build("prob_mean").eval(), build("logit_mean").eval()
    logits.load_state_dict(probabilities.state_dict())
    for model in (probabilities, logits):
        model.classifiers[0].bias.data = torch.tensor([4.0, -4.0])  # sure, and the other is not
    clips = draw_clips()
    said = [model(clips).logits.softmax(dim=1) for model in (probabilities, logits)]
    assert (said[0] - said[1]).abs().max() > 0.05


def test_features_meet_before_the_classifier_one_view_after_the_other():
    model = build("feature_concat").eval()
    clips = draw_clips()
    features = [backbone(clips[:, view]) for view, backbone in enumerate(model.backbones)]
    output = model(clips)
    torch.testing.assert_close(output.embeddings[:, :, 0], torch.cat(features, dim=1))
    torch.testing.assert_close(output.logits[:, :, 0], model.classifiers[0](torch.cat(features, 1)))


def test_channels_meet_at_the_input_front_before_side():
    model = build("early_channel", 3).eval()
    clips = draw_clips(channels=3)
    joined = torch.cat([clips[:, 0], clips[:, 1]], dim=1)
    torch.testing.assert_close(model(clips).embeddings[:, :, 0], model.backbones[0](joined))


def test_means_of_probabilities_stay_finite_where_probabilities_vanish():
    sure = torch.tensor([[0.0, -2000.0]], requires_grad=True)
    fused = log_mean_probabilities([sure, sure.detach()])
    torch.testing.assert_close(fused, torch.tensor([[0.0, -2000.0]]))
    functional.cross_entropy(fused, torch.tensor([1])).backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()
    assert sure.grad.any()


def test_views_that_contradict_each_other_leave_it_open():
    fused = log_mean_probabilities([torch.tensor([[500.0, 0.0]]), torch.tensor([[0.0, 500.0]])])
    torch.testing.assert_close(fused.softmax(dim=1), torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize("name", sorted(DUAL_VIEW_MODELS))
def test_parameters_are_a_function_of_the_seed(name):
    first, second, other = build(name, seed=1), build(name, seed=1), build(name, seed=2)
    states = [list(model.state_dict().values()) for model in (first, second)]
    assert all(torch.equal(one, same) for one, same in zip(*states, strict=True))
    assert not torch.equal(first.classifiers[0].weight, other.classifiers[0].weight)
    assert not torch.equal(first.backbones[0].stem.conv.weight, other.backbones[0].stem.conv.weight)


def test_views_of_one_model_do_not_begin_alike():
    front, side = build("prob_mean").backbones
    assert not torch.equal(front.stem.conv.weight, side.stem.conv.weight)


def test_full_size_models_have_these_parameters():
    found = {}
    for name, spec in DUAL_VIEW_MODELS.items():
        with torch.device("meta"):
            found[name] = count_parameters(spec.build(DualViewSettings(input="rgb"), 2))
    network, second_view = 46_198_976, 3 * 343 * 64
    assert found == {
        "single_front": network + 2 * 2049,
        "single_side": network + 2 * 2049,
        "early_channel": network + second_view + 2 * 2049,
        "feature_concat": 2 * network + 2 * 4097,
        "prob_mean": 2 * network + 2 * 2 * 2049,
        "logit_mean": 2 * network + 2 * 2 * 2049,
    }


def test_the_paper_s_names_are_ours_by_what_its_text_says():
    assert find_model("paper:late") == DualViewSpec("probabilities", ("front", "side"))
    assert find_model("paper:slow") == DualViewSpec("features", ("front", "side"))
    assert not PAPER_NAMES.keys() & DUAL_VIEW_MODELS.keys()


@pytest.mark.parametrize("shape", [(2, 1, 1, 4, 16, 12), (2, 2, 3, 4, 16, 12), (2, 2, 1, 16, 12)])
def test_clips_of_other_axes_are_refused(shape):
    with pytest.raises(InputError, match="frame, height, width"):
        build("single_front")(torch.zeros(shape))
