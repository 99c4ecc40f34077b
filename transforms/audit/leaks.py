"""Audit what two sides of a variant share: people, visits, files, and copies of sequences.

Who is in a sequence is taken from the index: a split that renames participants hides nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from transforms.audit.dataset import SOURCE, name_sources
from transforms.audit.findings import Check, Finding, error, name_some, warning
from transforms.splits.sequence_wise import PROTOCOL as SEQUENCE_WISE
from transforms.splits.split import UNUSED

GROUP: Final = "leaks"
COPIES: Final = "copies"
PAIR_COLUMNS: Final = ("first", "second", "kind", "is_mirrored")
_IDENTICAL: Final = "identical"
_CROSSING: Final = "no sequence has a copy on another side of a variant"
_ONE_PERSON: Final = "copies are of one participant"
_ONE_LABEL: Final = "copies have one label"


@dataclass(frozen=True)
class _Tie:
    """What sequences may share that must not be on two sides of a variant.

    `is_personal` ties are what a split by sequences breaks on purpose.
    """

    code: str
    key: tuple[str, ...]
    name: str
    unit: str
    is_personal: bool


_TIES: Final = (
    _Tie("participant_on_two_sides", ("participant_id",), "participant", "participants", True),
    _Tie("session_on_two_sides", ("participant_id", "session"), "session", "sessions", True),
    _Tie(
        "sync_group_on_two_sides",
        ("participant_id", "sync_group"),
        "group of synchronised recordings",
        "sync groups",
        True,
    ),
    _Tie("recording_on_two_sides", ("recording_id",), "recording", "recordings", False),
    _Tie("same_video_on_two_sides", ("video_sha256",), "video file", "video files", False),
    _Tie("same_source_on_two_sides", (SOURCE,), "source file", "source files", False),
)


def find_used(split: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return what is trained on, selected on or tested on, with all that it may share.

    Args:
        split: columns variant, protocol, sequence_id, side.
        index: the sequence index, every sequence once.

    Returns:
        One row per variant, sequence and side; `is_leaky` marks the variants of the protocol
        `sequence_wise`.
    """
    ties = index.select(
        "sequence_id",
        "participant_id",
        "session",
        "sync_group",
        "recording_id",
        "video_sha256",
        name_sources(index),
    )
    # A variant is leaky by design only as a whole: no row can excuse the others.
    is_leaky = (pl.col("protocol") == SEQUENCE_WISE).all().alias("is_leaky")
    variants = split.group_by("variant").agg(is_leaky)
    sides = split.filter(pl.col("side") != UNUSED).select("variant", "sequence_id", "side").unique()
    return sides.join(variants, on="variant").join(ties, on="sequence_id")


def check_sides(used: pl.DataFrame) -> Iterator[Check]:
    """Yield one check for each thing that no two sides of a variant may share."""
    for tie in _TIES:
        shared = (
            used.drop_nulls(list(tie.key))
            .group_by("variant", *tie.key)
            .agg(pl.col("side").n_unique().alias("sides"), pl.col("is_leaky").first())
        )
        crossing = shared.filter(pl.col("sides") > 1)
        by_design = pl.col("is_leaky") if tie.is_personal else pl.lit(value=False)
        findings = (
            *_name_crossing(tie, crossing.filter(~by_design), is_error=True),
            *_name_crossing(tie, crossing.filter(by_design), is_error=False),
        )
        examined = shared.select(tie.key).n_unique()
        claim = f"no {tie.name} is on two sides of a variant"
        yield Check(GROUP, claim, examined, f"{tie.unit} in use", findings)


def _name_crossing(tie: _Tie, crossing: pl.DataFrame, *, is_error: bool) -> Iterator[Finding]:
    if crossing.is_empty():
        return
    names = crossing.select(pl.concat_str(list(tie.key), separator="/")).to_series().to_list()
    variants = name_some(sorted(crossing["variant"].unique()))
    if is_error:
        yield error(tie.code, names, f"on more than one side of {variants}")
    else:
        yield warning(
            tie.code, names, f"on more than one side of {variants}, as its protocol intends"
        )


def check_copies(
    pairs: pl.DataFrame | None, index: pl.DataFrame, used: pl.DataFrame | None
) -> Iterator[Check]:
    """Yield the checks of pairs of sequences that are copies of one another.

    Args:
        pairs: columns first, second (sequence ids), kind (`identical` or `near`), is_mirrored;
            None where nobody looked for them.
        index: the sequence index, every sequence once.
        used: what `find_used` returns; None where there is no split.
    """
    claims = [_CROSSING] if used is not None else []
    claims += [_ONE_PERSON, _ONE_LABEL]
    if pairs is None:
        reason = "near-duplicates were not searched for"
        yield from (Check(COPIES, claim, None, "sequences", reason=reason) for claim in claims)
        return
    described = _describe_pairs(pairs, index)
    strangers = described.filter(pl.any_horizontal(pl.col("first_label", "second_label").is_null()))
    findings: list[Finding] = []
    crossing = pairs.clear().select("first", "second")
    if used is not None:
        found = _cross(described, used)
        crossing = found.select("first", "second")
        leaks = (
            *_name_identical(described, used),
            *_name_near(found.filter(pl.col("kind") != _IDENTICAL)),
        )
        yield Check(COPIES, _CROSSING, index.height, "sequences", leaks)
    if not strangers.is_empty():
        text = "pairs of sequences that the dataset does not have"
        findings.append(error("copies_of_another_dataset", strangers["name"].to_list(), text))
    findings += _find_double_people(described, crossing)
    yield Check(COPIES, _ONE_PERSON, index.height, "sequences", tuple(findings))
    yield Check(COPIES, _ONE_LABEL, described.height, "pairs", tuple(_find_labels(described)))


