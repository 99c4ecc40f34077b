"""One recording on the page of contact sheets: what was found, what was decided, what can be.

Drawn from the result before its verdict takes effect: the silhouettes of a rejected recording are
withdrawn from the tables, but are what a person has to see to decide.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from transforms.describe.contact_sheet import draw_contact_sheet
from transforms.describe.formatting import NOTHING, format_cell, plural, words
from transforms.describe.page import (
    Block,
    Code,
    Group,
    Table,
    Terms,
    Text,
    Tiles,
    png_picture,
    rows_table,
)
from transforms.describe.track_map import choose_tracks, draw_track_map
from transforms.extract.overrides import Override
from transforms.extract.result import ACCEPTED, FAILED, QUARANTINED, REJECTED, RecordingResult

# A recording takes less than 60 KB: base64 makes 55 of these, the rest is words.
SHEET_MAX_BYTES: Final = 33_000
MAP_MAX_BYTES: Final = 8_500
_TRACK_ROWS: Final = 15

_Track = Mapping[str, Any]  # `Any`: a row of the TRACKS table, columns of several types


def describe_recording(
    recording_id: str, found: RecordingResult, final: RecordingResult, override: Override | None
) -> tuple[Block, ...]:
    """Return what a person needs to see of one recording to decide about it.

    Args:
        recording_id: its id.
        found: what extraction found, before the verdict took effect.
        final: after it took effect, a person's decision included.
        override: what a person has decided.
    """
    is_unsure = QUARANTINED in (found.verdict, final.verdict)
    blocks: list[Block] = [Terms(tuple(_describe_verdict(found, final, override)))]
    blocks += show_findings(recording_id, found, shows_single_track=is_unsure)
    rows = list_decisions(recording_id, found, final)
    if rows:
        text = "Rows for overrides.csv: copy one, add your name and your reason behind the commas."
        title = "Decide about this recording"
        blocks.append(Group("drawer", title, (Text(text), Code("\n".join(rows)))))
    return tuple(blocks)


def show_findings(
    recording_id: str, found: RecordingResult, *, shows_single_track: bool
) -> list[Block]:
    """Return what extraction found, without a verdict: measures, silhouettes, who walked where.

    Args:
        recording_id: its id.
        found: before the verdict took effect.
        shows_single_track: the way of the only person there was, too.
    """
    blocks: list[Block] = []
    measures = [
        (_format_measure(name, value), words(name)) for name, value in found.measures.items()
    ]
    if found.quality_score is not None:
        measures.insert(0, (f"{found.quality_score:.2f}", "quality score"))
    if measures:
        blocks.append(Tiles(tuple(measures)))
    flagged = flag_frames(found)
    if flagged or len(found.kept_frames):
        blocks += _sheet_blocks(recording_id, found, flagged)
    if len(found.tracks) > 1 or (found.tracks and shows_single_track):
        blocks.append(_track_blocks(recording_id, found))
    return blocks


def flag_frames(found: RecordingResult) -> dict[int, str]:
    """Return the reason by index of the frames dropped between the target's first and last."""
    target = _find_target(found)
    if target is None:
        return {}
    span = range(target["first_frame"], target["last_frame"] + 1)
    reasons = ((index, found.drop_reasons[index]) for index in span)
    return {index: reason for index, reason in reasons if reason is not None}


def list_decisions(recording_id: str, found: RecordingResult, final: RecordingResult) -> list[str]:
    """Return the rows of an override ledger that would change something, without name and reason.

    A row without them is refused, so that none can be taken over unread.
    """
    rows = []
    if final.verdict == REJECTED and len(found.kept_frames):
        rows.append(_format_row(recording_id, "accept"))
    if final.verdict == ACCEPTED:
        rows.append(_format_row(recording_id, "reject"))
    if found.verdict != FAILED:
        rows += [
            _format_row(recording_id, "accept", f"{track['track_id']}@{found.tracks_id}")
            for track in choose_tracks(found.tracks, found.target_track_id)
            if track["track_id"] != found.target_track_id
        ]
    if final.verdict == QUARANTINED:
        rows.append(_format_row(recording_id, "reject"))
    return rows


def _format_row(recording_id: str, decision: str, track_id: str = "") -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([recording_id, decision, track_id, "", ""])
    return buffer.getvalue()


def _find_target(found: RecordingResult) -> _Track | None:
    return next(
        (track for track in found.tracks if track["track_id"] == found.target_track_id), None
    )


