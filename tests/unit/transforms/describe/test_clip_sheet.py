import cv2
import numpy as np
import polars as pl
import pytest

from transforms.describe.clip_sheet import draw_clip_sheet


class Sequences:
    """Stands for a dataset: of the front nothing is black, of the side everything."""

    def read(self, sequence_id):
        return np.full((20, 64, 44), 255 if sequence_id.endswith("side") else 0, np.uint8)


def clips(count):
    return pl.DataFrame(
        {
            "clip_id": [f"c{n}" for n in range(count)],
            "label": ["positive"] * count,
            "start_s": [0.5] * count,
            "offset_s": [-0.25] * count,
            "offset_source": ["declared"] * count,
            "front_sequence_id": ["a-front"] * count,
            "side_sequence_id": ["a-side"] * count,
            "front_frames": [[1, 5, 9]] * count,
            "side_frames": [[2, 6, 10]] * count,
        }
    )


def draw(count, **options):
    data = draw_clip_sheet(clips(count), Sequences(), **options)
    return data, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_the_front_stands_above_the_side_in_the_same_columns():
    _, sheet = draw(1)
    right = sheet[:, 210:].astype(int).mean(axis=(1, 2))
    dark = np.flatnonzero(right < 80)
    assert len(dark) == 64  # the side's row
    light = right[dark[0] - 2 - 64 : dark[0] - 2]
    assert light.min() > 200
    assert (draw(1)[0]) == draw(1)[0]


def test_a_limit_in_bytes_leaves_fewer_clips():
    whole, high = draw(8)
    smaller, low = draw(8, max_bytes=len(whole) - 1)
    assert len(smaller) < len(whole)
    assert low.shape[0] < high.shape[0]
    with pytest.raises(ValueError, match="does not fit"):
        draw(8, max_bytes=10)


def test_no_clip_is_no_sheet():
    with pytest.raises(ValueError, match="at least one"):
        draw_clip_sheet(clips(0), Sequences())