def _describe_pairs(pairs: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return every pair once, with participant and label of both and a name for people."""
    described = pairs.select(PAIR_COLUMNS).unique(maintain_order=True)
    for place in ("first", "second"):
        about = index.select(
            pl.col("sequence_id").alias(place),
            pl.col("participant_id").alias(f"{place}_participant_id"),
            pl.col("label").alias(f"{place}_label"),
        )
        described = described.join(about, on=place, how="left")
    sign = pl.when(pl.col("kind") == _IDENTICAL).then(pl.lit(" = ")).otherwise(pl.lit(" ~ "))
    mirrored = pl.when("is_mirrored").then(pl.lit(" (mirrored)")).otherwise(pl.lit(""))
    return described.with_columns(name=pl.concat_str("first", sign, "second", mirrored))


def _cross(described: pl.DataFrame, used: pl.DataFrame) -> pl.DataFrame:
    """Return pair and variant wherever the two are on different sides of the variant."""
    sides = used.select("variant", "sequence_id", "side")
    return (
        described.join(sides, left_on="first", right_on="sequence_id")
        .join(
            sides,
            left_on=["second", "variant"],
            right_on=["sequence_id", "variant"],
            suffix="_of_second",
        )
        .filter(pl.col("side") != pl.col("side_of_second"))
    )


def _name_identical(described: pl.DataFrame, used: pl.DataFrame) -> Iterator[Finding]:
    """Name what is the same through others, too: of many copies not every pair is listed."""
    pairs = described.filter(pl.col("kind") == _IDENTICAL).select("first", "second")
    groups = _group_identical(pairs.rows())
    contents = pl.DataFrame(
        {"sequence_id": groups.keys(), "content": groups.values()},
        schema={"sequence_id": pl.String, "content": pl.String},
    )
    crossing = (
        used.join(contents, on="sequence_id")
        .group_by("variant", "content", "side")
        .agg(pl.col("sequence_id").min())
        .group_by("variant", "content")
        .agg(pl.col("sequence_id").sort())
        .filter(pl.col("sequence_id").list.len() > 1)
    )
    if not crossing.is_empty():
        names = crossing.select(pl.col("sequence_id").list.join(" = ")).to_series().to_list()
        variants = name_some(sorted(crossing["variant"].unique()))
        text = f"the same silhouettes on two sides of {variants}"
        yield error("identical_on_two_sides", names, text)


def _group_identical(pairs: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Return for every sequence of a pair one that stands for all that are the same."""
    heads: dict[str, str] = {}

    def find(name: str) -> str:
        while (head := heads.setdefault(name, name)) != name:
            heads[name] = name = heads[head]  # halve the way for those who come later
        return name

    for first, second in pairs:
        one, other = sorted((find(first), find(second)))
        heads[other] = one
    return {name: find(name) for name in list(heads)}


def _name_near(crossing: pl.DataFrame) -> Iterator[Finding]:
    if not crossing.is_empty():
        variants = name_some(sorted(crossing["variant"].unique()))
        text = f"copies of one walk on two sides of {variants}"
        yield error("near_duplicate_on_two_sides", crossing["name"].to_list(), text)


def _find_double_people(described: pl.DataFrame, crossing: pl.DataFrame) -> Iterator[Finding]:
    """Warn of copies that no side tells apart yet: the next split may."""
    same_person = pl.col("first_participant_id") == pl.col("second_participant_id")
    strangers = described.filter(~same_person).join(crossing, on=["first", "second"], how="anti")
    if not strangers.is_empty():
        text = "copies of one walk under different participants, on one side or unused"
        yield warning("copy_of_two_participants", strangers["name"].to_list(), text)
    double = described.filter(same_person & (pl.col("kind") == _IDENTICAL))
    if not double.is_empty():
        text = "a participant has the same silhouettes twice, which counts them twice"
        yield warning("sequence_stored_twice", double["name"].to_list(), text)


def _find_labels(described: pl.DataFrame) -> Iterator[Finding]:
    differs = described.filter(pl.col("first_label") != pl.col("second_label"))
    is_identical = pl.col("kind") == _IDENTICAL
    identical = differs.filter(is_identical)["name"].to_list()
    if identical:
        text = "the same silhouettes carry different labels"
        yield error("identical_content_with_two_labels", identical, text)
    near = differs.filter(~is_identical)["name"].to_list()
    if near:
        text = "copies of one walk carry different labels"
        yield warning("near_duplicate_with_two_labels", near, text)
