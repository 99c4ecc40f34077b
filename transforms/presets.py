"""Sets of values of `params.yaml` by name: sizes of training, and studies.

A preset is not a setting: it is written into `params.yaml`, and from then on only the values count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transforms.errors import SettingsError
from transforms.settings_section import Section
from transforms.study_presets import STUDIES, Sections, StudyPreset
from transforms.suggestions import suggest
from transforms.training_settings import DualViewSettings, TrainingSettings


@dataclass(frozen=True)
class SizePreset:
    """All values of the sections `training` and `dual_view`.

    Attributes:
        training: of the models of walks.
        dual_view: of the models of clips.
    """

    name: str
    purpose: str
    training: TrainingSettings
    dual_view: DualViewSettings

    @property
    def sections(self) -> Sections:
        """The values by section and key, as plain JSON."""
        sections = {"training": self.training, "dual_view": self.dual_view}
        return {name: section.model_dump(mode="json") for name, section in sections.items()}


_PAPER: Final = SizePreset(
    "paper",
    "the published protocol at full size, for a GPU; its authors used 16-mixed, which only CUDA "
    "has, where this takes bf16-mixed, which needs no loss scaling",
    TrainingSettings(precision="bf16-mixed"),
    DualViewSettings(precision="bf16-mixed"),
)
_SMALL: Final = SizePreset(
    "small",
    "a quarter of the published width for 1,500 steps: an evening of a grid on a CPU",
    TrainingSettings(
        channels=(16, 32, 64, 128),
        embedding_size=64,
        attention_size=32,
        identities_per_batch=8,
        sequences_per_identity=2,
        frames_per_sequence=16,
        steps=1_500,
        milestones=(750, 1_050, 1_350),
        checkpoint_every_steps=250,
        evaluation_frame_cap=240,
    ),
    DualViewSettings(width=16, depths=(1, 2, 2, 1), learning_rate=1e-3, cpu_threads=1),
)
_TINY: Final = SizePreset(
    "tiny",
    "seconds per model on one core: the demo's values, enough to see the pipeline work",
    TrainingSettings(
        channels=(4, 8, 16, 32),
        embedding_size=16,
        attention_size=8,
        identities_per_batch=4,
        sequences_per_identity=2,
        frames_per_sequence=8,
        steps=80,
        milestones=(60,),
        cpu_threads=1,
        checkpoint_every_steps=40,
    ),
    DualViewSettings(width=8, depths=(1, 1, 1, 1), epochs=20, learning_rate=1e-3, cpu_threads=1),
)
Preset = SizePreset | StudyPreset
SIZES: Final[Mapping[str, SizePreset]] = {one.name: one for one in (_PAPER, _SMALL, _TINY)}
PRESETS: Final[Mapping[str, Preset]] = {**SIZES, **STUDIES}


def find_preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in PRESETS:
        fix = suggest(name, PRESETS, otherwise="`gaitworks preset` lists them")
        raise SettingsError("no such preset", expected=" or ".join(PRESETS), found=name, fix=fix)
    return PRESETS[name]


def say_preset(training: TrainingSettings) -> str:
    """Return the size that values are nearest to, and every value that is another."""
    changes = {name: list_changes(one.training, training) for name, one in SIZES.items()}
    name = min(changes, key=lambda one: len(changes[one]))
    said = f"the preset {name}"
    if not changes[name]:
        return said
    others = (f"{key} {new} instead of {old}" for key, (old, new) in changes[name].items())
    return f"{said} but for {'; '.join(others)}"


def list_changes(before: Section, after: Section) -> dict[str, tuple[str, str]]:
    """Return the keys whose values differ, each with its old and its new value as YAML has them."""
    old, new = (one.model_dump(mode="json") for one in (before, after))
    return {
        key: (format_value(old[key]), format_value(new[key])) for key in new if old[key] != new[key]
    }


def format_value(value: object) -> str:
    """Return a value as `params.yaml` writes it."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(format_value(one) for one in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {format_value(one)}" for key, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