def _describe_verdict(
    found: RecordingResult, final: RecordingResult, override: Override | None
) -> Iterator[tuple[str, str]]:
    gates = words(found.reason_code or "") + (f": {found.reason}" if found.reason else "")
    if override is not None:
        chosen = "" if override.track_id is None else f", track {override.track_id}"
        yield (
            "A person decided",
            f"{override.decision}{chosen}: {override.reason} ({override.name})",
        )
        if override.decision == "accept" and final.verdict != ACCEPTED:
            yield "Without effect", _explain_no_effect(found, override)
    if found.verdict != final.verdict:
        yield "Extraction found", found.verdict + (f", {gates}" if gates else "")
    elif gates:
        yield "Reason", gates
    yield "Participant", _describe_choice(found)
    if len(found.pts_s):
        yield "Frames", _count_frames(found)


def _explain_no_effect(found: RecordingResult, override: Override) -> str:
    if found.verdict == QUARANTINED and override.track_id is None:
        return "the row names no track_id"
    if found.verdict == FAILED:
        return "extraction did not get through this recording"
    return "there is no usable frame to accept" if found.verdict == REJECTED else "see the reason"


def _describe_choice(found: RecordingResult) -> str:
    who = "not chosen" if found.target_track_id is None else f"track {found.target_track_id}"
    if found.target_confidence is not None:
        who += f", confidence {found.target_confidence:.2f}"
    return who + (f": {found.target_why}" if found.target_why else "")


def _count_frames(found: RecordingResult) -> str:
    total, kept = len(found.pts_s), len(found.kept_frames)
    text = f"{kept:,} of {total:,} usable"
    target = _find_target(found)
    if target is None:
        return text
    span = target["last_frame"] - target["first_frame"] + 1
    return (
        f"{text}; the participant is there from frame {target['first_frame']:,} to "
        f"{target['last_frame']:,}, of which {kept / span:.0%} are usable"
    )


def _format_measure(name: str, value: float | str | None) -> str:
    if isinstance(value, str):
        return words(value)
    if value is not None and name.endswith("_fraction"):
        return f"{value:.0%}"
    return format_cell(value)


def _sheet_blocks(
    recording_id: str, found: RecordingResult, flagged: Mapping[int, str]
) -> list[Block]:
    kept = found.kept_frames
    png = draw_contact_sheet(
        found.silhouettes,
        kept,
        flagged=flagged,
        title=f"{recording_id}: {len(kept)} kept, {len(flagged)} flagged",
        max_bytes=SHEET_MAX_BYTES,
    )
    picture = png_picture(
        png,
        f"Evenly sampled silhouettes of recording {recording_id}: {plural(len(kept), 'frame')} "
        f"kept, {len(flagged)} dropped while the participant was there, empty with a red border.",
        "The line above the silhouettes stands for all frames from the participant's first to the "
        "last; red is dropped. The numbers count the video's frames from 0.",
    )
    if not flagged:
        return [picture]
    return [picture, _legend(flagged)]


def _legend(flagged: Mapping[int, str]) -> Table:
    counts = sorted(Counter(flagged.values()).items(), key=lambda item: (-item[1], item[0]))
    first = {reason: index for index, reason in sorted(flagged.items(), reverse=True)}
    return rows_table(
        "Dropped while the participant was there",
        ("reason", "frames", "first at frame"),
        [(words(reason), count, first[reason]) for reason, count in counts],
        numeric=(1, 2),
    )


def _track_blocks(recording_id: str, found: RecordingResult) -> Group:
    target = found.target_track_id
    shown = choose_tracks(found.tracks, target)
    png = draw_track_map(
        found.tracks, found.frame_shape, target_track_id=target, max_bytes=MAP_MAX_BYTES
    )
    paths = "; ".join(_describe_path(track, found.frame_shape) for track in shown)
    picture = png_picture(
        png,
        f"Where the people of recording {recording_id} walked: {paths}.",
        "Each person's way along the floor, from the dot to the arrow, with some of their boxes. "
        "overrides.csv names a track as the table does.",
    )
    ranked = choose_tracks(found.tracks, target, limit=_TRACK_ROWS)
    left_out = len(found.tracks) - len(ranked)
    table = rows_table(
        "People followed",
        ("track", "frames", "first", "last", "height px", "way px", "target score"),
        [
            (
                f"{track['track_id']}@{found.tracks_id}"
                + (" (target)" if track["track_id"] == target else ""),
                track["frame_count"],
                track["first_frame"],
                track["last_frame"],
                round(track["mean_height_px"]),
                round(track["travel_px"]),
                track["target_score"],
            )
            for track in ranked
        ],
        numeric=range(1, 7),
        note=f"{left_out} more, with lower scores, in tracks.parquet." if left_out else "",
    )
    return Group("row", "", (picture, table))


def _describe_path(track: _Track, frame_shape: tuple[int, int]) -> str:
    boxes, width = track["sample_boxes"], frame_shape[1]
    if not boxes or not width:
        return f"track {track['track_id']}, {NOTHING}"
    start, end = ((box[0] + box[2]) / 2 / width for box in (boxes[0], boxes[-1]))
    return f"track {track['track_id']} from {start:.0%} to {end:.0%} of the picture's width"
