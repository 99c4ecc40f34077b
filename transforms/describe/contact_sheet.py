"""Contact sheets: what the silhouettes of a recording, or of many, look like at a glance.

Drawn with OpenCV alone, because a report holds one per recording; the bytes depend only on the
arguments. Silhouettes are shown dark on light so that the sheets can be printed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.describe.drawing import (
    GROUND,
    MUTED,
    Image,
    blank,
    encode_png,
    spread,
    write_line,
)
from transforms.describe.style import FLAG, INK, PAPER, bgr, class_colour
from transforms.errors import InputError
from transforms.shards.codec import decode_silhouettes

_GAP_PX: Final = 8
_MARGIN_PX: Final = 10
_TITLE_PX: Final = 26
_TIMELINE_PX: Final = 8
_CAPTION_PX: Final = 28
_GUTTER_PX: Final = 176


def draw_contact_sheet(
    silhouettes: NDArray[np.uint8],
    frame_indices: Sequence[int] | NDArray[np.integer[Any]],
    *,
    flagged: Mapping[int, str] | None = None,
    columns: int = 12,
    cell_limit: int = 24,
    title: str = "",
    max_bytes: int | None = None,
) -> bytes:
    """Draw evenly sampled frames of one recording, the flagged ones with a red border.

    A thin line above the cells shows every frame: dark where kept, red where flagged. Where even
    steps would miss a reason altogether, a frame of it takes the place of its nearest neighbour.

    Args:
        silhouettes: `(frame, height, width) uint8` in [0, 255], the frames kept.
        frame_indices: the index in the video of each silhouette, rising.
        flagged: reason by index in the video, for frames that were dropped (they have no
            silhouette and get an empty cell) or kept but doubtful.
        columns: cells in a row.
        cell_limit: the most cells to draw.
        title: one line above the cells, cut where it does not fit.
        max_bytes: the PNG stays below this; cells get smaller, then fewer.

    Returns:
        PNG bytes.

    Raises:
        ValueError: the shapes do not agree, or `max_bytes` can't be met.
    """
    if silhouettes.ndim != 3 or silhouettes.dtype != np.uint8:
        raise ValueError(
            f"expected silhouettes (frame, height, width) uint8, "
            f"found {silhouettes.shape} {silhouettes.dtype}"
        )
    if len(frame_indices) != len(silhouettes):
        raise ValueError(
            f"expected one frame index per silhouette, "
            f"found {len(frame_indices)} for {len(silhouettes)}"
        )
    if columns < 1 or cell_limit < 1:
        raise ValueError("columns and cell_limit must be at least 1")
    reasons = dict(flagged or {})
    positions = {int(index): place for place, index in enumerate(frame_indices)}
    frames = sorted(positions.keys() | reasons.keys())
    while True:
        for scale in (2, 1):
            shown = _choose_frames(frames, reasons, cell_limit)
            cells = [
                _draw_cell(
                    silhouettes[positions[frame]] if frame in positions else None,
                    silhouettes.shape[1:],
                    scale,
                    frame,
                    reasons.get(frame),
                )
                for frame in shown
            ]
            line = np.array([frame in reasons for frame in frames], dtype=np.uint8)
            data = encode_png(_assemble(cells, columns, title, line))
            if max_bytes is None or len(data) < max_bytes:
                return data
        if cell_limit == 1:
            raise ValueError(f"a contact sheet of {len(data)} bytes does not fit in {max_bytes}")
        cell_limit = max(1, min(cell_limit, len(frames)) // 2)


def draw_recording_sheet(
    extraction_dir: Path, recording_id: str, *, max_bytes: int | None = None
) -> bytes:
    """Draw the contact sheet of one recording of an extracted batch, from its tables.

    Args:
        extraction_dir: the published output of extraction for one batch.
        recording_id: which recording; it must have become a sequence.
        max_bytes: the PNG stays below this.

    Returns:
        PNG bytes.

    Raises:
        InputError: the batch has no sequence of that recording.
    """
    is_this = pl.col("recording_id") == recording_id
    rows = pl.scan_parquet(extraction_dir / "sequences.parquet").filter(is_this).collect()
    if rows.is_empty():
        raise InputError(
            "no sequence of this recording",
            where=f"{extraction_dir.name}/{recording_id}",
            fix="see recordings.parquet for what became of it",
        )
    sequence = rows.row(0, named=True)
    ledger = pl.scan_parquet(extraction_dir / "frames.parquet").filter(is_this).collect()
    dropped = ledger.filter(pl.col("status") != "kept").select(
        "frame_index", pl.col("reason").fill_null("no reason given")
    )
    title = (
        f"{recording_id}, {sequence['label']}, {sequence['view']}: "
        f"{sequence['frame_count']} of {ledger.height} frames kept"
    )
    return draw_contact_sheet(
        _decode(sequence),
        sequence["frame_index"],
        flagged={int(frame): str(reason) for frame, reason in dropped.iter_rows()},
        title=title,
        max_bytes=max_bytes,
    )


def draw_cohort_sheet(
    sequences: pl.DataFrame,
    *,
    cells: int = 16,
    row_limit: int = 24,
    title: str = "",
    max_bytes: int | None = None,
) -> bytes:
    """Draw one strip of evenly sampled silhouettes per sequence beside its class-coloured label.

    Args:
        sequences: rows of `transforms.schemas.SEQUENCES`, drawn in their order.
        cells: silhouettes in a strip.
        row_limit: the most strips; of more, evenly spread ones are drawn.
        title: one line above the strips, cut where it does not fit.
        max_bytes: the PNG stays below this; strips get shorter, then fewer.

    Returns:
        PNG bytes.

    Raises:
        ValueError: there is no sequence, or `max_bytes` can't be met.
    """
    if sequences.is_empty() or cells < 1 or row_limit < 1:
        raise ValueError("a cohort sheet needs at least one strip of at least one cell")
    rows = sequences[spread(sequences.height, row_limit)].to_dicts()
    strips = [_Strip(row["sequence_id"], row["label"], _decode(row)) for row in rows]
    while True:
        data = encode_png(_assemble_strips(strips, cells, title))
        if max_bytes is None or len(data) < max_bytes:
            return data
        if cells > 4:
            cells = max(4, cells * 3 // 4)
        elif len(strips) > 1:
            strips = [strips[place] for place in spread(len(strips), len(strips) // 2)]
        else:
            raise ValueError(f"a cohort sheet of {len(data)} bytes does not fit in {max_bytes}")


@dataclass(frozen=True)
class _Strip:
    name: str
    label: str
    silhouettes: NDArray[np.uint8]  # (frame, height, width) in [0, 255]


def _decode(sequence: Mapping[str, Any]) -> NDArray[np.uint8]:
    # `Any`: one row of a table holds values of many types.
    return decode_silhouettes(
        sequence["silhouettes"],
        sequence["codec"],
        (sequence["frame_count"], sequence["height_px"], sequence["width_px"]),
        where=sequence["sequence_id"],
    )


def _choose_frames(frames: Sequence[int], reasons: Mapping[int, str], limit: int) -> list[int]:
    """Return evenly spread frames, among them the middle one of every reason that has room."""
    shown = [frames[place] for place in spread(len(frames), limit)]
    for reason, _ in Counter(reasons.values()).most_common(limit // 4):
        if any(reasons.get(frame) == reason for frame in shown):
            continue
        of_reason = sorted(frame for frame in reasons if reasons[frame] == reason)
        wanted = of_reason[len(of_reason) // 2]
        plain = [frame for frame in shown if frame not in reasons]
        if plain:
            shown.remove(min(plain, key=lambda frame: abs(frame - wanted)))
            shown.append(wanted)
    return sorted(shown)


def _shade(silhouette: NDArray[np.uint8], scale: int) -> Image:
    """Return a silhouette as ink on the cell's ground, enlarged without smoothing."""
    share = silhouette[..., None].astype(np.float32) / 255.0
    ground = np.array(bgr(GROUND), dtype=np.float32)
    ink = np.array(bgr(INK), dtype=np.float32)
    image = (ground + (ink - ground) * share).round().astype(np.uint8)
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def _draw_cell(
    silhouette: NDArray[np.uint8] | None,
    shape: tuple[int, ...],
    scale: int,
    frame: int,
    reason: str | None,
) -> Image:
    height, width = shape[0] * scale, shape[1] * scale
    cell = blank(height + _CAPTION_PX, width, PAPER)
    if silhouette is not None:
        cell[:height] = _shade(silhouette, scale)
    else:
        cell[:height] = bgr(GROUND)
        for start in range(-height, width, 12):
            cv2.line(cell[:height], (start, height), (start + height, 0), bgr("#d3d9df"), 1)
    if reason is not None:
        cv2.rectangle(cell, (0, 0), (width - 1, height - 1), bgr(FLAG), 2)
        write_line(cell, reason.replace("_", " "), 0, height + 24, FLAG, size=9, weight=500)
    write_line(
        cell, str(frame), 0, height + 12, FLAG if reason is not None else MUTED, size=10, weight=400
    )
    return cell


