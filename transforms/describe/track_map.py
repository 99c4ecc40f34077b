"""Track map: where each person of a recording walked, drawn without a pixel of the video.

The picture's area is an empty sheet; each track is a few outlines of its box, a line through the
feet from a dot to an arrow, and the number by which a person can choose it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.describe.drawing import (
    GROUND,
    MUTED,
    Image,
    blank,
    encode_png,
    measure_line,
    spread,
    write_line,
)
from transforms.describe.style import INK, PAPER, RULE, SERIES, bgr

TRACK_LIMIT: Final = len(SERIES)  # one colour each
BOX_LIMIT: Final = 10

_Track = Mapping[str, Any]  # `Any`: a row of the TRACKS table, columns of several types

_WIDTHS_PX: Final = (560, 420, 300, 200, 120)
_MARGIN_PX: Final = 8
_CAPTION_PX: Final = 22
_LABEL_PX: Final = 15
_LABEL_STYLE: Final = {"size": 11, "weight": 600}
_NO_SHAPE: Final = (9, 16)  # of a picture whose size is not known


def draw_track_map(
    tracks: Sequence[_Track],
    frame_shape: tuple[int, int],
    *,
    target_track_id: int | None,
    max_bytes: int | None = None,
) -> bytes:
    """Draw the tracks of one recording as boxes and paths on an empty sheet.

    Args:
        tracks: rows of the TRACKS table; of more than `TRACK_LIMIT` those with the best target
            scores are drawn, and the chosen one always.
        frame_shape: height and width of the picture in which the boxes lie.
        target_track_id: the participant's track, drawn in dark ink; None where there is none.
        max_bytes: the PNG stays below this; the sheet gets smaller.

    Returns:
        PNG bytes.

    Raises:
        ValueError: `max_bytes` can't be met.
    """
    shown = choose_tracks(tracks, target_track_id)
    for width in _WIDTHS_PX:
        data = encode_png(_draw(shown, len(tracks), frame_shape, target_track_id, width))
        if max_bytes is None or len(data) < max_bytes:
            return data
    raise ValueError(f"a track map of {len(data)} bytes does not fit in {max_bytes}")


def choose_tracks(
    tracks: Sequence[_Track], target_track_id: int | None, *, limit: int = TRACK_LIMIT
) -> list[_Track]:
    """Return the tracks worth showing, by falling target score, the participant's first."""
    ranked = sorted(
        tracks,
        key=lambda track: (
            track["track_id"] != target_track_id,
            -track["target_score"],
            track["track_id"],
        ),
    )
    return ranked[:limit]


def _draw(
    tracks: Sequence[_Track],
    track_count: int,
    frame_shape: tuple[int, int],
    target_track_id: int | None,
    width: int,
) -> Image:
    rows, columns = frame_shape if min(frame_shape) > 0 else _NO_SHAPE
    scale = width / max(rows, columns)
    inner_height, inner_width = max(1, round(rows * scale)), max(1, round(columns * scale))
    sheet = blank(
        inner_height + 2 * _MARGIN_PX + _CAPTION_PX,
        max(inner_width, 200) + 2 * _MARGIN_PX,
        PAPER,
    )
    area = sheet[_MARGIN_PX : _MARGIN_PX + inner_height, _MARGIN_PX : _MARGIN_PX + inner_width]
    area[:] = bgr(GROUND)
    cv2.rectangle(area, (0, 0), (inner_width - 1, inner_height - 1), bgr(RULE), 1)
    # Labels last and the target's path above the others': what decides is never covered.
    for place, track in reversed(list(enumerate(tracks))):
        is_target = track["track_id"] == target_track_id
        _draw_path(area, _scaled_boxes(track, scale), _colour(place, is_target), is_target)
    taken: list[tuple[int, int, int, int]] = []
    for place, track in enumerate(tracks):
        is_target = track["track_id"] == target_track_id
        text = f"track {track['track_id']}" + (" (target)" if is_target else "")
        _write_label(area, text, _scaled_boxes(track, scale), taken, _colour(place, is_target))
    _write_caption(sheet, len(tracks), track_count, frame_shape)
    return sheet


def _colour(place: int, is_target: bool) -> str:
    return INK if is_target else SERIES[place % len(SERIES)]


