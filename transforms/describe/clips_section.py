"""The report's section on walks that two cameras filmed: their alignment, clips, who has none."""

from pathlib import Path
from typing import Final

import polars as pl

from transforms.describe.clip_sheet import draw_clip_sheet
from transforms.describe.formatting import NOTHING, plural, words
from transforms.describe.gather import Clips, Dataset, Material
from transforms.describe.page import (
    Block,
    Missing,
    Picture,
    Section,
    Table,
    Text,
    Tiles,
    png_picture,
    rows_table,
    table_of,
)
from transforms.dual_view.alignment import DECLARED, ESTIMATED
from transforms.labels import order_labels
from transforms.shards.reader import open_dataset
from transforms.splits.split import TEST

_ROW_LIMIT: Final = 100
_NO_GROUP: Final = "in no sync group"
_NO_CLIP: Final = "no clip fits into the walk"


def has_two_views(material: Material) -> bool:
    """Tell whether any walk of the cohort was filmed by two cameras at once."""
    if material.clips is not None:
        return True
    recordings = material.intake.recordings if material.intake is not None else None
    return recordings is not None and recordings["sync_group"].null_count() < recordings.height


def clips_section(material: Material) -> Section:
    """Return how two views were aligned, what clips they gave, and whom no clip shows."""
    anchor, title = "clips", "Two views: clips and their alignment"
    clips = material.clips
    if clips is None:
        missing = Missing("No clip has been cut yet.", "gaitworks run dual_view_clips")
        return Section(anchor, title, (missing,))
    groups = pl.concat([clips.pairs["sync_group"], clips.rejects["sync_group"]]).n_unique()
    accepted = clips.pairs.filter(pl.col("verdict") == "accepted").height
    blocks: list[Block] = [
        Text(
            "A sync group is one walk that several cameras filmed at once; a pair is one with a "
            "sequence from the front and one from the side. Where the offset between their clocks "
            "is not sure, the pair was quarantined instead of guessed. A clip is the same moments "
            "in both views. Models of clips learn from clips alone, and are judged on them."
        ),
        Tiles(
            (
                (f"{groups:,}", "sync groups"),
                (f"{clips.pairs.height:,}", "pairs of a front and a side view"),
                (f"{accepted:,}", "pairs aligned"),
                (f"{clips.pairs.height - accepted:,}", "pairs quarantined"),
                (f"{clips.clips.height:,}", "clips"),
                (f"{clips.clips['participant_id'].n_unique():,}", "participants with a clip"),
            )
        ),
        _offset_table(clips.pairs),
    ]
    if material.dataset is not None:
        split = material.splits.split if material.splits is not None else None
        blocks += _people_blocks(clips, material.dataset, split)
    blocks += _reject_blocks(clips.rejects)
    if material.inputs.dataset_dir is not None and not clips.clips.is_empty():
        blocks.append(_picture(clips.clips, material.inputs.dataset_dir))
    return Section(anchor, title, tuple(blocks))


def _offset_table(pairs: pl.DataFrame) -> Table:
    rows = []
    for name, chosen in (
        (DECLARED, pl.col("offset_source") == DECLARED),
        (ESTIMATED, pl.col("offset_source") == ESTIMATED),
        ("quarantined", pl.col("verdict") == "quarantined"),
    ):
        found = pairs.filter(chosen)
        low, high, least = found.select(
            pl.col("offset_s").min().alias("low"),
            pl.col("offset_s").max().alias("high"),
            pl.col("offset_confidence").min().alias("least"),
        ).row(0)
        offsets = NOTHING if low is None else f"{low:+.3f} to {high:+.3f}"
        confidence = NOTHING if least is None else f"{least:.3f}"
        rows.append((name, found.height, int(found["clip_count"].sum()), offsets, confidence))
    return rows_table(
        "Pairs by where their offset comes from",
        ("offset", "pairs", "clips", "offsets in s, least to most", "lowest confidence"),
        rows,
        numeric=(1, 2, 3, 4),
        note="An offset is the side video's first frame on the front video's clock: declared in "
        "the cohort's recordings.csv, or estimated from the motion. The confidence is that of the "
        "estimate. Each pair is in data/clips/pairs.parquet.",
    )


