"""The report's sections on the data: cohort, intake, extraction."""

from typing import Any, Final

import polars as pl

from transforms.describe.contact_sheet import draw_cohort_sheet, draw_recording_sheet
from transforms.describe.data_figures import (
    count_frames,
    draw_extraction_outcome,
    draw_iou_histogram,
)
from transforms.describe.formatting import NOTHING, plural, words
from transforms.describe.gather import Extraction, Material
from transforms.describe.page import (
    Block,
    Code,
    Group,
    Missing,
    Picture,
    Section,
    Table,
    Text,
    Tiles,
    png_picture,
    rows_table,
    svg_picture,
    table_of,
)
from transforms.describe.style import figure_to_svg
from transforms.labels import order_labels

IOU_TARGET: Final = 0.85  # what the embedded extraction backend promises on the demo cohort
_ROW_LIMIT: Final = 100
_STRIPS_PER_CLASS: Final = 4


def cohort_section(material: Material) -> Section:
    """Return who is in the dataset: the cohort's own Table 1."""
    blocks: list[Block] = []
    if material.dataset is None:
        blocks.append(Missing("There is no dataset yet.", "gaitworks run silhouette_shards"))
    else:
        from transforms.describe.cohort_table import describe_cohort

        table = describe_cohort(material.dataset.participants, material.dataset.index)
        blocks.append(
            Text(
                "The participants whose sequences are in the dataset, by diagnosis. Cohorts that "
                "differ in age, sex or build between the classes let a model learn those instead "
                "of the gait: compare the columns before the results."
            )
        )
        blocks.append(table_of(table, "Table 1. Participants of the dataset by diagnosis"))
        left_out = material.dataset.rejects.group_by("stage", "reason_code").agg(
            pl.len().alias("recordings")
        )
        if left_out.is_empty():
            blocks.append(Text("Every recording of the cohort is in the dataset."))
        else:
            blocks.append(
                table_of(
                    left_out.sort("stage", "reason_code"),
                    "Recordings that are not in the dataset, and where they were left out",
                    titles=_TITLES,
                    note="Each is in data/shards/rejects.parquet with its reason.",
                )
            )
    return Section("cohort", "Cohort", tuple(blocks))


def intake_section(material: Material) -> Section:
    """Return which recordings were accepted and what was wrong with the others."""
    if material.intake is None:
        missing = Missing("No batch has been taken in yet.", "gaitworks run intake_register")
        return Section("intake", "Intake", (missing,))
    recordings, problems = material.intake.recordings, material.intake.problems
    batches = recordings.group_by("batch_id").agg(
        pl.col("participant_id").n_unique().alias("participants"),
        pl.len().alias("recordings"),
        (pl.col("verdict") == "accepted").sum().alias("accepted"),
        (pl.col("verdict") != "accepted").sum().alias("rejected"),
        pl.col("frame_count").sum().alias("frames"),
        (pl.col("duration_s").sum() / 60).round(1).alias("minutes"),
    )
    rejected = recordings.filter(pl.col("verdict") != "accepted").select(
        "recording_id", "batch_id", "participant_id", "file", "reason_code", "reason"
    )
    blocks: list[Block] = [
        Text(
            "Every row of the cohort's tables was checked and every video probed. What was "
            "refused is listed with its reason; the rest of the batch went on."
        ),
        table_of(batches.sort("batch_id"), "Recordings by batch", titles={"batch_id": "batch"}),
    ]
    if rejected.is_empty():
        blocks.append(Text("No recording was rejected."))
    else:
        blocks.append(
            table_of(
                rejected.sort("batch_id", "recording_id"),
                "Rejected recordings",
                titles=_TITLES,
                limit=_ROW_LIMIT,
            )
        )
    if problems.is_empty():
        blocks.append(Text("Nothing was wrong with the cohort's tables and videos."))
    else:
        blocks.append(
            table_of(
                problems.select(
                    "file", "row", "column", "value", "expected", "message", "severity", "batch_id"
                ).sort("batch_id", "file", "row"),
                "Problems found in the cohort's tables and videos",
                titles=_TITLES,
                limit=_ROW_LIMIT,
                note="All are in data/intake/<batch>/problems.parquet.",
            )
        )
    return Section("intake", "Intake", tuple(blocks))


