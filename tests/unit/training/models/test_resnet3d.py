"""The 3D ResNet against its publication: sizes, counts, the first draw."""

import math

import pytest
import torch
from torch import nn

from training.model_card import count_parameters
from training.models.resnet3d import (
    ResNet3D,
    ResNet3DArchitecture,
    initialise_fan_out,
)

TINY = ResNet3DArchitecture(width=8, depths=(1, 1, 1, 1))
SMALL = ResNet3DArchitecture(width=16, depths=(1, 2, 2, 1))
PAPER = ResNet3DArchitecture()


def expected_parameters(width, depths, channels):
    """Count from the published table alone, layer by layer."""
    count = channels * 7**3 * width + 2 * width
    inputs = width
    for stage, depth in enumerate(depths):
        inner, outer = width * 2**stage, 4 * width * 2**stage
        count += inputs * outer + 2 * outer  # the shortcut of the stage's first block
        for _ in range(depth):
            count += inputs * inner + 27 * inner**2 + inner * outer  # 1x1x1, 3x3x3, 1x1x1
            count += 2 * (inner + inner + outer)
            inputs = outer
    return count


def shapes_through(architecture, clip_shape):
    """Return the shape after the stem and after each stage; nothing is computed."""
    shapes = []
    with torch.device("meta"):
        network = ResNet3D(architecture, clip_shape[1]).eval()
        for module in (network.stem, *network.stages):
            module.register_forward_hook(lambda *hooked: shapes.append(tuple(hooked[2].shape[1:])))
        description = network(torch.empty(clip_shape))
    assert description.shape == (clip_shape[0], architecture.feature_count)
    return shapes


def test_full_size_has_the_published_shapes_of_every_stage():
    assert shapes_through(PAPER, (2, 3, 16, 112, 112)) == [
        (64, 16, 56, 56),
        (256, 8, 28, 28),
        (512, 4, 14, 14),
        (1024, 2, 7, 7),
        (2048, 1, 4, 4),
    ]


@pytest.mark.parametrize(
    ("clip", "last"),
    [((1, 8, 64, 44), (1, 2, 2)), ((3, 8, 512, 512), (1, 16, 16)), ((1, 1, 1, 1), (1, 1, 1))],
)
def test_no_clip_vanishes_on_its_way(clip, last):
    assert shapes_through(PAPER, (1, *clip))[-1] == (2048, *last)


def test_eight_silhouettes_pass_every_stage():
    assert [shape[1:] for shape in shapes_through(TINY, (1, 1, 8, 64, 44))] == [
        (8, 32, 22),
        (4, 16, 11),
        (2, 8, 6),
        (1, 4, 3),
        (1, 2, 2),
    ]


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [TINY, SMALL, PAPER])
def test_every_size_has_the_parameters_of_its_formula(size, channels):
    with torch.device("meta"):
        network = ResNet3D(size, channels)
    assert count_parameters(network) == expected_parameters(size.width, size.depths, channels)


def test_full_size_is_the_3d_resnet_50():
    with torch.device("meta"):
        network = ResNet3D(PAPER, 3)
    assert count_parameters(network) == 46_198_976  # with 400 classes of Kinetics: 47,018,576
    assert expected_parameters(64, (3, 4, 6, 3), 3) + 400 * 2048 + 400 == 47_018_576
    convolutions = [name for name, one in network.named_modules() if isinstance(one, nn.Conv3d)]
    assert sum("shortcut" not in name for name in convolutions) + 1 == 50  # and the classifier
    assert sum("shortcut" in name for name in convolutions) == 4


def test_reversing_the_frames_changes_the_description():
    network = ResNet3D(TINY, 1)
    initialise_fan_out(network, torch.Generator().manual_seed(0))
    clip = torch.rand((2, 1, 4, 16, 16), generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(network(clip), network(clip.flip(dims=[2])), atol=1e-2)


def test_the_draw_has_the_published_spread_and_comes_from_the_generator_alone():
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(3)
    model = nn.ModuleList([ResNet3D(ResNet3DArchitecture(16, (1, 1, 1, 1)), 1), nn.Linear(400, 50)])
    torch.set_rng_state(state)
    initialise_fan_out(model, generator)
    assert torch.equal(torch.get_rng_state(), state)
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            fan_out = module.out_channels * math.prod(module.kernel_size)
            spread = module.weight.std().item() * math.sqrt(fan_out / 2)
            assert abs(spread - 1) < 4 / math.sqrt(2 * module.weight.numel())
        if isinstance(module, nn.BatchNorm3d):
            assert module.weight.eq(1).all()
            assert module.bias.eq(0).all()
    classifier = model[1]
    assert 0.99 / 20 < classifier.weight.abs().max() <= 1 / 20
    assert 0.8 / 20 < classifier.bias.abs().max() <= 1 / 20


def test_the_draw_does_not_depend_on_how_channels_lie_in_memory():
    networks = [ResNet3D(TINY, 2), ResNet3D(TINY, 2).to(memory_format=torch.channels_last_3d)]
    for network in networks:
        initialise_fan_out(network, torch.Generator().manual_seed(0))
    pairs = zip(*(network.state_dict().values() for network in networks), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
