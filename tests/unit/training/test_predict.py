import copy

import numpy as np
import pytest
import torch
from torch import nn

from training.models.registry import MODELS, build_model
from training.predict import predict_probabilities
from transforms.progress import NoProgress
from transforms.training_settings import TrainingSettings

SETTINGS = TrainingSettings(channels=(2, 2, 4, 4), embedding_size=4, parts=4)
CPU = torch.device("cpu")
WALK_MODELS = sorted(name for name, one in MODELS.items() if one.reads == "walks")


def silhouettes(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand((1, 1, frames, 64, 44), generator=generator) > 0.5).float()


def trained_statistics(model, seed=1):
    """Give the batch norms statistics that differ from those of a new model."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            with torch.no_grad():
                module.bias.normal_(0, 0.3, generator=generator)
    return model


class Walks:
    """A frame store of sequences of these lengths."""

    def __init__(self, lengths):
        self.lengths = lengths

    def read(self, sequence, *, cap):
        frames = min(self.lengths[sequence], cap)
        return silhouettes(self.lengths[sequence], seed=sequence)[:, :, :frames].numpy()


class Positions:
    def __init__(self, positions):
        self.positions = np.array(positions)

    def __len__(self):
        return len(self.positions)


def predict(model, lengths, positions, settings=SETTINGS):
    return predict_probabilities(
        model, Walks(lengths), Positions(positions), settings, CPU, NoProgress()
    )


@pytest.mark.parametrize("name", WALK_MODELS)
@pytest.mark.parametrize("frames", [1, 15, 16, 31])
def test_judging_in_turns_says_what_all_frames_at_once_say(name, frames):
    model = trained_statistics(build_model(name, SETTINGS, 0)).double().eval()
    walk = silhouettes(frames).double()
    expected = model(walk)  # with gradients: every layer as it is trained, all frames at once
    with torch.inference_mode():
        found = model(walk)
    torch.testing.assert_close(found.embeddings, expected.embeddings, atol=1e-12, rtol=0)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-12, rtol=0)


def test_judging_never_holds_more_than_a_few_frames_of_features():
    model = build_model("sconet", SETTINGS, 0).eval()
    seen = []
    model.backbone.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    with torch.inference_mode():
        model(silhouettes(40))
    assert sum(seen) == 40
    assert max(seen) <= 15


def test_judging_leaves_the_model_as_it_was():
    model = trained_statistics(build_model("sconet", SETTINGS, 0)).train()
    before = copy.deepcopy(model.state_dict())
    predict(model, [3, 20], [0, 1])
    assert model.training
    assert all(torch.equal(before[name], entry) for name, entry in model.state_dict().items())


def test_a_prediction_does_not_depend_on_what_else_is_judged():
    model = trained_statistics(build_model("sconet_mt", SETTINGS, 0))
    lengths = [3, 40, 17, 15]
    together = predict(model, lengths, [2, 0, 1, 3])
    alone = [predict(model, lengths, [position])[0] for position in (2, 0, 1, 3)]
    assert np.array_equal(together, np.stack(alone))
    assert len(np.unique(together, axis=0)) == 4


def test_frames_beyond_the_cap_are_not_judged():
    model = trained_statistics(build_model("sconet", SETTINGS, 0))
    capped = predict(model, [40], [0], SETTINGS.model_copy(update={"evaluation_frame_cap": 7}))
    assert not np.array_equal(capped, predict(model, [40], [0]))

    class Shorter(Walks):
        def read(self, sequence, *, cap):
            return silhouettes(40, seed=sequence)[:, :, :7].numpy()

    shorter = predict_probabilities(
        model, Shorter([7]), Positions([0]), SETTINGS, CPU, NoProgress()
    )
    assert np.array_equal(capped, shorter)
