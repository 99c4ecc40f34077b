"""Dual-view clips as a picture: front above side, column by column the same moment.

Silhouettes only; the pictures of people that a clip may hold besides are never drawn.
"""

from typing import Any, Final

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
from transforms.describe.style import INK, PAPER, bgr, class_colour
from transforms.dual_view.pairing import VIEWS
from transforms.shards.reader import SilhouetteDataset

_MARGIN_PX: Final = 10
_GUTTER_PX: Final = 190
_TITLE_PX: Final = 26
_GAP_PX: Final = 2
_BETWEEN_PX: Final = 10


def draw_clip_sheet(
    clips: pl.DataFrame,
    dataset: SilhouetteDataset,
    *,
    clip_limit: int = 8,
    max_bytes: int | None = None,
) -> bytes:
    """Draw some clips, evenly spread over the table: a row of the front, below it one of the side.

    Args:
        clips: schema `CLIPS`, at least one.
        dataset: the dataset whose frames the clips name.
        clip_limit: the most clips to draw.
        max_bytes: the PNG stays below this; there are fewer clips then.

    Returns:
        PNG bytes.

    Raises:
        ValueError: there is no clip, or `max_bytes` can't be met.
    """
    if clips.is_empty() or clip_limit < 1:
        raise ValueError("a sheet of clips needs at least one")
    while True:
        rows = clips[spread(clips.height, clip_limit)].to_dicts()
        data = encode_png(_assemble([_draw_clip(row, dataset) for row in rows]))
        if max_bytes is None or len(data) < max_bytes:
            return data
        if clip_limit == 1:
            raise ValueError(f"a sheet of {len(data)} bytes does not fit in {max_bytes}")
        clip_limit = max(1, min(clip_limit, len(rows)) // 2)


def _draw_clip(row: dict[str, Any], dataset: SilhouetteDataset) -> Image:
    # `Any`: one row of a table holds values of many types.
    strips = []
    for view in VIEWS:
        places = np.asarray(row[f"{view}_frames"])
        strips.append(_shade(dataset.read(row[f"{view}_sequence_id"])[places]))
    height = sum(strip.shape[0] for strip in strips) + _GAP_PX
    block = blank(height, _GUTTER_PX + strips[0].shape[1], PAPER)
    block[:, :5] = bgr(class_colour(row["label"]))
    gutter = block[:, 5:_GUTTER_PX]
    lines = (
        (str(row["label"]), INK, 13, 700),
        (str(row["clip_id"]), MUTED, 11, 400),
        (f"from {row['start_s']:.2f} s", MUTED, 11, 400),
        (f"offset {row['offset_s']:+.3f} s, {row['offset_source']}", MUTED, 11, 400),
        ("front above, side below", MUTED, 11, 400),
    )
    for number, (text, colour, size, weight) in enumerate(lines):
        write_line(gutter, text, 8, 20 + 19 * number, colour, size=size, weight=weight)
    top = 0
    for strip in strips:
        block[top : top + strip.shape[0], _GUTTER_PX:] = strip
        top += strip.shape[0] + _GAP_PX
    return block


def _shade(silhouettes: NDArray[np.uint8]) -> Image:
    """Return frames side by side, ink on the ground of a cell."""
    frames, height, width = silhouettes.shape
    strip = blank(height, frames * (width + _GAP_PX) - _GAP_PX, PAPER)
    ground = np.array(bgr(GROUND), np.float32)
    ink = np.array(bgr(INK), np.float32)
    for place, frame in enumerate(silhouettes):
        share = frame[..., None].astype(np.float32) / 255.0
        x = place * (width + _GAP_PX)
        strip[:, x : x + width] = (ground + (ink - ground) * share).round().astype(np.uint8)
    return strip


def _assemble(blocks: list[Image]) -> Image:
    width = max(block.shape[1] for block in blocks)
    height = sum(block.shape[0] + _BETWEEN_PX for block in blocks)
    sheet = blank(_TITLE_PX + height, width + 2 * _MARGIN_PX, PAPER)
    title = "dual-view clips: a column is one moment"
    write_line(sheet, title, _MARGIN_PX, 18, INK, size=12, weight=600)
    top = _TITLE_PX
    for block in blocks:
        sheet[top : top + block.shape[0], _MARGIN_PX : _MARGIN_PX + block.shape[1]] = block
        top += block.shape[0] + _BETWEEN_PX
    return sheet