def _assemble(cells: list[Image], columns: int, title: str, line: NDArray[np.uint8]) -> Image:
    if not cells:
        sheet = blank(_TITLE_PX * 2 + _MARGIN_PX, 420, PAPER)
        write_line(sheet, title, _MARGIN_PX, 18, INK, size=12, weight=600)
        write_line(sheet, "no frames", _MARGIN_PX, 44, MUTED, size=12, weight=400)
        return sheet
    cell_height, cell_width = cells[0].shape[:2]
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    inner = columns * (cell_width + _GAP_PX) - _GAP_PX
    top = _TITLE_PX + _TIMELINE_PX + _GAP_PX
    sheet = blank(top + rows * (cell_height + _GAP_PX), max(inner, 320) + 2 * _MARGIN_PX, PAPER)
    write_line(sheet, title, _MARGIN_PX, 18, INK, size=12, weight=600)
    # One column of pixels per stretch of frames: red where any of the stretch is flagged.
    starts = np.arange(inner) * len(line) // inner
    is_flagged = np.maximum.reduceat(line, starts)
    colours = np.array([bgr("#9aa4ae"), bgr(FLAG)], dtype=np.uint8)
    sheet[_TITLE_PX : _TITLE_PX + _TIMELINE_PX, _MARGIN_PX : _MARGIN_PX + inner] = colours[
        is_flagged
    ]
    for place, cell in enumerate(cells):
        y = top + (place // columns) * (cell_height + _GAP_PX)
        x = _MARGIN_PX + (place % columns) * (cell_width + _GAP_PX)
        sheet[y : y + cell_height, x : x + cell_width] = cell
    return sheet


def _assemble_strips(strips: list[_Strip], cells: int, title: str) -> Image:
    height = max(strip.silhouettes.shape[1] for strip in strips)
    width = max(strip.silhouettes.shape[2] for strip in strips)
    pitch = height + 6
    sheet = blank(
        _TITLE_PX + len(strips) * pitch + 4,
        2 * _MARGIN_PX + _GUTTER_PX + cells * (width + 2) - 2,
        PAPER,
    )
    write_line(sheet, title, _MARGIN_PX, 18, INK, size=12, weight=600)
    for row, strip in enumerate(strips):
        y = _TITLE_PX + row * pitch
        sheet[y : y + height, _MARGIN_PX : _MARGIN_PX + 5] = bgr(class_colour(strip.label))
        gutter = sheet[y : y + height, _MARGIN_PX + 5 : _GUTTER_PX]
        write_line(gutter, strip.label, 8, 26, INK, size=13, weight=700)
        write_line(gutter, strip.name, 8, 44, MUTED, size=11, weight=400)
        for column, place in enumerate(spread(len(strip.silhouettes), cells)):
            x = _MARGIN_PX + _GUTTER_PX + column * (width + 2)
            picture = _shade(strip.silhouettes[place], 1)
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet
