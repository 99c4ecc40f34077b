"""The top of the report: what this is, in a few figures, and which of it may be trusted."""

from collections.abc import Iterable

import polars as pl

from transforms.describe.confounder_section import confounder_statement
from transforms.describe.data_sections import IOU_TARGET
from transforms.describe.formatting import QUESTIONS, plural
from transforms.describe.gather import Material
from transforms.describe.page import Block, Section, Statement, Statements, Table, Tiles, rows_table
from transforms.describe.split_statements import disjoint_statement, same_test_statement


def headline_section(material: Material) -> Section:
    """Return the version, the sizes and the claims with whether each holds."""
    blocks: list[Block] = [_identity(material), Tiles(tuple(_tiles(material)))]
    statements = [one for one in _statements(material) if one is not None]
    blocks.append(Statements(tuple(statements)))
    return Section("summary", "Summary: what this is, and what to trust", tuple(blocks))


def _identity(material: Material) -> Table:
    rows = [("dataset version", material.dataset.version if material.dataset else "none yet")]
    if material.splits is not None:
        rows.append(("split table, sha256", material.splits.sha256))
    return rows_table("What this report is about", ("name", "value"), rows, codes=(1,))


def _tiles(material: Material) -> Iterable[tuple[str, str]]:
    if material.dataset is not None:
        index = material.dataset.index
        yield f"{index['participant_id'].n_unique():,}", "participants"
        yield f"{index.height:,}", "sequences"
        yield f"{int(index['frame_count'].sum()):,}", "silhouettes"
    if material.splits is not None:
        yield f"{material.splits.split['variant'].n_unique():,}", "variants"
    yield f"{len(material.judged):,}", "experiments evaluated"


def _statements(material: Material) -> Iterable[Statement | None]:
    if material.is_synthetic:
        yield Statement(
            "caution",
            "The walkers are synthetic.",
            "The results show that the pipeline works; they are not evidence about patients.",
        )
    yield _few_people(material)
    if material.splits is None:
        yield Statement("not checked", "No participant is on two sides.", "There is no split yet.")
    else:
        yield disjoint_statement(material.splits.split, material.splits.proof)
        yield same_test_statement(material.splits.split)
    if material.confounders is not None:
        yield confounder_statement(material.confounders)
    yield _same_source(material)
    yield _frames_accounted(material)
    yield _masks_fit(material)
    yield _right_person(material)


def _few_people(material: Material) -> Statement | None:
    if not material.judged:
        return None
    unit = material.judged[0]["units"]["participant"]
    by_label = {
        label: sum(row) for label, row in zip(unit["labels"], unit["confusion"], strict=True)
    }
    question = material.scheme.screening
    ill = material.scheme.class_indices(question)
    abnormal = sum(by_label[material.scheme.classes[index]] for index in ill)
    detail = (
        f"The test side has {plural(sum(by_label.values()), 'participant')} ("
        + ", ".join(f"{count} {label}" for label, count in by_label.items())
        + ")."
    )
    if abnormal:
        detail += (
            f" One person more or less found moves the sensitivity for "
            f"{QUESTIONS[question]} by {100 / abnormal:.1f} percentage points."
        )
    return Statement("caution", "Read the intervals, not the point values.", detail)


def _same_source(material: Material) -> Statement:
    claim = "Every result comes from this dataset version and this split."
    if not material.judged or material.dataset is None or material.splits is None:
        return Statement("not checked", claim, "No experiment has been evaluated yet.")
    stale = [
        one.name
        for one in material.experiments
        if one.metrics is not None and not one.is_of(material.dataset, material.splits)
    ]
    if stale:
        return Statement("fails", claim, f"From another version: {', '.join(stale)}.")
    return Statement(
        "holds", claim, f"{plural(len(material.judged), 'experiment')} name the hashes above."
    )


def _frames_accounted(material: Material) -> Statement:
    claim = "Every decoded frame is accounted for."
    if material.extraction is None:
        return Statement("not checked", claim, "Nothing has been extracted yet.")
    frames, recordings = material.extraction.frames, material.extraction.recordings
    kept = int((frames["status"] == "kept").sum())
    unexplained = frames.filter((pl.col("status") != "kept") & pl.col("reason").is_null()).height
    decoded = int(recordings["frame_count"].sum())
    detail = (
        f"{decoded:,} decoded, {frames.height:,} in the ledger: {kept:,} kept, "
        f"{frames.height - kept:,} dropped, {unexplained:,} of them without a reason."
    )
    is_whole = decoded == frames.height and unexplained == 0
    return Statement("holds" if is_whole else "fails", claim, detail)


def _masks_fit(material: Material) -> Statement:
    claim = f"The masks reach a mean IoU of {IOU_TARGET:g} against the truth."
    if material.score is None:
        return Statement("not checked", claim, "There is no ground truth for this cohort.")
    mean_iou = float(material.score["mean_iou"])
    return Statement(
        "holds" if mean_iou >= IOU_TARGET else "fails",
        claim,
        f"{mean_iou:.3f}, measured on synthetic recordings only.",
    )


def _right_person(material: Material) -> Statement:
    claim = "The person followed is the participant, or the recording is quarantined."
    if material.score is None:
        return Statement("not checked", claim, "There is no ground truth for this cohort.")
    right, wrong, quarantined = (material.score[key] for key in ("right", "wrong", "quarantined"))
    return Statement(
        "fails" if wrong else "holds",
        claim,
        f"{right} right, {wrong} wrong, {quarantined} quarantined, measured on synthetic "
        "recordings only.",
    )
