"""The models that an experiment can name: one line each; `docs/adding_a_model.md` shows how."""

from typing import Final

import torch
from torch import nn

from training.models.dual_view import DualViewSpec
from training.models.gait_mil import PhaseAttentionSpec
from training.models.recipe import ModelSettings, Recipe
from training.models.sconet import SilhouetteSpec
from transforms.errors import SettingsError
from transforms.labels import SCOLIOSIS
from transforms.published import PAPER_NAMES


def _gait_mil(spec: PhaseAttentionSpec) -> SilhouetteSpec:
    """Return the recipe of ScoNet-MT with another pooling over time."""
    return SilhouetteSpec(True, ("cross_entropy", "triplet"), pool_time=spec.build)


MODELS: Final[dict[str, Recipe]] = {
    # The six classifiers of the Scoliosis1K paper.
    "baseline_cnn": SilhouetteSpec(False, ("cross_entropy",)),
    "baseline_cnn_triplet": SilhouetteSpec(False, ("cross_entropy", "triplet"), is_probe=True),
    "baseline_cnn_mt": SilhouetteSpec(False, ("cross_entropy", "triplet")),
    "sconet": SilhouetteSpec(True, ("cross_entropy",)),
    "sconet_triplet": SilhouetteSpec(True, ("cross_entropy", "triplet"), is_probe=True),
    "sconet_mt": SilhouetteSpec(True, ("cross_entropy", "triplet")),
    # Gait-MIL, reconstructed, and what is left of it without one of its parts.
    "gait_mil": _gait_mil(PhaseAttentionSpec()),
    "gait_mil_no_phases": _gait_mil(PhaseAttentionSpec(has_phases=False, weighs_phases=False)),
    "gait_mil_no_frame_attention": _gait_mil(PhaseAttentionSpec(weighs_frames=False)),
    "gait_mil_no_phase_attention": _gait_mil(PhaseAttentionSpec(weighs_phases=False)),
    "gait_mil_mean": _gait_mil(PhaseAttentionSpec(False, False, False)),
    # Two cameras: by where what they see is brought together.
    "single_front": DualViewSpec("channels", ("front",)),
    "single_side": DualViewSpec("channels", ("side",)),
    "early_channel": DualViewSpec("channels"),
    "feature_concat": DualViewSpec("features"),
    "prob_mean": DualViewSpec("probabilities"),
    "logit_mean": DualViewSpec("logits"),
}


def find_model(name: str) -> Recipe:
    """Return the recipe of a model, by our name or by a paper's (`paper:late`).

    Raises:
        SettingsError: there is no model of that name.
    """
    ours = PAPER_NAMES.get(name, name)
    if ours not in MODELS:
        raise SettingsError(
            "no such model",
            where="experiments.models",
            expected=" or ".join(sorted(MODELS)),
            found=name,
        )
    return MODELS[ours]


def build_model(
    name: str, settings: ModelSettings, seed: int, class_count: int = len(SCOLIOSIS.classes)
) -> nn.Module:
    """Build a model with parameters drawn from `seed` alone.

    Raises:
        SettingsError: there is no model of that name.
    """
    recipe = find_model(name)
    model = recipe.build(settings, class_count)
    recipe.draw(model, torch.Generator().manual_seed(seed))
    return model
