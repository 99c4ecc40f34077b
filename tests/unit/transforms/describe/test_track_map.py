from typing import Any

import cv2
import numpy as np
import pytest

from transforms.describe.style import INK, SERIES, bgr
from transforms.describe.track_map import TRACK_LIMIT, choose_tracks, draw_track_map

SHAPE = (360, 640)


def track(number: int, start: float, end: float, *, feet: float = 300, score: float = 0.5) -> Any:
    centres = np.linspace(start, end, 24)
    return {
        "track_id": number,
        "target_score": score,
        "sample_frames": list(range(24)),
        "sample_boxes": [[x - 30, feet - 150, x + 30, feet] for x in centres.tolist()],
    }


def read(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)


def count(png: bytes, colour: str) -> int:
    return int((read(png) == bgr(colour)).all(axis=-1).sum())


WALKER = track(0, 60, 580, score=0.8)
STANDER = track(1, 400, 402, feet=200, score=0.1)


def test_same_tracks_give_same_bytes() -> None:
    first = draw_track_map([WALKER, STANDER], SHAPE, target_track_id=0)
    assert first == draw_track_map([WALKER, STANDER], SHAPE, target_track_id=0)
    assert first == draw_track_map([STANDER, WALKER], SHAPE, target_track_id=0)


def test_the_target_is_drawn_in_ink_and_the_others_in_their_colours() -> None:
    chosen = draw_track_map([WALKER, STANDER], SHAPE, target_track_id=0)
    nobody = draw_track_map([WALKER, STANDER], SHAPE, target_track_id=None)
    assert count(chosen, INK) > 500
    assert count(chosen, SERIES[0]) == 0
    assert count(nobody, INK) == 0
    assert count(nobody, SERIES[0]) > 500
    assert count(chosen, SERIES[1]) > 200
    assert count(nobody, SERIES[1]) > 200


def test_the_way_lies_where_the_feet_were() -> None:
    picture = read(draw_track_map([WALKER], (360, 640), target_track_id=0))
    is_ink = (picture == bgr(INK)).all(axis=-1)
    row = 8 + round(300 * 560 / 640)  # the margin, and 640 px of video on 560 px of paper
    columns = np.flatnonzero(is_ink[row])
    assert abs(columns.min() - (8 + 60 * 560 / 640)) < 10
    assert abs(columns.max() - (8 + 580 * 560 / 640)) < 10


@pytest.mark.parametrize(("start", "end"), [(60, 580), (580, 60)])
def test_the_arrow_is_at_the_end_of_the_way(start: float, end: float) -> None:
    picture = read(draw_track_map([track(0, start, end)], SHAPE, target_track_id=0))
    heights = (picture == bgr(INK)).all(axis=-1)[240:].sum(axis=0)  # below the name
    at = [8 + round(x * 560 / 640) for x in (start, end)]
    step = 7 if end > start else -7
    behind_the_dot, in_the_arrow = heights[at[0] + step], heights[at[1] - step]
    assert in_the_arrow > behind_the_dot + 3


def test_a_chosen_track_is_shown_among_many_better_ones() -> None:
    crowd = [track(number, 60, 300, score=number / 100) for number in range(40)]
    shown = [one["track_id"] for one in choose_tracks(crowd, 3)]
    assert shown == [3, *range(39, 39 - TRACK_LIMIT + 1, -1)]
    assert count(draw_track_map(crowd, SHAPE, target_track_id=3), INK) > 500


def test_max_bytes_is_kept() -> None:
    whole = len(draw_track_map([WALKER, STANDER], SHAPE, target_track_id=0))
    small = draw_track_map([WALKER, STANDER], SHAPE, target_track_id=0, max_bytes=whole * 3 // 4)
    assert len(small) < whole * 3 // 4
    with pytest.raises(ValueError, match="does not fit in 50"):
        draw_track_map([WALKER], SHAPE, target_track_id=0, max_bytes=50)


@pytest.mark.parametrize(
    ("tracks", "shape"),
    [
        ([], SHAPE),
        ([], (0, 0)),
        ([track(0, 10, 20)], (0, 0)),
        ([track(0, -1e9, 1e9)], SHAPE),
        ([track(0, float("nan"), 100)], SHAPE),
        ([track(0, 5, 6)], (8000, 16)),
        ([track(10**9, 5, 6)], (16, 8000)),
        ([{**WALKER, "sample_boxes": [], "sample_frames": []}], SHAPE),
        ([{**WALKER, "sample_boxes": [[0, 0, 5, 5]], "sample_frames": [4]}], SHAPE),
    ],
)
def test_any_tracks_give_a_picture(tracks: list[Any], shape: tuple[int, int]) -> None:
    assert read(draw_track_map(tracks, shape, target_track_id=0)).size
