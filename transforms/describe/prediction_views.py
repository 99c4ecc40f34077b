"""The parts of a prediction's page that belong to one video: where a model looked, and the walk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transforms.describe.attention_figure import draw_attention
from transforms.describe.formatting import words
from transforms.describe.page import Block, Group, Section, Terms, Text, png_picture, rows_table
from transforms.describe.recording_block import show_findings
from transforms.describe.style import figure_to_png
from transforms.describe.walk_figures import draw_evidence, rank_regions
from transforms.extract.result import RecordingResult
from transforms.splits.split import SELECTION, TRAIN

if TYPE_CHECKING:
    from transforms.explanation.over_time import WeighedWalk
    from transforms.explanation.shares import SequenceMaps

Json = Mapping[str, Any]  # `Any`: JSON


@dataclass(frozen=True)
class ViewMaterial:
    """What the page draws of one video.

    Attributes:
        found: of the video, before the verdict took effect.
        maps: of the walk.
        over_time: for a model that weighs frames.
    """

    found: RecordingResult
    maps: "SequenceMaps"
    over_time: "WeighedWalk | None"


def place_section(explanation: Json, views: Sequence[ViewMaterial]) -> Section:
    """Return where the evidence for the answer lies.

    Args:
        explanation: the part of that name of `prediction.json`.
        views: in the order of the videos.
    """
    label, described = explanation["explained_class"], explanation["views"]
    blocks: list[Block] = [
        Text(
            f"Evidence for {label}: how much each part of the silhouette raises its score above "
            "the other classes', to first order, by differing from the reference."
        )
    ]
    for view, one in zip(described, views, strict=True):
        shown = tuple(_show_view(view, one, explanation))
        title = f"{view['view'].capitalize()} view, {view['share']:.0%} of the evidence"
        blocks += shown if len(described) == 1 else [Group("part", title, shown)]
    limits = (
        Text(
            "A map shows what the model used, not what is wrong with a back. Whether its maps "
            "depend on what it has learnt is checked on its test side, by the stage "
            "model_explanation: the report says whether the checks passed."
        ),
    )
    blocks.append(Group("box", "What this does not show", limits))
    return Section("explanation", "Where it looked", tuple(blocks))


def say_known(video: Json) -> str | None:
    """Say that the model's dataset holds a video, and what that makes of the answer."""
    known = video["known_as"]
    if known is None or "reason" in known:
        return None
    side, learnt = known["side"], known["was_learnt_from"]
    place = "on an unknown side" if side is None else f"side {side}"
    said = f"{video['file']} is sequence {known['sequence_id']} of the model's dataset ({place})"
    if side == TRAIN:
        return f"{said}: the model was trained on it, its answer is no test"
    if side == SELECTION:
        return f"{said}: the model's state was chosen by it, its answer is no test"
    if learnt:
        return f"{said}: the model learnt from other walks of this person, its answer is no test"
    if learnt is None:
        return f"{said}: the model may have been trained on it, its answer may be no test"
    return f"{said}: the model learnt nothing from this person"


def _show_view(view: Json, material: ViewMaterial, explanation: Json) -> Iterator[Block]:
    """Yield the evidence in one view."""
    label = explanation["explained_class"]
    yield Text(f"Reference: {view['reference']}.")
    shares = rank_regions(view["shares"])
    if shares:
        yield png_picture(
            figure_to_png(draw_evidence(material.maps, explanation["method"])),
            f"Evidence for {label} over the mean silhouette.",
            "Red: most evidence. To the right: eighths of the gait cycle."
            if view["gait_cycle_found"]
            else "Red: most evidence. It is not divided by the gait cycle.",
        )
        yield rows_table(
            "Share of the evidence",
            ("region", "share", "left of the picture", "right", "share of the body"),
            [(words(name), *(f"{value:.0%}" for value in rest)) for name, *rest in shares],
            numeric=(1, 2, 3, 4),
            note="A large region has a large share for its size alone: compare with the last "
            "column.",
        )
    else:
        yield Text("No pixel speaks for this class: there is no map to show.")
    if material.over_time is not None:
        yield png_picture(
            figure_to_png(draw_attention([material.over_time])),
            "Silhouettes of the walk over the weights of its frames.",
            "How much of the answer each frame makes, as the model weighs them.",
        )


def walk_section(
    video: Json, found: RecordingResult, clips: Json | None, *, is_only: bool
) -> Section:
    """Return what extraction found in one video, and how its walk was cut.

    Args:
        video: of the videos in `prediction.json`.
        found: before the verdict took effect.
        clips: the part of that name, of a model of clips.
        is_only: whether there is no other video.
    """
    target = video["target"]
    track = f"track {target['track_id']}@{video['tracks_id']}"
    terms = [
        ("Verdict of extraction", video["gates"]["verdict"]),
        ("Participant", f"{track}: {target['why']}"),
        ("Frames", f"{video['kept_frames']:,} of {video['frames']:,} usable"),
        ("Judged, explained", f"{video['judged_frames']:,}, {video['explained_frames']:,} frames"),
        ("View", video["view"]),
    ]
    if clips is not None:
        terms += _describe_clips(clips)
    terms += [("Intake warns", text) for text in video["warnings"]]
    findings = show_findings(video["file"], found, shows_single_track=False)
    measured = Group("part", "As extraction found it", tuple(findings))
    title = "The walk" if is_only else f"The walk, {video['view']} view: {video['file']}"
    anchor = "walk" if is_only else f"walk_{video['view']}"
    return Section(anchor, title, (Terms(tuple(terms)), measured))


def _describe_clips(clips: Json) -> list[tuple[str, str]]:
    """Say how the walk was cut, and how two videos lie to each other."""
    said = f"{clips['count']} of {clips['duration_s']:g} s, one every {clips['stride_s']:g} s"
    if clips["left_out"]:
        said += f"; {len(clips['left_out'])} left out: {'; '.join(sorted(set(clips['left_out'])))}"
    return [("Clips", said), *(("Offset", one) for one in say_alignment(clips))]


def say_alignment(clips: Json) -> list[str]:
    """Say how two videos lie to each other; nothing where there is one."""
    found = clips["alignment"]
    if found is None:
        return []
    sure = "" if found["confidence"] is None else f", confidence {found['confidence']:.2f}"
    return [
        f"the side video begins {found['offset_s']:+.3f} s after the front video "
        f"({found['source']}{sure})"
    ]
