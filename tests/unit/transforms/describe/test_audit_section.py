"""The report's section on leaks: every check with its count, findings, and copies to look at."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.describe.audit_section import audit_section
from transforms.describe.gather import Material, ReportInputs, gather
from transforms.describe.page import Block, Group, Picture, Section, Statements, Table
from transforms.describe.rendering import load_template
from transforms.manifest import directory_version, write_manifest
from transforms.progress import NoProgress
from transforms.schemas import NEAR_DUPLICATES, NEAR_DUPLICATES_NAME, SPLIT, conform
from transforms.settings import ShardSettings
from transforms.shards.parquet import write_table
from transforms.shards.writer import write_shards

HOSTILE = "p<b>1"
SIDES = ("train", "test", "train", "test")


@pytest.fixture
def material(write_batch: Callable[..., Any], tmp_path: Path) -> Material:
    """Four sequences of three participants, two of them of the second."""
    people = (HOSTILE, "p2", "p3", "p2")
    recordings = [
        {"participant_id": person, "recording_id": f"r{number}", "frames": 4}
        for number, person in enumerate(people)
    ]
    batch = write_batch("batch_001", recordings)
    dataset = tmp_path / "shards"
    dataset.mkdir()
    directories = [batch.intake], [batch.extraction]
    facts = write_shards(*directories, ShardSettings(codec="grey"), dataset, progress=NoProgress())
    write_manifest(dataset, kind="silhouette_shards", facts=facts)
    return gather(ReportInputs(title="t", dataset_dir=dataset))


def with_split(material: Material, sides: tuple[str, ...]) -> Material:
    assert material.dataset is not None
    assert material.inputs.dataset_dir is not None
    directory = material.inputs.dataset_dir.parent / "splits"
    directory.mkdir()
    rows = material.dataset.index.sort("sequence_id").select(
        "sequence_id",
        "participant_id",
        "label",
        dataset_version=pl.lit(directory_version(material.inputs.dataset_dir)),
        protocol=pl.lit("imported"),
        variant=pl.lit("imported"),
        side=pl.Series(sides),
    )
    write_table(conform(rows, SPLIT, where="split"), directory / "split.parquet")
    (directory / "proof.json").write_text("{}")
    write_table(conform(pairs(), NEAR_DUPLICATES, where="pairs"), directory / NEAR_DUPLICATES_NAME)
    write_manifest(directory, kind="participant_splits", facts={})
    return gather(replace(material.inputs, splits_dir=directory))


def pairs(*rows: tuple[str, str, str, bool]) -> pl.DataFrame:
    types = {"first": pl.String, "second": pl.String, "kind": pl.String, "is_mirrored": pl.Boolean}
    return pl.DataFrame(rows, schema=types, orient="row").with_columns(
        distance=pl.lit(0.02), rate=pl.lit(1.0), overlap_frames=pl.lit(4, dtype=pl.Int32)
    )


def with_pairs(material: Material, found: pl.DataFrame | None) -> Material:
    assert material.splits is not None
    return replace(material, splits=replace(material.splits, near_duplicates=found))


def find(section: Section, kind: type[Block]) -> list[Any]:
    found: list[Block] = []
    for block in section.blocks:
        found += block.blocks if isinstance(block, Group) else [block]
    return [block for block in found if isinstance(block, kind)]


def status(section: Section) -> str:
    (statements,) = find(section, Statements)
    (statement,) = statements.statements
    return statement.status


def test_without_a_dataset_the_section_says_what_makes_one() -> None:
    section = audit_section(gather(ReportInputs(title="t")))
    assert [block.kind for block in section.blocks] == ["missing"]


def test_a_split_without_a_leak_holds_once_copies_were_looked_for(material: Material) -> None:
    split = with_split(material, SIDES)
    section = audit_section(split)
    assert status(section) == "holds"
    assert len(find(section, Table)) == 1
    (table,) = find(section, Table)
    (row,) = (row for row in table.rows if "no participant is on two" in row[0])
    assert row[2:] == ("3 participants in use", "nothing")
    assert status(audit_section(with_pairs(split, None))) == "caution"  # nobody looked for copies
    assert status(audit_section(material)) == "caution"  # no split


def test_a_leak_fails_and_is_named(material: Material) -> None:
    section = audit_section(with_split(material, ("train", "test", "train", "train")))
    assert status(section) == "fails"
    checks, findings = find(section, Table)
    assert any("participant_on_two_sides" in row[3] for row in checks.rows)
    (leak,) = (row for row in findings.rows if row[0] == "participant_on_two_sides")
    assert leak == (
        "participant_on_two_sides",
        "error",
        "1",
        "on more than one side of imported (p2)",
    )


def test_copies_are_shown_side_by_side_those_of_two_people_first(material: Material) -> None:
    split = with_split(material, SIDES)
    found = pairs(("r1", "r3", "identical", False), ("r0", "r2", "near", True))
    section = audit_section(with_pairs(split, found))
    table = find(section, Table)[-1]
    assert [row[:2] for row in table.rows] == [("r0", "r2"), ("r1", "r3")]
    (picture,) = find(section, Picture)
    assert picture.source.startswith("data:image/png;base64,")
    assert audit_section(with_pairs(split, found)) == section
    other = audit_section(with_pairs(split, pairs(("r1", "r2", "near", True))))
    assert find(other, Picture)[0].source != picture.source
    assert status(other) == "fails"
    stranger = audit_section(with_pairs(split, pairs(("r1", "elsewhere", "near", True))))
    assert not find(stranger, Picture)
    assert status(stranger) == "fails"


def test_names_from_the_data_are_escaped(material: Material) -> None:
    split = with_split(material, SIDES)
    section = audit_section(with_pairs(split, pairs(("r0", "r2", "near", True))))
    page = load_template("report.html.jinja").render(title="t", sections=(section,))
    assert HOSTILE not in page
    assert "p&lt;b&gt;1" in page
