"""Label schemes: what a diagnosis may be, what models tell apart, and what is asked of them.

The labels name the scheme: no word belongs to two of them. Tables of people and sequences carry
the diagnosis, predictions the class.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from transforms.errors import InputError


@dataclass(frozen=True)
class LabelScheme:
    """The labels of one kind of cohort.

    Attributes:
        name: how it is called in messages.
        diagnoses: what `participants.csv` may say.
        classes: what models tell apart; models, confusion matrices and files use this order.
        class_of: diagnosis -> class.
        questions: name -> class indices of its positive set; the screening question comes first.
    """

    name: str
    diagnoses: tuple[str, ...]
    classes: tuple[str, ...]
    class_of: Mapping[str, str]
    questions: Mapping[str, tuple[int, ...]]

    @property
    def is_folded(self) -> bool:
        """Whether models tell less apart than people are diagnosed with."""
        return self.classes != self.diagnoses

    @property
    def screening(self) -> str:
        """The name of the screening question."""
        return next(iter(self.questions))

    @property
    def probability_columns(self) -> tuple[str, ...]:
        """The columns of a table of predictions, in the order of the classes."""
        return tuple(f"p_{label}" for label in self.classes)

    def class_index(self, diagnosis: str) -> int:
        """Return the class index of a diagnosis."""
        return self.classes.index(self.class_of[diagnosis])

    def class_indices(self, question: str, *, inside: bool = True) -> list[int]:
        """Return the class indices inside a question's positive set, or outside of it."""
        positive = self.questions[question]
        return [index for index in range(len(self.classes)) if (index in positive) == inside]


# The order is that of the field's reference code.
SCOLIOSIS_LABELS: Final = ("negative", "neutral", "positive")
SCOLIOSIS: Final = LabelScheme(
    name="scoliosis",
    diagnoses=SCOLIOSIS_LABELS,
    classes=SCOLIOSIS_LABELS,
    class_of={label: label for label in SCOLIOSIS_LABELS},
    questions={"any_abnormality": (1, 2), "positive_vs_rest": (2,)},
)
# Adult spinal deformity against what else makes people walk bent or slowly: dropped head syndrome,
# lumbar canal stenosis, osteoarthritis of the hip.
SPINAL_DEFORMITY: Final = LabelScheme(
    name="spinal deformity",
    diagnoses=("asd", "dhs", "lcs", "hipoa"),
    classes=("non_asd", "asd"),
    class_of={"asd": "asd", "dhs": "non_asd", "lcs": "non_asd", "hipoa": "non_asd"},
    questions={"asd": (1,)},
)
SCHEMES: Final = (SCOLIOSIS, SPINAL_DEFORMITY)

# Older releases of Scoliosis1K call the neutral class "critical".
_SPELLINGS: Final = {"critical": "neutral"}


def find_scheme(labels: Iterable[str], *, where: object = None) -> LabelScheme:
    """Return the scheme that some labels belong to, all of them diagnoses or all of them classes.

    Raises:
        InputError: there is no label, one is unknown, or they belong to different schemes.
    """
    found = set(labels)
    for scheme in SCHEMES:
        if found and (found <= set(scheme.diagnoses) or found <= set(scheme.classes)):
            return scheme
    known = {label for scheme in SCHEMES for label in (*scheme.diagnoses, *scheme.classes)}
    what = "labels of different kinds of cohorts" if found else "no label"
    raise InputError(
        "unknown label" if found - known else what,
        where=where,
        expected=", or ".join(" or ".join(scheme.diagnoses) for scheme in SCHEMES),
        found=", ".join(sorted(found - known or found)) or "none",
        fix="keep cohorts apart that were diagnosed differently" if not found - known else None,
    )


def order_labels(labels: Iterable[str]) -> list[str]:
    """Return labels without repeats, classes and diagnoses in their order, others after by name."""
    found = set(labels)
    known = dict.fromkeys(
        label
        for scheme in SCHEMES
        for label in (*scheme.classes, *scheme.diagnoses)
        if label in found
    )
    return [*known, *sorted(found - set(known))]


def parse_label(text: str, *, scheme: LabelScheme | None = None, where: object = None) -> str:
    """Return the canonical diagnosis for a spelling from outside.

    Args:
        text: as somebody wrote it.
        scheme: the one it must belong to; any of them if None.
        where: what to name in the error.

    Raises:
        InputError: the spelling names no known diagnosis.
    """
    word = text.strip().lower()
    label = _SPELLINGS.get(word, word)
    schemes = SCHEMES if scheme is None else (scheme,)
    if not any(label in one.diagnoses for one in schemes):
        raise InputError(
            "unknown label",
            where=where,
            expected=", or ".join(" or ".join(one.diagnoses) for one in schemes),
            found=repr(text),
            fix="correct the label column",
        )
    return label
