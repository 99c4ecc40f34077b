"""The questions of a datasheet, as Gebru et al. ask them, each with the key of its answer.

T. Gebru et al., "Datasheets for Datasets", Communications of the ACM 64 (12), 2021. What the data
themselves answer is in `transforms.release.datasheet`.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Question:
    """One question: the key that `release.answers` knows it by, its section, its words."""

    key: str
    section: str
    text: str


_SECTIONS: Final = {
    "Motivation": {
        "purpose": "For what purpose was the dataset created?",
        "creators": "Who created the dataset and on behalf of which entity?",
        "funding": "Who funded the creation of the dataset?",
    },
    "Composition": {
        "instances": "What do the instances that comprise the dataset represent?",
        "instance_count": "How many instances are there in total?",
        "sample": "Does the dataset contain all possible instances, or is it a sample of a larger "
        "set?",
        "instance_data": "What data does each instance consist of?",
        "labels": "Is there a label or target associated with each instance?",
        "missing": "Is any information missing from individual instances?",
        "relationships": "Are relationships between individual instances made explicit?",
        "splits": "Are there recommended data splits?",
        "errors": "Are there any errors, sources of noise, or redundancies in the dataset?",
        "self_contained": "Is the dataset self-contained, or does it rely on external resources?",
        "confidential": "Does the dataset contain data that might be considered confidential?",
        "offensive": "Does the dataset contain data that might be offensive or cause anxiety if "
        "viewed directly?",
        "subpopulations": "Does the dataset identify any subpopulations?",
        "identifiable": "Is it possible to identify individuals from the dataset?",
        "sensitive": "Does the dataset contain data that might be considered sensitive?",
    },
    "Collection process": {
        "acquisition": "How was the data associated with each instance acquired?",
        "mechanisms": "What mechanisms or procedures were used to collect the data?",
        "sampling": "If the dataset is a sample of a larger set, what was the sampling strategy?",
        "collectors": "Who was involved in the data collection, and how were they compensated?",
        "timeframe": "Over what timeframe was the data collected?",
        "ethics": "Were any ethical review processes conducted?",
        "source": "Was the data collected from the individuals directly, or through third parties?",
        "notice": "Were the individuals notified about the data collection?",
        "consent": "Did the individuals consent to the collection and use of their data?",
        "revocation": "Can the individuals revoke their consent?",
        "impact": "Has the potential impact of the dataset on the individuals been analysed?",
    },
    "Preprocessing, cleaning, labelling": {
        "preprocessing": "Was any preprocessing, cleaning or labelling of the data done?",
        "raw_data": "Was the raw data saved in addition to the processed data?",
        "software": "Is the software that processed the data available?",
    },
    "Uses": {
        "prior_uses": "Has the dataset been used for any tasks already?",
        "use_list": "Is there a list of papers or systems that use the dataset?",
        "other_uses": "What other tasks could the dataset be used for?",
        "use_impact": "Is there anything about the dataset's composition or making that might "
        "impact future uses?",
        "unsuitable_uses": "Are there tasks for which the dataset should not be used?",
    },
    "Distribution": {
        "third_parties": "Will the dataset be distributed to third parties?",
        "channel": "How will the dataset be distributed?",
        "when": "When will the dataset be distributed?",
        "licence": "Under which licence or terms of use will the dataset be distributed?",
        "restrictions": "Have any third parties imposed restrictions on the data?",
        "export_controls": "Do any export controls or other regulatory restrictions apply?",
    },
    "Maintenance": {
        "maintainer": "Who supports, hosts and maintains the dataset?",
        "contact": "How can the owner or curator of the dataset be contacted?",
        "erratum": "Is there an erratum?",
        "updates": "Will the dataset be updated?",
        "retention": "Are there limits on how long data about the individuals is retained?",
        "old_versions": "Will older versions of the dataset continue to be supported?",
        "contributions": "Can others extend, augment or build on the dataset?",
    },
}

QUESTIONS: Final = tuple(
    Question(key, section, text)
    for section, questions in _SECTIONS.items()
    for key, text in questions.items()
)