_TITLES: Final = {
    "recording_id": "recording",
    "batch_id": "batch",
    "participant_id": "participant",
    "row": "line",
    "reason_code": "code",
    "frame_count": "frames",
    "kept_frame_count": "kept",
}


def extraction_section(material: Material) -> Section:
    """Return what became of the frames and recordings, with contact sheets to look at."""
    extraction = material.extraction
    if extraction is None:
        missing = Missing("Nothing has been extracted yet.", "gaitworks run silhouette_sequences")
        return Section("extraction", "Extraction", (missing,))
    recordings, frames = extraction.recordings, extraction.frames
    counts = dict(recordings.group_by("verdict").len().iter_rows())
    kept = int((frames["status"] == "kept").sum())
    blocks: list[Block] = [
        Text(
            "From each accepted video the participant was detected, tracked, chosen, segmented "
            "and normalised. Every decoded frame is in the ledger, kept or dropped with the "
            "reason. Where it was not sure who the participant is, the recording was quarantined "
            "instead of guessed."
        ),
        Tiles(
            (
                (f"{kept:,}", f"of {frames.height:,} frames kept"),
                *(
                    (f"{counts.get(verdict, 0):,}", f"recordings {verdict}")
                    for verdict in ("accepted", "quarantined", "rejected", "failed")
                ),
            )
        ),
        _outcome_picture(extraction),
        _outcome_table(extraction),
        *_refused_table(recordings),
        *_score_blocks(material.score),
        *_sheet_blocks(extraction, material.inputs.contact_sheet_limit),
    ]
    return Section("extraction", "Extraction", tuple(blocks))


def _outcome_picture(extraction: Extraction) -> Picture:
    outcome = count_frames(extraction.frames)
    said = ", ".join(f"{words(name)} {count:,}" for name, count in outcome.iter_rows())
    return svg_picture(
        figure_to_svg(draw_extraction_outcome(extraction.frames, extraction.recordings)),
        f"Bars of the number of frames: {said}; and a histogram of the share of frames kept per "
        "recording.",
        "What became of the frames, and how much of each recording was kept.",
    )


def _outcome_table(extraction: Extraction) -> Table:
    outcome = count_frames(extraction.frames)
    total = max(1, extraction.frames.height)
    return rows_table(
        "Frames in the ledger by outcome",
        ("outcome", "frames", "share"),
        [
            (
                words(name) if name == "kept" else f"dropped: {words(name)}",
                count,
                _share(count, total),
            )
            for name, count in outcome.iter_rows()
        ],
        numeric=(1, 2),
    )


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}"


def _refused_table(recordings: pl.DataFrame) -> list[Block]:
    refused = recordings.filter(pl.col("verdict") != "accepted")
    if refused.is_empty():
        return [Text("Every recording that went into extraction became a sequence.")]
    columns = ("recording_id", "batch_id", "participant_id", "verdict", "reason_code", "reason")
    return [
        table_of(
            refused.select(*columns, "kept_frame_count", "frame_count").sort(
                "verdict", "recording_id"
            ),
            "Recordings that did not become a sequence",
            titles=_TITLES,
            limit=_ROW_LIMIT,
        )
    ]


def _score_blocks(score: dict[str, Any] | None) -> list[Block]:
    # `Any`: a score.json.
    if score is None:
        text = (
            "There is no ground truth for these recordings, so how well the masks fit and whether "
            "the right person was followed has not been measured. Look at the contact sheets."
        )
        return [Group("part", "Against the truth", (Text(text),))]
    measured = [
        (one["recording_id"], one["mean_iou"], one["right_person"], one["frames"], one["verdict"])
        for one in score["recordings"]
    ]
    values = [row[1] for row in measured if row[1] is not None]
    blocks: list[Block] = [
        Text(
            "Measured on synthetic walkers only, whose true masks and participants are known. It "
            "shows that the pipeline works as built; it says nothing about real video."
        ),
        Tiles(
            (
                (f"{score['mean_iou']:.3f}", f"mean IoU of the masks (target {IOU_TARGET:g})"),
                (f"{score['right']:,}", "recordings with the right person"),
                (f"{score['wrong']:,}", "with the wrong person"),
                (f"{score['quarantined']:,}", "quarantined instead of guessed"),
            )
        ),
    ]
    if values:
        blocks.append(
            svg_picture(
                figure_to_svg(draw_iou_histogram(values, threshold=IOU_TARGET)),
                f"Histogram of the mean IoU of {len(values)} recordings, from {min(values):.3f} to "
                f"{max(values):.3f}.",
                "Mean IoU per recording against the synthetic truth.",
            )
        )
    worst = sorted(measured, key=lambda row: (row[2] is not False, row[1] or 2.0, row[0]))[:10]
    blocks.append(
        rows_table(
            "The ten recordings that fit the synthetic truth least",
            ("recording", "mean IoU", "right person", "frames compared", "verdict"),
            [
                (name, NOTHING if iou is None else f"{iou:.3f}", right, count, verdict)
                for name, iou, right, count, verdict in worst
            ],
            numeric=(1, 3),
        )
    )
    return [Group("part", "Against the synthetic truth", tuple(blocks))]


