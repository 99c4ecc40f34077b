"""What the field's papers print, number by number, and how each number has to be read.

Facts only: percentages as printed, and the sizes of the published test sets. What the numbers can
be, and what they say beside ours, is the business of those who read this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

# `inverted`: the rates of the class negative, under the names of the class positive.
Convention = Literal["inverted", "clinical"]

SCONET_PAPER: Final = "Zhou et al. 2024, MICCAI, arXiv:2407.05726"
GAIT_MIL_PAPER: Final = "Gait-MIL 2025, arXiv:2504.03894"
PUBLISHED_RATIO: Final = "ratio_1_1_8"  # of the paper's comparison of models


# Fusions of two views, as the paper's text defines them; the code of its authors has the two names
# the other way round.
PAPER_NAMES: Final[Mapping[str, str]] = {
    "paper:late": "prob_mean",
    "paper:slow": "feature_concat",
}


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table.

    Attributes:
        system: what the table calls it.
        model: its name in `training.models.registry`, None where it is not among them.
        ratio: the variant it was trained and tested on, None where it was not trained.
        accuracy_percent: of three classes, None where it is not printed.
        printed_sensitivity_percent: the number under the heading "sensitivity".
        printed_specificity_percent: the number under the heading "specificity".
        convention: what those two headings mean in this row.
        source: where it is printed.
    """

    system: str
    model: str | None
    ratio: str | None
    accuracy_percent: float | None
    printed_sensitivity_percent: float | None
    printed_specificity_percent: float | None
    convention: Convention
    source: str

    @property
    def clinical_sensitivity_percent(self) -> float | None:
        """The share of people with any abnormality who are found, in percent."""
        if self.convention == "inverted":
            return self.printed_specificity_percent
        return self.printed_sensitivity_percent

    @property
    def clinical_specificity_percent(self) -> float | None:
        """The share of people without an abnormality who are cleared, in percent."""
        if self.convention == "inverted":
            return self.printed_sensitivity_percent
        return self.printed_specificity_percent


def _model(
    system: str,
    model: str,
    accuracy: float,
    sensitivity: float,
    specificity: float,
    source: str = f"{SCONET_PAPER}, table 2",
) -> PublishedRow:
    return PublishedRow(
        system,
        model,
        PUBLISHED_RATIO,
        accuracy,
        sensitivity,
        specificity,
        "inverted",
        source,
    )


RECONSTRUCTED: Final = frozenset({"gait_mil"})
"""Models of ours after papers that leave their layers and schedule open."""

# Six models and one that followed them, all on 1:1:8; the sets of sequences are those of
# `TEST_COUNTS`.
MODEL_ROWS: Final = (
    _model("Baseline CNN", "baseline_cnn", 45.5, 99.0, 27.0),
    _model("CNN-Triplet", "baseline_cnn_triplet", 56.3, 77.0, 85.0),
    _model("CNN-MT", "baseline_cnn_mt", 57.8, 96.1, 44.4),
    _model("ScoNet", "sconet", 51.3, 100.0, 33.2),
    _model("ScoNet-Triplet", "sconet_triplet", 61.2, 100.0, 46.6),
    _model("ScoNet-MT", "sconet_mt", 82.0, 99.0, 76.5),
    _model("Gait-MIL", "gait_mil", 84.8, 99.0, 79.6, GAIT_MIL_PAPER),
)

# Methods of school screening, in a clinician's words: nothing is swapped.
SCREENING_ROWS: Final = (
    PublishedRow(
        "Adams forward bend test",
        None,
        None,
        None,
        84.4,
        95.2,
        "clinical",
        f"{SCONET_PAPER}, table 3",
    ),
    PublishedRow(
        "Scoliometer", None, None, None, 90.6, 79.8, "clinical", f"{SCONET_PAPER}, table 3"
    ),
)


# Where the screening methods' numbers probably come from; one of the four differs there.
SCREENING_NOTE: Final = (
    "Karachalios et al. 1999, Spine 24(22):2318, print 84.37 / 93.44 for the forward bend test "
    "and 90.62 / 79.76 for the scoliometer."
)


def _ratio(system: str, model: str, ratio: str, accuracy: float) -> PublishedRow:
    source = f"{SCONET_PAPER}, table 4"
    return PublishedRow(system, model, ratio, accuracy, None, None, "inverted", source)


# Accuracy by class ratio. The published test set moves with the ratio.
RATIO_ROWS: Final = (
    _ratio("ScoNet", "sconet", "ratio_1_1_2", 91.4),
    _ratio("ScoNet", "sconet", "ratio_1_1_4", 88.6),
    _ratio("ScoNet", "sconet", "ratio_1_1_8", 51.3),
    _ratio("ScoNet", "sconet", "ratio_1_1_16", 23.7),
    _ratio("ScoNet-MT", "sconet_mt", "ratio_1_1_2", 95.2),
    _ratio("ScoNet-MT", "sconet_mt", "ratio_1_1_4", 90.5),
    _ratio("ScoNet-MT", "sconet_mt", "ratio_1_1_8", 82.0),
    _ratio("ScoNet-MT", "sconet_mt", "ratio_1_1_16", 49.5),
)

# Sequences of each class in the published test set of each ratio.
TEST_COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
    "ratio_1_1_2": {"negative": 427, "neutral": 14, "positive": 307},
    "ratio_1_1_4": {"negative": 303, "neutral": 76, "positive": 369},
    "ratio_1_1_8": {"negative": 204, "neutral": 126, "positive": 419},
    "ratio_1_1_16": {"negative": 137, "neutral": 159, "positive": 452},
}


@dataclass(frozen=True)
class DualViewRow:
    """One row of the published comparison of ways to read two views, in percent over clips.

    Attributes:
        system: what the paper's text calls it.
        model: its name in `training.models.registry`.
        accuracy: mean and standard deviation over its folds.
        f1: the same, None where we do not know it.
    """

    system: str
    model: str
    accuracy: tuple[float, float]
    f1: tuple[float, float] | None = None


DUAL_VIEW_STUDY: Final = (
    "a study of adult spinal deformity against other diseases, from front and side RGB video; "
    "one-second clips of 8 frames, 3D ResNet-50, five participant-wise folds at 8 : 2"
)
"""What is known of the study whose table `DUAL_VIEW_ROWS` is."""
DUAL_VIEW_SOURCE: Final = (
    "Authors, year, title, DOI and repository of the study are not known to us: its numbers and "
    "protocol came to this project as a description, and nobody here has held them against the "
    "print. Cite the study itself, not this page."
)
"""Where the numbers of `DUAL_VIEW_ROWS` come from, as far as anybody here can say."""

DUAL_VIEW_ROWS: Final = (
    DualViewRow("single front", "single_front", (53.39, 10.85)),
    DualViewRow("single side", "single_side", (69.12, 11.01)),
    DualViewRow("early fusion", "early_channel", (63.04, 11.48)),
    DualViewRow("late fusion", "prob_mean", (70.28, 11.78), (71.86, 10.67)),
    DualViewRow("slow fusion", "feature_concat", (70.12, 7.11)),
)
