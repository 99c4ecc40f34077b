from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from transforms.errors import SettingsError
from transforms.presets import PRESETS, SIZES, find_preset, format_value, list_changes, say_preset
from transforms.settings import parse_settings, read_settings
from transforms.study_presets import STUDIES
from transforms.training_settings import TrainingSettings

ROOT = Path(__file__).parents[3]


def test_the_paper_preset_is_the_published_protocol():
    paper = SIZES["paper"].training
    assert paper.channels == (64, 128, 256, 512)
    assert (paper.embedding_size, paper.parts) == (256, 16)
    assert (paper.identities_per_batch, paper.sequences_per_identity) == (8, 8)
    assert (paper.frames_per_sequence, paper.frame_sampling) == (30, "fixed_unordered")
    assert (paper.steps, paper.milestones) == (20_000, (10_000, 14_000, 18_000))
    assert (paper.learning_rate, paper.learning_rate_factor) == (0.1, 0.1)
    assert (paper.momentum, paper.weight_decay) == (0.9, 5e-4)
    assert (paper.triplet_margin, paper.label_smoothing, paper.logit_scale) == (0.2, 0.1, 16.0)
    assert (paper.triplet_identity, paper.batch_balance) == ("sequence", "none")
    assert paper.evaluation_frame_cap == 720


def test_the_paper_preset_differs_from_the_defaults_by_its_precision_alone():
    assert list_changes(TrainingSettings(), SIZES["paper"].training) == {
        "precision": ("32-true", "bf16-mixed")
    }


def test_the_demo_trains_with_the_tiny_preset():
    settings, tiny = read_settings(ROOT / "params.yaml"), SIZES["tiny"]
    assert (settings.training, settings.dual_view) == (tiny.training, tiny.dual_view)


def test_the_paper_preset_is_the_published_protocol_of_two_views():
    paper = SIZES["paper"].dual_view
    assert (paper.width, paper.depths, paper.epochs, paper.patience) == (64, (3, 4, 6, 3), 50, 5)
    assert (paper.learning_rate, paper.weight_decay, paper.label_smoothing) == (1e-4, 0.0, 0.0)
    planned = paper.plan_training(clip_count=33, frame_count=8)
    assert (planned.steps, planned.checkpoint_every_steps) == (50 * 5, 5)
    assert (planned.optimiser, planned.batch_balance) == ("adam", "epochs")


def test_a_preset_is_known_by_its_values_and_changes_are_named():
    assert say_preset(SIZES["small"].training) == "the preset small"
    changed = SIZES["small"].training.model_copy(update={"steps": 1_501, "parts": 8})
    said = "the preset small but for parts 8 instead of 16; steps 1501 instead of 1500"
    assert say_preset(changed) == said


def test_presets_grow_from_tiny_to_paper():
    sizes = [
        (sum(one.channels), one.steps, one.frames_per_sequence)
        for one in (SIZES[name].training for name in ("tiny", "small", "paper"))
    ]
    for few, many in pairwise(sizes):
        assert all(low < high for low, high in zip(few, many, strict=True))


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(
        SettingsError,
        match=r"paper or small or tiny or scoliosis or spinal_deformity.*`gaitworks preset` lists",
    ):
        find_preset("huge")
    with pytest.raises(SettingsError, match="did you mean small"):
        find_preset("smal")


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_value_as_text_is_the_value_again(name):
    for values in find_preset(name).sections.values():
        text = "\n".join(f"{key}: {format_value(value)}" for key, value in values.items())
        assert yaml.safe_load(text) == values


def merge(values, *presets):
    sections = {name for one in presets for name in one.sections}
    return values | {
        name: values[name]
        | {k: v for one in presets for k, v in one.sections.get(name, {}).items()}
        for name in sections
    }


def test_the_demo_is_the_study_scoliosis_in_the_size_tiny():
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert merge(shipped, STUDIES["scoliosis"], SIZES["tiny"]) == shipped


def test_each_study_undoes_the_other_and_none_touches_a_size():
    scoliosis, spinal = (STUDIES[name].sections for name in ("scoliosis", "spinal_deformity"))
    assert list(scoliosis) == list(spinal)
    for section, values in spinal.items():
        assert set(values) <= set(scoliosis[section])
    assert not set(spinal) & set(SIZES["tiny"].sections)


def test_the_study_of_spinal_deformity_is_of_two_cameras_and_folds():
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings = parse_settings(merge(shipped, STUDIES["spinal_deformity"]))
    assert settings.synth.participants == {"asd": 27, "dhs": 9, "lcs": 6, "hipoa": 2}
    assert set(settings.synth.views) == {"front", "side"}
    # What every camera sees of a walk is longer than a clip.
    assert settings.synth.duration_s - settings.synth.start_spread_s > settings.clips.duration_s
    assert settings.splits.protocol == "k_fold"
    assert settings.experiments.variants == settings.splits.variants
    # The release refuses a further split by what it was trained on.
    assert settings.splits.protocol not in settings.release.further_protocols


def test_the_study_of_spinal_deformity_trains_every_model_of_two_views():
    from training.models.dual_view import DualViewSpec
    from training.models.registry import MODELS

    family = {name for name, recipe in MODELS.items() if isinstance(recipe, DualViewSpec)}
    models = STUDIES["spinal_deformity"].sections["experiments"]["models"]
    assert set(models) == family
    assert len(models) == len(family)
