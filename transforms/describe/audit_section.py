"""The report's section on leaks: what was looked for, how much was looked at, what was found."""

from pathlib import Path
from typing import Final

import polars as pl

from transforms.audit.checks import Check, Finding, run_checks
from transforms.describe.formatting import plural
from transforms.describe.gather import Material
from transforms.describe.page import (
    Block,
    Group,
    Missing,
    Picture,
    Section,
    Statement,
    Statements,
    Table,
    Text,
    png_picture,
    rows_table,
    table_of,
)

_PAIRS_SHOWN: Final = 100
_PAIRS_DRAWN: Final = 8
_STRIP_LEVEL: Final = 1  # zstd of strips that are drawn at once and thrown away
_GROUPS: Final = {
    "dataset": "The dataset itself",
    "rows": "Rows of the split",
    "leaks": "What two sides share",
    "copies": "Copies of a walk",
    "protocol": "What the protocol promises",
}


def audit_section(material: Material) -> Section:
    """Return the audit of dataset and split, made anew from their tables.

    Raises:
        IntegrityError: the silhouettes of a pair that is to be shown can't be read.
    """
    dataset = material.dataset
    if dataset is None:
        missing = Missing("There is no dataset to audit yet.", "gaitworks run silhouette_shards")
        return Section("audit", "Audit", (missing,))
    splits = material.splits
    split, near_duplicates = (splits.split, splits.near_duplicates) if splits else (None, None)
    checks = run_checks(dataset.index, split, near_duplicates, dataset.participants)
    findings = [finding for check in checks for finding in check.findings]
    blocks: list[Block] = [
        Text(
            "Dataset and split were audited from their tables alone, without the proof of whoever "
            "made them. An error blocks a release; a warning is for a person to judge. "
            "`gaitworks audit` makes the same checks, on any dataset or release."
        ),
        Statements((_conclude(checks, findings, has_split=split is not None),)),
        _check_table(checks),
    ]
    if findings:
        blocks.append(_finding_table(findings))
    if near_duplicates is not None and not near_duplicates.is_empty():
        directory = material.inputs.dataset_dir
        blocks.append(_pair_group(near_duplicates, dataset.index, directory))
    return Section("audit", "Audit", tuple(blocks))


def _conclude(checks: list[Check], findings: list[Finding], *, has_split: bool) -> Statement:
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    made = [check for check in checks if check.examined is not None]
    left = len(checks) - len(made)
    detail = f"{plural(len(made), 'check')} made, {plural(errors, 'error')}, "
    detail += f"{plural(warnings, 'warning')}."
    if left:
        detail += f" {plural(left, 'check')} could not be made, see below."
    if not has_split:
        detail += " There is no split yet: only the dataset was audited."
    claim = "The audit found no leak between the sides and no broken promise."
    is_sure = not (warnings or left) and has_split
    return Statement("fails" if errors else "holds" if is_sure else "caution", claim, detail)


def _check_table(checks: list[Check]) -> Table:
    return rows_table(
        "What was checked, and how much of it",
        ("claim", "kind", "looked at", "found"),
        [
            (check.claim, _GROUPS.get(check.group, check.group), _looked_at(check), _found(check))
            for check in checks
        ],
    )


def _looked_at(check: Check) -> str:
    return check.reason if check.examined is None else f"{check.examined:,} {check.unit}"


def _found(check: Check) -> str:
    if not check.findings:
        return "nothing" if check.status == "clean" else check.status
    return ", ".join(f"{finding.severity}: {finding.code}" for finding in check.findings)


def _finding_table(findings: list[Finding]) -> Table:
    return rows_table(
        "What was found, errors first",
        ("code", "severity", "records", "what"),
        [
            (finding.code, finding.severity, len(finding.records), _say(finding))
            for finding in sorted(findings, key=lambda one: one.severity)
        ],
        numeric=(2,),
        note="`gaitworks audit --json` names all records.",
    )


def _say(finding: Finding) -> str:
    return str(finding).removeprefix(f"{finding.code}: ")


def _pair_group(pairs: pl.DataFrame, index: pl.DataFrame, directory: Path | None) -> Group:
    described = pairs
    for place in ("first", "second"):
        person = index.select(
            pl.col("sequence_id").alias(place),
            pl.col("participant_id").alias(f"participant_of_{place}"),
        )
        described = described.join(person, on=place)
    # Copies under two participants are what a split by participants does not see.
    described = described.sort(
        pl.col("participant_of_first") == pl.col("participant_of_second"), "kind", "first", "second"
    )
    table = table_of(
        described,
        "Pairs of sequences that are copies of one walk, those of two participants first",
        limit=_PAIRS_SHOWN,
        note="The rate is the speed of the second relative to the first.",
    )
    if directory is None or described.is_empty():
        return Group("part", _GROUPS["copies"], (table,))
    picture = _draw_pairs(described.head(_PAIRS_DRAWN), directory)
    return Group("part", _GROUPS["copies"], (table, picture))


def _draw_pairs(pairs: pl.DataFrame, directory: Path) -> Picture:
    from transforms.describe.contact_sheet import draw_cohort_sheet
    from transforms.shards.codec import GREY, encode_silhouettes
    from transforms.shards.reader import open_dataset

    dataset = open_dataset(directory)
    labels = dict(dataset.index.select("sequence_id", "label").iter_rows())
    rows = []
    for name in (name for pair in pairs.select("first", "second").iter_rows() for name in pair):
        silhouettes = dataset.read(name)
        frames, height, width = silhouettes.shape
        content = encode_silhouettes(silhouettes, GREY, _STRIP_LEVEL)
        about = {"sequence_id": name, "label": labels[name], "codec": GREY, "silhouettes": content}
        rows.append(about | {"frame_count": frames, "height_px": height, "width_px": width})
    return png_picture(
        draw_cohort_sheet(pl.DataFrame(rows)),
        f"Strips of evenly sampled silhouettes of {plural(pairs.height, 'pair')} of sequences, the "
        "two of a pair one below the other.",
        f"The first {plural(pairs.height, 'pair')} of the table, the two of a pair one below the "
        "other, each evenly sampled over its own length.",
    )
