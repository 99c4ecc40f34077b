"""The audit report of a release: what was looked for in its split, how much, and what was found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from transforms.audit.checks import Check, judge_for_release, run_checks
from transforms.dual_view.sides import check_clips
from transforms.release.further_splits import FurtherSplit
from transforms.release.inputs import ReleaseMaterial


def audit_release(material: ReleaseMaterial, further: FurtherSplit | None = None) -> list[Check]:
    """Return every check of dataset and split, with findings as they weigh in a release.

    Args:
        material: the release.
        further: the split to audit; its own one if not given.
    """
    split = material.split if further is None else further.table
    checks = run_checks(material.index, split, material.near_duplicates, material.participants)
    if material.clips.height:
        checks += check_clips(material.clips, material.index, split)
    return [replace(check, findings=tuple(judge_for_release(check.findings))) for check in checks]


def describe_audit(
    checks: Sequence[Check], material: ReleaseMaterial, further: FurtherSplit | None = None
) -> dict[str, Any]:
    """Return the report as plain JSON values, in the words of `gaitworks audit --json`."""
    split = material.split if further is None else further.table
    counts = Counter(finding.severity for check in checks for finding in check.findings)
    return {
        "dataset_version": material.dataset_version,
        "sequences": material.index.height,
        "participants": material.index["participant_id"].n_unique(),
        "protocols": sorted(split["protocol"].unique()),
        "variants": split["variant"].n_unique(),
        "checks": [asdict(check) | {"status": check.status} for check in checks],
        "near_duplicates": material.near_duplicates.to_dicts(),
        "errors": counts["error"],
        "warnings": counts["warning"],
    }