def _people_blocks(clips: Clips, dataset: Dataset, split: pl.DataFrame | None) -> list[Block]:
    people = dataset.index.select("participant_id", "label").unique("participant_id")
    shown = set(clips.clips["participant_id"])
    tested = set() if split is None else set(split.filter(side=TEST)["participant_id"])
    columns = ["diagnosis", "participants", "with a clip", "without", "clips"]
    rows = []
    for label in order_labels(people["label"].unique().to_list()):
        members = set(people.filter(label=label)["participant_id"])
        row: list[object] = [label, len(members), len(members & shown), len(members - shown)]
        row.append(clips.clips.filter(label=label).height)
        if split is not None:
            row += [len(members & tested), len(members & tested & shown)]
        rows.append(row)
    if split is not None:
        columns += ["on a test side", "of them with a clip"]
    by_label = rows_table(
        "Clips by diagnosis", columns, rows, numeric=range(1, len(columns)),
        note="All are participants whose sequences are in the dataset.",
    )  # fmt: skip
    without = people.filter(~pl.col("participant_id").is_in(list(shown))).sort("participant_id")
    if without.is_empty():
        return [by_label, Text("Every participant of the dataset has a clip.")]
    reasons = _reasons_by_group(clips.rejects)
    described = []
    for person, label in without.iter_rows():
        own = dataset.index.filter(participant_id=person)["sync_group"].drop_nulls()
        codes = {code for group in own.unique() for code in reasons.get(group, (_NO_CLIP,))}
        sides: set[str] = (
            set() if split is None else set(split.filter(participant_id=person)["side"])
        )
        why = ", ".join(sorted(map(words, codes))) or _NO_GROUP
        described.append((person, label, own.n_unique(), why, ", ".join(sorted(sides))))
    table = table_of(
        pl.DataFrame(
            described,
            schema=["participant", "diagnosis", "sync groups", "why", "side"],
            orient="row",
        ),
        "Participants of the dataset without a clip",
        limit=_ROW_LIMIT,
    )
    said = (
        f"{plural(without.height, 'participant')} of the dataset can't be seen by a model of "
        "clips: such a model neither learns from them nor is tested on them, though the split "
        "gives them a side. Its results are of the others only."
    )
    return [by_label, Text(said), table]


def _reasons_by_group(rejects: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    reasons: dict[str, tuple[str, ...]] = {}
    for group, code in rejects.select("sync_group", "reason_code").unique().sort(pl.all()).rows():
        reasons[group] = (*reasons.get(group, ()), code)
    return reasons


def _reject_blocks(rejects: pl.DataFrame) -> list[Block]:
    if rejects.is_empty():
        return [Text("No sync group and no clip was left out.")]
    counted = rejects.group_by("reason_code", "stage").agg(
        pl.col("clip_id").is_null().sum().alias("whole sync groups"),
        pl.col("clip_id").is_not_null().sum().alias("single clips"),
    )
    blocks: list[Block] = [
        rows_table(
            "What was left out, by reason",
            ("reason", "stage", "whole sync groups", "single clips"),
            [(words(code), *rest) for code, *rest in counted.sort("stage", "reason_code").rows()],
            numeric=(2, 3),
            note="Each is in data/clips/rejects.parquet with its reason.",
        )
    ]
    whole = rejects.filter(pl.col("clip_id").is_null())
    if not whole.is_empty():
        blocks.append(
            table_of(
                whole.select("sync_group", "stage", "reason_code", "reason").sort(pl.all()),
                "Sync groups that are left out",
                titles={"sync_group": "sync group", "reason_code": "code"},
                limit=_ROW_LIMIT,
            )
        )
    return blocks


def _picture(clips: pl.DataFrame, dataset_dir: Path) -> Picture:
    labels = order_labels(clips["label"].unique().to_list())
    chosen = pl.concat(clips.filter(label=label).sort("clip_id").head(1) for label in labels)
    return png_picture(
        draw_clip_sheet(chosen, open_dataset(dataset_dir)),
        f"Silhouettes of one clip each of {', '.join(labels)}, from top to bottom: the front view "
        "above, the side view below, the same moments in the same columns.",
        "The first clip of each diagnosis. Where the views are aligned, both show one phase of the "
        "step in a column.",
    )
