"""What the texts of a release say of its labels, for each label scheme."""

from dataclasses import dataclass
from typing import Final

from transforms.labels import SCOLIOSIS, SPINAL_DEFORMITY, LabelScheme


@dataclass(frozen=True)
class LabelWords:
    """Sentences of the documents; line breaks are those of the document.

    Attributes:
        column: what a column `label` is.
        readme: what the labels mean.
        datasheet: the answer to whether instances have labels.
        results: which class the README's sensitivity and specificity are about.
        card: the same in a model card.
        keyword: of the disease.
        levels: diagnosis -> meaning.
    """

    column: str
    readme: str
    datasheet: str
    results: str
    card: str
    keyword: str
    levels: dict[str, str]


_WORDS: Final = {
    SCOLIOSIS.name: LabelWords(
        column="diagnosis of the participant: negative, neutral or positive",
        readme="`negative` is a\n"
        "Cobb angle below 10 degrees, `neutral` about 10, `positive` above 10.",
        datasheet="`negative`, `neutral` or `positive`, a Cobb angle below, of about or above "
        "10 degrees.",
        results="Any abnormality (`positive` and `neutral`) is the positive class of\n"
        "sensitivity and specificity.",
        card="Any abnormality is\n`positive` and `neutral` against `negative`.",
        keyword="scoliosis",
        levels={
            "negative": "Cobb angle below 10 degrees",
            "neutral": "Cobb angle of about 10 degrees",
            "positive": "Cobb angle above 10 degrees",
        },
    ),
    SPINAL_DEFORMITY.name: LabelWords(
        column="diagnosis of the participant: asd, dhs, lcs or hipoa",
        readme="`asd` is\n"
        "adult spinal deformity, `dhs` dropped head syndrome, `lcs` lumbar canal stenosis and\n"
        "`hipoa` osteoarthritis of the hip.",
        datasheet="`asd` (adult spinal deformity), `dhs` (dropped head syndrome), `lcs` (lumbar "
        "canal stenosis) or `hipoa` (osteoarthritis of the hip).",
        results="Adult spinal deformity (`asd`) is the positive class of\n"
        "sensitivity and specificity, against the other diagnoses together (`non_asd`).",
        card="The positive class is\n`asd`, against the other diagnoses together (`non_asd`).",
        keyword="adult spinal deformity",
        levels={
            "asd": "adult spinal deformity",
            "dhs": "dropped head syndrome",
            "lcs": "lumbar canal stenosis",
            "hipoa": "osteoarthritis of the hip",
        },
    ),
}


def find_label_words(scheme: LabelScheme) -> LabelWords:
    """Return the words for a scheme."""
    return _WORDS[scheme.name]
