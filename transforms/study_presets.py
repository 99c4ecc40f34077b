"""Sets of values of `params.yaml` that make a study: who walks, how they are split, which models.

A study says nothing of the size of training, and a size of training nothing of the study.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from transforms.published import DUAL_VIEW_ROWS
from transforms.settings import Settings, SplitSettings
from transforms.synth.demographics import DEFORMITY_PARTICIPANTS

Sections = Mapping[str, Mapping[str, Any]]  # values as plain JSON, by section and key


@dataclass(frozen=True)
class StudyPreset:
    """Values of some keys of some sections; all other keys stay as they are.

    Attributes:
        sections: the values by section and key, as plain JSON.
    """

    name: str
    purpose: str
    sections: Sections


_FOLDS: Final = SplitSettings(protocol="k_fold", folds=5, selection_fraction=0.1)

_SPINAL_DEFORMITY: Final[Sections] = {
    "synth": {
        "participants": DEFORMITY_PARTICIPANTS,
        "second_session_fraction": 0.5,
        # One who walks away from the front camera is easily taken for the participant.
        "bystander_fraction": 0.0,
        "duration_s": 6.0,  # both cameras see at least 5 s of every walk
        "views": ["front", "side"],
        "start_spread_s": 1.0,
        "declares_offsets": True,
    },
    "splits": _FOLDS.model_dump(include={"protocol", "selection_fraction", "folds"}),
    "experiments": {
        "models": [*(row.model for row in DUAL_VIEW_ROWS), "logit_mean"],
        "variants": list(_FOLDS.variants),
        "seeds": [0],
    },
    # The split that is trained on is by folds already, and class ratios are of scoliosis.
    "release": {"further_protocols": []},
}


def _scoliosis() -> Sections:
    """Return what undoes the other study: the defaults of its keys, but for what the demo adds."""
    defaults = Settings()
    sections: dict[str, dict[str, Any]] = {
        section: {key: defaults.section(section)[key] for key in values}
        for section, values in _SPINAL_DEFORMITY.items()
    }
    sections["splits"]["ratios"] = list(defaults.splits.ratios)  # which the variants are named by
    sections["experiments"]["variants"] = list(defaults.splits.variants)
    sections["release"]["further_protocols"] = ["k_fold"]
    return sections


STUDIES: Final[Mapping[str, StudyPreset]] = {
    one.name: one
    for one in (
        StudyPreset(
            "scoliosis",
            "screening by one camera: three classes, two class ratios, ScoNet and ScoNet-MT; the "
            "values params.yaml came with",
            _scoliosis(),
        ),
        StudyPreset(
            "spinal_deformity",
            "44 patients filmed from the front and the side at once: asd against other diseases, "
            "six dual-view models, five folds (30 trainings)",
            _SPINAL_DEFORMITY,
        ),
    )
}
