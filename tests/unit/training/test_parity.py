"""Agreement with arrays that the field's reference code computed.

They are not part of this repository: GAITWORKS_PARITY_DIR names the folder that holds them.
The reference ran on one thread, and so does every test here: more of them sum the first layers'
weight gradients in another order, which moves those by 4e-4 (float32 against float64: 3e-3).
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from training.losses import cross_entropy_loss, triplet_loss
from training.models.reference import translate_reference_name, translate_reference_state
from training.models.registry import find_model
from transforms.training_settings import TrainingSettings

PARITY = os.environ.get("GAITWORKS_PARITY_DIR")
pytestmark = pytest.mark.skipif(
    PARITY is None, reason="GAITWORKS_PARITY_DIR is not set: parity with the reference is UNTESTED"
)
OUTPUT = {"atol": 1e-5, "rtol": 0.0}
SETTINGS = TrainingSettings(channels=(8, 16, 32, 64), embedding_size=32)


def load_arrays(name):
    with np.load(Path(PARITY) / name, allow_pickle=False) as arrays:
        return {
            key: arrays[key] if arrays[key].dtype.kind == "U" else torch.from_numpy(arrays[key])
            for key in arrays.files
        }


@pytest.fixture(scope="module")
def reference():
    return load_arrays("sconet_small.npz")


@pytest.fixture(scope="module")
def losses():
    return load_arrays("losses.npz")


@pytest.fixture
def model(reference):
    model = find_model("sconet_mt").build(SETTINGS)
    state = {name: reference[f"w:{name}"] for name in reference["state_keys"]}
    model.load_state_dict(translate_reference_state(state))
    return model


@pytest.fixture(scope="module")
def silhouettes(reference):
    shape = reference["sil_shape"].tolist()
    bits = np.unpackbits(reference["sil_bits"].numpy(), count=int(np.prod(shape)))
    return torch.from_numpy(bits.reshape(shape)).float()[:, None]


def close(found, expected, **tolerance):
    torch.testing.assert_close(found, expected, **tolerance)


def close_to_reference_losses(found, expected, embeddings, identities):
    """Compare triplet losses to 1e-5, and to the reference's own rounding where that is larger.

    It takes distances as x^2 + y^2 - 2xy in float32, which cancels: its published values are up to
    3.6e-5 from the exact ones, by an amount that depends on the CPU that computed them.
    """
    vectors = embeddings.detach().double().permute(2, 0, 1)
    distances = (vectors[:, :, None] - vectors[:, None]).square().sum(-1).sqrt()
    same = identities[:, None] == identities[None]
    hinge = torch.relu(distances[:, :, :, None] - distances[:, :, None, :] + 0.2)
    hinge = torch.where(same[:, :, None] & ~same[:, None, :], hinge, 0.0).flatten(1)
    exact = hinge.sum(1) / ((hinge > 0).sum(1) + 1e-9)
    rounding = float((exact - expected).abs().max())
    assert rounding < 4e-5
    close(found, expected, atol=OUTPUT["atol"] + rounding, rtol=0.0)


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm().clamp_min(1e-12))


def test_the_79_state_entries_have_the_reference_shapes(reference):
    state = find_model("sconet_mt").build(SETTINGS).state_dict()
    translated = [translate_reference_name(name) for name in reference["state_keys"]]
    assert translated == list(state)
    shapes = [str(tuple(tensor.shape)).replace(" ", "") for tensor in state.values()]
    found = [text.replace(" ", "").strip("[]()").strip(",") for text in reference["state_shapes"]]
    assert found == [shape.strip("()").strip(",") for shape in shapes]


def test_evaluation_gives_the_reference_embeddings_and_logits(model, reference, silhouettes):
    model.eval()
    with torch.inference_mode():
        strips = model.pooling(
            model.backbone(silhouettes.flatten(end_dim=2)[:, None])
            .reshape(4, 30, 64, 16, 11)
            .max(dim=1)
            .values
        )
        output = model(silhouettes)
    close(strips, reference["eval_hpp"], **OUTPUT)
    close(output.embeddings, reference["eval_embeddings"], **OUTPUT)
    close(output.logits, reference["eval_logits"], **OUTPUT)


def test_float64_evaluation_agrees_to_the_last_digits(model, reference, silhouettes):
    model.double().eval()
    with torch.inference_mode():
        output = model(silhouettes.double())
    close(output.embeddings, reference["eval_embeddings_f64"], atol=1e-11, rtol=0.0)
    close(output.logits, reference["eval_logits_f64"], atol=1e-12, rtol=0.0)


def test_packed_sequences_give_the_reference_output(model, reference, silhouettes):
    model.eval()
    lengths = reference["packed_seqL"][0].tolist()
    pieces = [silhouettes[row, :, :length] for row, length in enumerate(lengths)]
    with torch.inference_mode():
        output = model(torch.cat(pieces, dim=1)[None], lengths)
    close(output.embeddings, reference["packed_embeddings"], **OUTPUT)
    close(output.logits, reference["packed_logits"], **OUTPUT)


def test_a_training_step_gives_the_reference_losses_gradients_and_statistics(
    model, reference, silhouettes
):
    model.train()
    output = model(silhouettes)
    triplet = triplet_loss(output.embeddings, reference["pids"], 0.2)
    entropy = cross_entropy_loss(
        output.logits, reference["class_ids"], scale=16.0, label_smoothing=0.1
    )
    close(output.embeddings, reference["train_embeddings"], **OUTPUT)
    close(output.logits, reference["train_logits"], **OUTPUT)
    close_to_reference_losses(
        triplet.per_part, reference["info:triplet/loss"], output.embeddings, reference["pids"]
    )
    close(triplet.violations.float(), reference["info:triplet/loss_num"], atol=0.0, rtol=0.0)
    close(entropy, reference["info:softmax/loss"], **OUTPUT)
    total = triplet.loss + entropy
    close(total, reference["loss_total"], atol=2e-5, rtol=0.0)  # holds the mean of the above

    total.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    for name, norm in zip(reference["grad_keys"], reference["grad_norms"], strict=True):
        gradient = gradients[translate_reference_name(name)]
        close(gradient.norm(), norm, atol=0.0, rtol=1e-4)
        if f"grad:{name}" in reference:
            assert relative_error(gradient, reference[f"grad:{name}"]) < 1e-4, name
    state = model.state_dict()
    for key, expected in reference.items():
        if key.startswith("after1:"):
            close(state[translate_reference_name(key.removeprefix("after1:"))], expected, **OUTPUT)


@pytest.mark.parametrize("case", ["random", "mixed", "duplicates", "large"])
def test_the_triplet_loss_and_its_gradient_are_the_reference_ones(losses, case):
    embeddings = losses[f"trip_{case}_emb"].requires_grad_()
    result = triplet_loss(embeddings, losses[f"trip_{case}_labels"], 0.2)
    close_to_reference_losses(
        result.per_part,
        losses[f"trip_{case}_loss_per_part"],
        embeddings,
        losses[f"trip_{case}_labels"],
    )
    close(result.loss, losses[f"trip_{case}_loss"], **OUTPUT)
    close(result.violations.float(), losses[f"trip_{case}_loss_num"], atol=0.0, rtol=0.0)
    result.loss.backward()
    assert torch.isfinite(embeddings.grad).all()
    assert relative_error(embeddings.grad, losses[f"trip_{case}_grad"]) < 1e-4


def test_the_cross_entropy_and_its_gradient_are_the_reference_ones(losses):
    logits = losses["ce_logits"].requires_grad_()
    loss = cross_entropy_loss(logits, losses["ce_labels"], scale=16.0, label_smoothing=0.1)
    close(loss, losses["ce_loss"], **OUTPUT)
    loss.backward()
    assert relative_error(logits.grad, losses["ce_grad"]) < 1e-4
