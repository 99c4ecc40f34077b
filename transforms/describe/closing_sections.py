"""The report's last sections: how to read it, and where every number comes from."""

from typing import Any, Final

import yaml

from transforms.describe.formatting import NOTHING, format_bytes
from transforms.describe.gather import Material
from transforms.describe.page import (
    Block,
    Code,
    Group,
    Missing,
    Section,
    Terms,
    Text,
    rows_table,
)
from transforms.labels import SCOLIOSIS, SPINAL_DEFORMITY

_QUESTIONS: Final = {
    "any_abnormality": "Positive and neutral together against negative. Sensitivity: of those with "
    "any abnormality, the share that was found. Specificity: of the negatives, the share that was "
    "left alone.",
    "positive_vs_rest": "Positive against neutral and negative together.",
    "asd": "Adult spinal deformity (asd) against the other diagnoses together (non_asd). "
    "Sensitivity: of those with the deformity, the share that was found. Specificity: of the "
    "others, the share that was left alone.",
}

_DRAWN_FROM: Final = {
    SCOLIOSIS.name: "drawn from published summary figures",
    SPINAL_DEFORMITY.name: "and what sets their groups apart is ours, from no publication",
}


def reading_section(material: Material) -> Section:
    """Return what the words mean and what the numbers can't show."""
    evaluation = material.inputs.settings.get("evaluation", {})
    confidence = evaluation.get("confidence")
    resamples = evaluation.get("bootstrap_resamples")
    level = "An" if confidence is None else f"A {confidence:.0%}"
    rounds = "" if resamples is None else f" {resamples:,} times"
    terms = Terms(
        (
            (
                "per participant, per sequence",
                "A participant's sequences are judged together and count once; this is the unit "
                "to quote. Per sequence, people with many recordings weigh more.",
            ),
            (
                "value [low, high]",
                f"{level} interval by Wilson's formula for as many independent people as there are "
                f"by a bootstrap that draws participants, not sequences,{rounds} with replacement: "
                "sequences of one person are not independent. An interval as wide as the scale "
                "means that the test side is too small to tell.",
            ),
            *((question, _QUESTIONS[question]) for question in material.scheme.questions),
            (
                "macro precision, recall, F1",
                "Each class in turn is the positive one; the mean weighs the classes equally, "
                "however rare they are.",
            ),
            (
                "AUROC, AUPRC",
                "How well the scores rank people, at every threshold. AUPRC depends on how many "
                "positives there are: do not compare it between cohorts.",
            ),
            (
                "Brier score, calibration error",
                "Whether a stated probability can be taken at its word; lower is better.",
            ),
            (
                "undefined",
                "The metric has no value on this test side, for example because a class is "
                "absent. It is not zero.",
            ),
        )
    )
    limits: list[Block] = []
    if material.is_synthetic:
        limits.append(
            Text(
                f"The walkers of this cohort are synthetic, {_DRAWN_FROM[material.scheme.name]}. "
                "The results show that the pipeline is sound from video to metric. They are not "
                f"evidence about {material.scheme.name} or about any patient."
            )
        )
    limits.append(
        Text(
            "Silhouettes are biometric: people can be recognised by their gait. The data is "
            "pseudonymised, which is not anonymous."
        )
    )
    limits.append(
        Text(
            "A difference between two models whose intervals overlap widely is not a finding. "
            "All sides come from one cohort: how a model does with another site, camera or age "
            "group can't be read from it."
        )
    )
    return Section(
        "reading",
        "How to read this, and its limits",
        (terms, Group("part", "Limits", tuple(limits))),
    )


def lineage_section(material: Material) -> Section:
    """Return versions, settings and file hashes."""
    blocks: list[Block] = []
    if material.directories:
        blocks.append(
            Text(
                "The version of a directory is the sha256 of its manifest, which lists the sha256 "
                "of every file. `gaitworks verify` checks them."
            )
        )
        blocks.append(
            rows_table(
                "Published directories this report was made from",
                ("directory", "version (sha256 of its manifest)", "code version", "files", "size"),
                [
                    (
                        one.name,
                        one.version,
                        _lineage(one.manifest).get("code_version", NOTHING),
                        len(one.manifest["files"]),
                        format_bytes(sum(entry["bytes"] for entry in one.manifest["files"])),
                    )
                    for one in material.directories
                ],
                numeric=(3, 4),
                codes=(1,),
            )
        )
        hashes = "\n".join(
            f"{entry['sha256']}  {one.name}/{entry['path']}"
            for one in material.directories
            for entry in one.manifest["files"]
        )
        blocks.append(Group("drawer", "sha256 of every file", (Code(hashes),)))
    else:
        blocks.append(Missing("No part has been published yet.", "gaitworks run results_report"))
    if material.inputs.settings:
        text = yaml.safe_dump(
            dict(material.inputs.settings), sort_keys=True, default_flow_style=None, width=88
        )
        blocks.append(Group("drawer", "The settings of this run", (Code(text),)))
    return Section("lineage", "Lineage", tuple(blocks))


def _lineage(manifest: dict[str, Any]) -> dict[str, Any]:
    # `Any`: a manifest.
    lineage = manifest.get("facts", {}).get("lineage", {})
    return lineage if isinstance(lineage, dict) else {}
