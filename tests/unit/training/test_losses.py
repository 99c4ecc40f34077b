import itertools

import numpy as np
import pytest
import torch

from training.losses import cross_entropy_loss, triplet_loss


def slow_triplet(embeddings, identities, margin):
    """The definition, one triplet at a time: per-part losses and numbers of violations."""
    losses, counts = [], []
    for part in range(embeddings.shape[2]):
        hinges = []
        for anchor, positive, negative in itertools.product(range(len(identities)), repeat=3):
            if identities[anchor] == identities[positive] != identities[negative]:
                near = np.linalg.norm(embeddings[anchor, :, part] - embeddings[positive, :, part])
                far = np.linalg.norm(embeddings[anchor, :, part] - embeddings[negative, :, part])
                hinges.append(max(0.0, near - far + margin))
        violating = [hinge for hinge in hinges if hinge > 0]
        counts.append(len(violating))
        losses.append(sum(violating) / len(violating) if violating else 0.0)
    return losses, counts


@pytest.mark.parametrize(
    "identities",
    [[0, 0, 1, 1], [0, 0, 0, 1], [3, 1, 3, 3, 1, 2], [0, 1, 2, 3], [7, 7, 7, 7]],
    ids=["equal", "unequal", "unsorted", "all different", "all the same"],
)
def test_triplet_loss_is_right_for_any_label_counts(identities):
    generator = np.random.default_rng(3)
    embeddings = generator.normal(size=(len(identities), 5, 3))
    result = triplet_loss(torch.from_numpy(embeddings), torch.tensor(identities), 0.2)
    losses, counts = slow_triplet(embeddings, identities, 0.2)
    assert result.per_part.tolist() == pytest.approx(losses, abs=1e-5)
    assert result.violations.tolist() == counts
    assert result.loss.item() == pytest.approx(np.mean(losses), abs=1e-5)


def test_triplet_gradient_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(1)
    embeddings = torch.randn((5, 4, 2), generator=generator, requires_grad=True)
    identities = torch.tensor([0, 0, 1, 2, 2])
    triplet_loss(embeddings, identities, 0.2).loss.backward()
    direction = torch.randn(embeddings.shape, generator=generator)
    step = 1e-3
    with torch.no_grad():
        above, below = (
            triplet_loss(embeddings + sign * step * direction, identities, 0.2).loss
            for sign in (1, -1)
        )
    expected = ((above - below) / (2 * step)).item()
    assert (embeddings.grad * direction).sum().item() == pytest.approx(expected, rel=1e-2)


def test_identical_embeddings_give_the_margin_and_a_finite_gradient():
    embeddings = torch.ones((4, 3, 2), requires_grad=True)
    result = triplet_loss(embeddings, torch.tensor([0, 0, 1, 1]), 0.2)
    result.loss.backward()
    assert result.loss.item() == pytest.approx(0.2)
    assert torch.isfinite(embeddings.grad).all()


def test_half_precision_embeddings_are_judged_in_float32():
    embeddings = torch.randn((4, 3, 2), generator=torch.Generator().manual_seed(0))
    result = triplet_loss(embeddings.bfloat16(), torch.tensor([0, 0, 1, 1]), 0.2)
    assert result.loss.dtype == torch.float32


def test_cross_entropy_is_the_mean_over_samples_and_parts():
    generator = np.random.default_rng(0)
    logits, labels = generator.uniform(-1, 1, (4, 3, 5)), np.array([2, 0, 1, 1])
    scores = 16 * logits
    log_softmax = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    target = np.full((4, 3), 0.1 / 3)
    target[np.arange(4), labels] += 0.9
    expected = -(target[:, :, None] * log_softmax).sum(axis=1).mean()
    found = cross_entropy_loss(
        torch.from_numpy(logits), torch.from_numpy(labels), scale=16, label_smoothing=0.1
    )
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "triplet"])
def test_gradients_are_those_of_finite_differences_in_every_direction(loss):
    generator = torch.Generator().manual_seed(2)
    given = torch.randn((5, 3, 2), generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([2, 0, 0, 1, 1])

    def compute(values):
        if loss == "triplet":
            return triplet_loss(values, labels, 0.2).loss
        return cross_entropy_loss(values, labels, scale=4.0, label_smoothing=0.1)

    # The losses round to float32: a wide step and a loose limit, still far below the gradients.
    assert torch.autograd.gradcheck(compute, given, eps=1e-3, atol=2e-3, rtol=1e-2)
    assert torch.autograd.grad(compute(given), given)[0].abs().max() > 0.02