def _sheet_blocks(extraction: Extraction, limit: int) -> list[Block]:
    sequences = extraction.sequences
    if sequences.is_empty():
        return [Group("part", "Contact sheets", (Text("No recording became a sequence."),))]
    totals = extraction.frames.group_by("recording_id").agg(pl.len().alias("decoded"))
    ranked = (
        sequences.join(totals, on="recording_id", how="left")
        .with_columns((pl.col("frame_count") / pl.col("decoded")).alias("kept_share"))
        .sort("kept_share", "recording_id")
    )
    shown = ranked.head(limit).sort("batch_id", maintain_order=True)
    note = (
        f"{shown.height} of {plural(ranked.height, 'recording')}, in each batch those with the "
        "smallest share of kept frames first. The line above the silhouettes stands for all "
        "frames of the recording; red is dropped."
    )
    blocks: list[Block] = [_cohort_picture(extraction), Text(note)]
    for (batch,), rows in shown.group_by("batch_id", maintain_order=True):
        pictures = [_recording_picture(extraction, row) for row in rows.iter_rows(named=True)]
        title = f"{batch}: {plural(len(pictures), 'contact sheet')}"
        blocks.append(Group("drawer", title, tuple(pictures)))
    if shown.height < ranked.height:
        blocks += [
            Text("The sheet of any other recording, for example of the first that is left out:"),
            Code(_recipe(ranked.row(shown.height, named=True))),
        ]
    return [Group("part", "Contact sheets", tuple(blocks))]


def _cohort_picture(extraction: Extraction) -> Picture:
    labels = order_labels(extraction.sequences["label"].unique().to_list())
    chosen = pl.concat(
        extraction.sequences.filter(pl.col("label") == label)
        .sort("sequence_id")
        .head(_STRIPS_PER_CLASS)
        for label in labels
    )
    wanted = pl.col("sequence_id").is_in(chosen["sequence_id"].to_list())
    rows = pl.concat(
        pl.scan_parquet(extraction.directories[batch] / "sequences.parquet")
        .filter(wanted)
        .collect()
        for batch in sorted(chosen["batch_id"].unique())
    )
    strips = chosen.select("sequence_id").join(rows, on="sequence_id", maintain_order="left")
    return png_picture(
        draw_cohort_sheet(strips),
        f"Strips of 16 silhouettes each from {strips.height} sequences, "
        f"{', '.join(labels)} from top to bottom.",
        f"The first {_STRIPS_PER_CLASS} sequences of each class, evenly sampled over their length.",
    )


def _recording_picture(extraction: Extraction, row: dict[str, Any]) -> Picture:
    # `Any`: one row of a table holds values of many types.
    return png_picture(
        draw_recording_sheet(extraction.directories[row["batch_id"]], row["recording_id"]),
        f"Evenly sampled silhouettes of recording {row['recording_id']}, {row['label']}, of which "
        f"{row['frame_count']} of {row['decoded']} frames were kept; dropped frames are empty with "
        "a red border.",
        "",
    )


def _recipe(row: dict[str, Any]) -> str:
    # `Any`: one row of a table holds values of many types.
    return (
        "from pathlib import Path\n"
        "from transforms.describe.contact_sheet import draw_recording_sheet\n\n"
        f"batch = Path('data/extraction') / {row['batch_id']!r}\n"
        f"png = draw_recording_sheet(batch, {row['recording_id']!r})\n"
        "Path('sheet.png').write_bytes(png)"
    )
