"""Maps of small models trained on walkers of whom one region of the body alone tells the class.

`pytest -s` prints the shares that `docs/explanation.md` quotes.
"""

from functools import cache

import numpy as np
import pytest

from transforms.explanation.regions import CELL_ROWS, REGIONS, sum_by_region
from transforms.explanation.shares import METHODS, reduce_frames
from transforms.synth.identity import draw_identity
from transforms.synth.sequence_plan import SequencePlan
from transforms.synth.silhouettes import render_sequence
from transforms.training_settings import TrainingSettings

WALKERS, TRAINED, FRAMES, SHIFT_PX, STEPS = 48, 36, 30, 3, 100
CELL_PX = 64 // CELL_ROWS
SMALL = TrainingSettings(channels=(4, 8, 16, 16), embedding_size=16)


@cache
def render_walkers() -> np.ndarray:
    """Return healthy walkers from the front, `(walker, frame, 64, 44) float32`; none like another.

    All are drawn as negatives: nothing about them goes with the class that is planted.
    """
    walkers = []
    for number in range(WALKERS):
        random = np.random.default_rng([3, number])
        identity = draw_identity(f"p{number}", "negative", "FM"[number % 2], random)
        plan = SequencePlan(identity, 1, FRAMES, "front", 3)
        walkers.append(render_sequence(plan)[:, :, 10:54])
    return np.stack(walkers).astype(np.float32) / 255


def plant(region: str) -> np.ndarray:
    """Shift the region of every second third of the walkers left, of every last third right."""
    planted = render_walkers().copy()
    top, end = (edge * CELL_PX for edge in REGIONS[region])
    for number, walk in enumerate(planted):
        shift = (0, -SHIFT_PX, SHIFT_PX)[number % 3]
        walk[:, top:end] = np.roll(walk[:, top:end], shift, axis=2)
    return planted


def train_small(name: str, walks: np.ndarray):
    import torch

    from training.losses import cross_entropy_loss
    from training.models.registry import build_model

    model = build_model(name, SMALL, 0)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        batch = random.choice(TRAINED, 12, replace=False)
        frames = np.stack([walks[one][random.choice(FRAMES, 4, replace=False)] for one in batch])
        output = model(torch.from_numpy(frames[:, None]))
        loss = cross_entropy_loss(
            output.logits, torch.from_numpy(batch % 3), scale=output.scale, label_smoothing=0.1
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def explain_planted(name: str, region: str):
    """Return the accuracy on new walkers and, by method, the mean share of each region."""
    import torch

    from training.explain_maps import explain_sequence

    walks = plant(region)
    model = train_small(name, walks)
    unseen = range(TRAINED, WALKERS)
    reference = torch.from_numpy(walks[TRAINED:].mean(axis=(0, 1)))
    right, shares = [], {method: [] for method in METHODS}
    for number in unseen:
        walk = walks[number]
        explained, maps = explain_sequence(model, torch.from_numpy(walk), reference)
        right.append(explained == number % 3)
        whole = reduce_frames(maps, walk, None)["whole"]
        for method in METHODS:
            shares[method].append(sum_by_region(whole[method])[:, 0])
    return np.mean(right), {method: np.mean(found, axis=0) for method, found in shares.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "region", "finders"),
    [
        ("sconet", "shoulders", ("evidence",)),
        ("sconet", "trunk", ("evidence",)),
        ("sconet", "thighs", ("evidence",)),
        ("baseline_cnn", "shoulders", ("evidence", "grad_cam")),
        ("baseline_cnn", "pelvis", ("evidence",)),
    ],
)
def test_the_planted_region_has_the_highest_share(name, region, finders) -> None:
    accuracy, shares = explain_planted(name, region)
    print(f"\n{name}, {region} planted, accuracy on new walkers {accuracy:.2f}")
    for method, found in shares.items():
        row = ", ".join(f"{one} {share:.2f}" for one, share in zip(REGIONS, found, strict=True))
        print(f"  {method}: {row}")
    assert accuracy > 0.8
    for method in finders:
        assert list(REGIONS)[int(np.argmax(shares[method]))] == region, method
