"""Whose each clip is and on which side of a split: its participant's, as both of its sequences."""

from typing import Final

import polars as pl

from transforms.audit.findings import Check, Finding, error
from transforms.dual_view.pairing import VIEWS
from transforms.errors import InputError
from transforms.splits.split import UNUSED

GROUP: Final = "clips"


def side_of_clips(clips: pl.DataFrame, split: pl.DataFrame, variant: str) -> pl.Series:
    """Return the side of every clip in a variant, in the order of the clips.

    A clip is `unused` where either of its sequences is: a variant takes its sequences as wholes.

    Args:
        clips: schema `CLIPS`.
        split: schema `SPLIT`.
        variant: one of the split's variants.

    Raises:
        InputError: the split has no such variant, does not know a sequence of a clip, or has the
            two sequences of a clip on two sides that are in use.
    """
    rows = split.filter(pl.col("variant") == variant)
    if rows.is_empty():
        known = ", ".join(sorted(split["variant"].unique()))
        raise InputError("no such variant", where="split", expected=known, found=variant)
    sides = dict(rows.select("sequence_id", "side").iter_rows())
    found = []
    for clip_id, *sequence_ids in clips.select(
        "clip_id", *(f"{view}_sequence_id" for view in VIEWS)
    ).iter_rows():
        of_clip = {sides.get(name) for name in sequence_ids}
        in_use = of_clip - {UNUSED}
        if None in of_clip or len(in_use) > 1:
            raise InputError(
                "a clip is on no single side",
                where=clip_id,
                expected=f"{' and '.join(sequence_ids)} on one side of {variant}",
                found=", ".join(sorted(str(side) for side in of_clip)),
                fix="run `gaitworks run participant_splits dual_view_clips`",
            )
        found.append(UNUSED if UNUSED in of_clip else in_use.pop())
    return pl.Series("side", found, dtype=pl.String)


def check_clips(
    clips: pl.DataFrame, index: pl.DataFrame, split: pl.DataFrame | None
) -> list[Check]:
    """Return what an audit says of clips: whose they are, and on which side of every variant.

    Args:
        clips: schema `CLIPS`.
        index: schema `SEQUENCE_INDEX`.
        split: schema `SPLIT`; None: sides are not looked at.
    """
    people = _check_people(clips, index)
    return [people] if split is None else [people, _check_sides(clips, split)]


def _check_people(clips: pl.DataFrame, index: pl.DataFrame) -> Check:
    """Hold what a clip says of itself, which is what models learn from, against its sequences."""
    of_sequence = ("sequence_id", "participant_id", "label")
    # A sequence listed twice is found elsewhere, and is not to multiply the clips here.
    known = index.select(of_sequence).unique("sequence_id", keep="first", maintain_order=True)
    found = clips
    for view in VIEWS:
        renamed = known.rename({name: f"{view}_{name}" for name in of_sequence})
        found = found.join(renamed, on=f"{view}_sequence_id", how="left")
    people, labels = (
        [pl.col(f"{view}_{name}") for view in VIEWS] for name in ("participant_id", "label")
    )
    is_of_two = people[0] != people[1]
    wrong = {
        "clip_not_in_dataset": (
            pl.any_horizontal(one.is_null() for one in people),
            "a sequence of these clips is not in the dataset",
        ),
        "clip_of_two_participants": (
            is_of_two,
            "front and side of these clips are of two participants",
        ),
        "clip_of_another_participant": (
            ~is_of_two & (pl.col("participant_id") != people[0]),
            "these clips name another participant than their sequences",
        ),
        "clip_of_another_label": (
            pl.any_horizontal(pl.col("label") != one for one in labels),
            "these clips name another label than a sequence of theirs",
        ),
    }
    findings = [
        error(code, ids, text)
        for code, (is_wrong, text) in wrong.items()
        if len(ids := found.filter(is_wrong)["clip_id"])
    ]
    claim = "every clip is of its sequences' participant and label"
    return Check(GROUP, claim, clips.height, "clips", tuple(findings))


def _check_sides(clips: pl.DataFrame, split: pl.DataFrame) -> Check:
    sides = split.filter(pl.col("side") != UNUSED).select("variant", "sequence_id", "side")
    known = split.select("sequence_id").unique()
    views = [clips.select("clip_id", sequence_id=pl.col(f"{view}_sequence_id")) for view in VIEWS]
    sequences = pl.concat(views)
    strangers = sequences.join(known, on="sequence_id", how="anti")
    shared = (
        sequences.join(sides, on="sequence_id")
        .group_by("variant", "clip_id")
        .agg(pl.col("side").n_unique().alias("sides"))
        .filter(pl.col("sides") > 1)
    )
    findings: list[Finding] = []
    if not strangers.is_empty():
        text = "the split says nothing of a sequence of these clips"
        findings.append(error("clip_not_in_split", strangers["clip_id"], text))
    if not shared.is_empty():
        text = "front and side of these clips are on two sides of a variant"
        findings.append(error("clip_on_two_sides", shared["clip_id"], text))
    claim = "both views of every clip are on one side"
    return Check(GROUP, claim, clips.height, "clips", tuple(findings))
