import re

import cv2
import numpy as np
import polars as pl
import pytest

from transforms.describe.contact_sheet import (
    draw_cohort_sheet,
    draw_contact_sheet,
    draw_recording_sheet,
)
from transforms.describe.gather import ReportInputs
from transforms.errors import InputError, IntegrityError

WALK = np.zeros((30, 64, 44), dtype=np.uint8)
WALK[:, 10:60, 15:30] = 255


def read(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)


def count_red(png: bytes) -> int:
    blue, green, red = np.moveaxis(read(png), -1, 0)
    return int(((red - green > 80) & (red - blue > 80)).sum())


def test_same_input_gives_same_bytes() -> None:
    first = draw_contact_sheet(WALK, range(30), flagged={3: "area_jump"}, title="R1")
    assert first == draw_contact_sheet(WALK, range(30), flagged={3: "area_jump"}, title="R1")


def test_only_flagged_frames_are_red() -> None:
    assert count_red(draw_contact_sheet(WALK, range(30))) == 0
    one = count_red(draw_contact_sheet(WALK, range(30), flagged={0: ""}))
    two = count_red(draw_contact_sheet(WALK, range(30), flagged={0: "", 29: ""}))
    assert 0 < one < two


def test_a_flag_between_the_sampled_frames_shows_in_the_line() -> None:
    assert count_red(draw_contact_sheet(WALK, range(30), flagged={13: ""}, cell_limit=2)) > 0


@pytest.mark.parametrize("dropped", [[13], [13, 14], [5, 13, 14]])
def test_a_reason_that_even_steps_would_miss_gets_a_cell(dropped: list[int]) -> None:
    kept = [frame for frame in range(30) if frame not in dropped]
    flagged = dict.fromkeys(dropped, "area_jump")
    sheet = read(draw_contact_sheet(WALK[kept], kept, flagged=flagged, cell_limit=4))
    plain = read(draw_contact_sheet(WALK, range(30), cell_limit=4))
    assert sheet.shape == plain.shape
    blue, _, red = np.moveaxis(sheet[40:], -1, 0)  # below the line that stands for all frames
    assert (red - blue > 80).sum() > 100


def test_dropped_frames_take_a_cell_of_their_own() -> None:
    kept = draw_contact_sheet(WALK[:4], range(4), columns=10)
    with_dropped = draw_contact_sheet(
        WALK[:4], range(4), columns=10, flagged={4: "no_detection", 5: "no_detection"}
    )
    assert read(with_dropped).shape[1] > read(kept).shape[1]


def test_silhouettes_lie_in_their_cells() -> None:
    empty = read(draw_contact_sheet(np.zeros_like(WALK[:1]), [0]))
    full = read(draw_contact_sheet(np.full_like(WALK[:1], 255), [0]))
    # The first cell begins below title and line; a silhouette is dark on its light ground.
    assert empty[60, 30].min() > 200
    assert full[60, 30].max() < 60


def test_cells_and_columns_are_limited() -> None:
    assert read(draw_contact_sheet(WALK, range(30), columns=5, cell_limit=10)).shape[1] < 520


@pytest.mark.parametrize("limit", [9_000, 3_000])
def test_max_bytes_is_kept(limit: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, size=(30, 64, 44), dtype=np.uint8) * 255
    assert len(draw_contact_sheet(noise, range(30))) > limit
    assert len(draw_contact_sheet(noise, range(30), max_bytes=limit)) < limit


def test_a_limit_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit in 50"):
        draw_contact_sheet(WALK, range(30), max_bytes=50)


def test_a_recording_without_frames_still_gives_a_picture() -> None:
    assert read(draw_contact_sheet(WALK[:0], [], title="R1")).size


def test_any_title_and_reason_can_be_drawn() -> None:
    text = "R1\n<script>\x00 日本 🙂 " + "x" * 5_000
    assert read(draw_contact_sheet(WALK, range(30), flagged={0: text}, title=text)).shape[1] < 1_300


@pytest.mark.parametrize(
    ("silhouettes", "indices"),
    [(WALK[0], [0]), (WALK.astype(np.float32), range(30)), (WALK, range(29))],
)
def test_shapes_that_do_not_agree_are_refused(silhouettes: np.ndarray, indices: range) -> None:
    with pytest.raises(ValueError, match="expected"):
        draw_contact_sheet(silhouettes, indices)


@pytest.mark.parametrize("arguments", [{"columns": 0}, {"cell_limit": 0}])
def test_nothing_to_draw_on_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        draw_contact_sheet(WALK, range(30), **arguments)


def test_cohort_sheet_has_a_strip_per_sequence(sequences: pl.DataFrame) -> None:
    heights = [read(draw_cohort_sheet(sequences.head(count))).shape[0] for count in (1, 2, 4)]
    assert heights[1] - heights[0] == 70
    assert heights[2] - heights[1] == 140
    assert read(draw_cohort_sheet(sequences, row_limit=2)).shape[0] == heights[1]


def test_cohort_sheet_keeps_max_bytes(sequences: pl.DataFrame) -> None:
    assert len(draw_cohort_sheet(sequences)) > 4_000
    assert len(draw_cohort_sheet(sequences, max_bytes=4_000)) < 4_000
    with pytest.raises(ValueError, match="does not fit"):
        draw_cohort_sheet(sequences, max_bytes=100)


def test_cohort_sheet_of_nothing_is_refused(sequences: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_cohort_sheet(sequences.head(0))


def test_cohort_sheet_names_a_damaged_sequence(sequences: pl.DataFrame) -> None:
    damaged = sequences.with_columns(pl.lit(b"not zstd").alias("silhouettes"))
    with pytest.raises(IntegrityError, match="R0"):
        draw_cohort_sheet(damaged)


def test_recording_sheet_marks_what_the_ledger_dropped(report_inputs: ReportInputs) -> None:
    batch = report_inputs.extraction_dirs[0]
    ledger = pl.read_parquet(batch / "frames.parquet")
    dropped = ledger.filter((pl.col("status") == "dropped") & (pl.col("reason") != "target_unsure"))
    assert count_red(draw_recording_sheet(batch, dropped["recording_id"][0])) > 0


def test_recording_sheet_of_an_unknown_recording_says_so(report_inputs: ReportInputs) -> None:
    with pytest.raises(InputError, match=re.escape("batch_001/nobody")):
        draw_recording_sheet(report_inputs.extraction_dirs[0], "nobody")
