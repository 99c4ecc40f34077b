"""The README of an exported tree: what its labels mean, and what to beware of."""

from collections.abc import Mapping, Sequence
from typing import Final

from transforms.labels import SCOLIOSIS, SPINAL_DEFORMITY, LabelScheme

_TEXT = """\
Silhouettes in OpenGait's layout, exported by Gaitworks from the dataset version
{version}

silhouettes/ID/CLASS/VIEW/VIEW.pkl   one pickled uint8 array (frame, 64, 64), levels 0..255
sequences.csv                        the participant, session and frame rate of each ID
partitions/VARIANT.json              TRAIN_SET and TEST_SET: lists of IDs
manifest.json                        size and sha256 of every file

In OpenGait set data_cfg.dataset_root to the folder silhouettes/ and data_cfg.dataset_partition to
one of the partitions. Its model input is columns 10 to 53 of each frame, divided by 255.

Labels. {labels}
{counts}

IDs are sequences, not people: {sequences} IDs of {participants} participants. Split by the column
participant_id of sequences.csv, never by ID, or the same person stands on both sides. The
partitions here are made so. SELECTION_SET, which OpenGait does not read, is for choosing among
models; its participants are neither in TRAIN_SET nor in TEST_SET.
{partitions}

Metrics. {metrics}

Nothing but this export's own arrays is in these pickles; still, load pickles only where you know
who wrote them. Silhouettes are biometric data: the terms of the dataset apply to this copy.
"""


_LABELS: Final = {
    SCOLIOSIS.name: """\
CLASS is negative (index 0), neutral (1; older data: "critical") or positive (2).""",
    SPINAL_DEFORMITY.name: """\
CLASS is a diagnosis: asd (adult spinal deformity), dhs (dropped head syndrome), lcs
(lumbar canal stenosis) or hipoa (osteoarthritis of the hip). Models tell asd (index 1) from the
others together (0).""",
}
_METRICS: Final = {
    SCOLIOSIS.name: """\
OpenGait's 2024 evaluator encoded negative 0, positive 1, neutral 2 and printed the rates
of class 0 (negative) as those of "Positive": "sensitivity" and "specificity" in the tables
published with it are those of being healthy. For the screening question (any abnormality: positive
or neutral against negative) read its sensitivity as specificity and its specificity as sensitivity.
Do not compare such numbers with clinical ones before swapping them.""",
    SPINAL_DEFORMITY.name: """\
OpenGait's 2024 evaluator is about the three classes of scoliosis: its rates, printed under
the names of class 0, mean nothing here.""",
}


def render_readme(
    version: str,
    scheme: LabelScheme,
    counts: Mapping[str, int],
    participants: int,
    partitions: Mapping[str, Mapping[str, Sequence[str]]],
) -> str:
    """Return the text.

    Args:
        version: the dataset's version.
        scheme: of the labels.
        counts: sequences per label.
        participants: how many there are.
        partitions: variant to side to ids.
    """
    listed = [
        f"  {variant}: " + ", ".join(f"{len(names)} {side}" for side, names in partition.items())
        for variant, partition in partitions.items()
    ]
    return _TEXT.format(
        version=version,
        labels=_LABELS[scheme.name],
        metrics=_METRICS[scheme.name],
        counts="\n".join(f"  {label}: {count} sequences" for label, count in counts.items()),
        sequences=sum(counts.values()),
        participants=participants,
        partitions="\n".join(listed) or "  No split was given: there are no partitions.",
    )