def _scaled_boxes(track: _Track, scale: float) -> NDArray[np.int32]:
    """Return the track's sampled boxes in pixels of the sheet, `(box, 4)`."""
    boxes = np.asarray(track["sample_boxes"], dtype=np.float64).reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    # OpenCV draws in 16-bit fixed point; nothing of interest lies that far outside.
    return np.clip(boxes * scale, -2_000, 4_000).round().astype(np.int32)


def _draw_path(area: Image, boxes: NDArray[np.int32], colour: str, is_target: bool) -> None:
    if not len(boxes):
        return
    ink, weight = bgr(colour), 2 if is_target else 1
    # The boxes stay pale beside the way: ten of them would hide it.
    pale = [
        round(share + (ground - share) * 0.5)
        for share, ground in zip(ink, bgr(GROUND), strict=True)
    ]
    for x0, y0, x1, y1 in boxes[spread(len(boxes), BOX_LIMIT)].tolist():
        cv2.rectangle(area, (x0, y0), (x1, y1), pale, 1)
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) // 2, boxes[:, 3]], axis=1)
    cv2.polylines(area, [feet[:, None]], False, ink, weight + 1, cv2.LINE_AA)
    cv2.circle(area, feet[0].tolist(), weight + 3, ink, cv2.FILLED, cv2.LINE_AA)
    _draw_arrowhead(area, feet, ink, weight)


def _draw_arrowhead(
    area: Image, feet: NDArray[np.int32], ink: tuple[int, int, int], weight: int
) -> None:
    """Point the way at the path's end; who never moved more than the head's length gets none."""
    length = 8 + 2 * weight
    steps = (feet[-1] - feet).astype(np.float64)
    far = np.flatnonzero(np.hypot(steps[:, 0], steps[:, 1]) >= length)
    if not len(far):
        return
    way = steps[far[-1]] / np.hypot(*steps[far[-1]])
    side = np.array([-way[1], way[0]])
    # Its tip goes beyond the line's end, whose breadth would stand out beside it.
    end = feet[-1] + weight * 2 * way
    corners = [end, end - length * way + side * length / 2, end - length * way - side * length / 2]
    cv2.fillConvexPoly(area, np.round(corners).astype(np.int32), ink, cv2.LINE_AA)


def _write_label(
    area: Image,
    text: str,
    boxes: NDArray[np.int32],
    taken: list[tuple[int, int, int, int]],
    colour: str,
) -> None:
    """Write the track's name at one of its boxes, where no other name is and it is all visible."""
    if not len(boxes):
        return
    height, width = area.shape[:2]
    label_width = measure_line(text, **_LABEL_STYLE) + 8
    # The middle of the track first, then its end, its start and the rest.
    middle = len(boxes) // 2
    order = list(dict.fromkeys([middle, len(boxes) - 1, 0, *range(len(boxes))]))
    places = []
    for x0, y0, x1, y1 in boxes[order].tolist():
        centre = (x0 + x1) // 2 - label_width // 2
        places += [(centre, y0 - _LABEL_PX - 2), (centre, y0 + 3), (centre, (y0 + y1) // 2)]
    spots = [
        (
            int(np.clip(x, 0, max(0, width - label_width))),
            int(np.clip(y, 0, max(0, height - _LABEL_PX))),
        )
        for x, y in places
    ]
    spot = next((one for one in spots if not _meets(one, label_width, taken)), spots[0])
    x, y = spot
    taken.append((x, y, x + label_width, y + _LABEL_PX))
    ground = area[y : y + _LABEL_PX, x : x + label_width]
    ground[:] = bgr(colour)
    write_line(ground, text, 4, 11, PAPER, **_LABEL_STYLE)


def _meets(spot: tuple[int, int], width: int, taken: Sequence[tuple[int, int, int, int]]) -> bool:
    x, y = spot
    return any(
        x < right and left < x + width and y < bottom and top < y + _LABEL_PX
        for left, top, right, bottom in taken
    )


def _write_caption(
    sheet: Image, shown: int, track_count: int, frame_shape: tuple[int, int]
) -> None:
    height, width = frame_shape
    text = f"{width} x {height} px" if min(frame_shape) > 0 else "picture size not known"
    if not track_count:
        text += ", nobody was followed"
    elif shown < track_count:
        text += f", {shown} of {track_count} tracks"
    write_line(sheet, text, _MARGIN_PX, sheet.shape[0] - 9, MUTED, size=11, weight=400)
