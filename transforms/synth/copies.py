"""Copies of recordings under other ids, as the audit must find them: planted, with the truth.

A copy is made as careless hands make one: mirrored, trimmed, at another speed, with frames missing,
encoded again, cropped again, or two of these. Nothing here looks for copies.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.extract.normalisation.normalise import normalise_frame
from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    FRAMES,
    MASKS,
    PARTICIPANTS,
    PROBLEMS,
    RECORDINGS,
    SEQUENCES,
    TRACKS,
    conform,
)
from transforms.shards.codec import GREY, binarise, decode_silhouettes, encode_silhouettes
from transforms.shards.parquet import encode_shard, read_table, write_table
from transforms.synth.draws import draw_between, generator_for

MIN_COPY_FRAMES: Final = 25
"""No copy is shorter, nor is the part of its source that it shows."""
_COMPRESSION_LEVEL: Final = 3
_VIDEO_SCALE: Final = 3
_MARGIN_PX: Final = 8  # room for a figure of 64 px at 1.06 of its size that is moved by 3

Silhouettes = NDArray[np.uint8]  # (frame, height, width)
_Times = Callable[[int, np.random.Generator], NDArray[np.int64]]
_Pixels = Callable[[Silhouettes, np.random.Generator], Silhouettes]


def _trim(frame_count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Keep a part, short ones as likely as long ones."""
    longest = max(MIN_COPY_FRAMES, round(0.8 * frame_count))
    length = round(float(np.exp(rng.uniform(np.log(MIN_COPY_FRAMES), np.log(longest)))))
    start = int(rng.integers(frame_count - length + 1))
    return np.arange(start, start + length)


def _retime(frame_count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Take every frame at 0.5 to 2 times the speed, repeating or leaving out frames."""
    fastest = max(min(2.0, frame_count / MIN_COPY_FRAMES), 1.0)
    rate = float(np.exp(rng.uniform(np.log(0.5), np.log(fastest))))
    times = np.rint(np.arange(0.0, frame_count - 1, rate)).astype(np.int64)
    return times if times.size >= MIN_COPY_FRAMES else np.arange(frame_count)


def _thin(frame_count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Leave out up to 0.3 of the frames here and there, and up to 15 in a row."""
    spare = max(frame_count - MIN_COPY_FRAMES, 0)
    is_kept = rng.random(frame_count) >= draw_between(rng, 0.05, 0.3)
    burst = int(rng.integers(1, 16))
    start = int(rng.integers(max(frame_count - burst, 1)))
    is_kept[start : start + burst] = False
    gone = np.flatnonzero(~is_kept)
    is_kept[gone[spare:]] = True
    return np.flatnonzero(is_kept)


def _mirror(frames: Silhouettes, rng: np.random.Generator) -> Silhouettes:
    return _normalise(frames[:, :, ::-1])


def _reencode(frames: Silhouettes, rng: np.random.Generator) -> Silhouettes:
    """Blur, disturb the outline of every frame on its own, take another threshold, normalise."""
    sigma, level = draw_between(rng, 0.2, 0.6), draw_between(rng, 0.42, 0.58)
    strength = draw_between(rng, 0.05, 0.2)
    masks = []
    for mask in _enlarge(frames):
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma * _VIDEO_SCALE)
        grain = rng.standard_normal(mask.shape, dtype=np.float32)
        # White noise blurred by s has a deviation of 1 / (2 s sqrt(pi)): here about 1 again.
        grain = cv2.GaussianBlur(grain, (0, 0), _VIDEO_SCALE) * (2 * _VIDEO_SCALE * np.sqrt(np.pi))
        disturbed = soft + strength * grain * 4 * soft * (1 - soft)
        masks.append(np.where(disturbed >= level, 255, 0).astype(np.uint8))
    return _normalise(np.stack(masks))


def _recrop(frames: Silhouettes, rng: np.random.Generator) -> Silhouettes:
    """Scale and move the figures by a few pixels and normalise them again."""
    scale = draw_between(rng, 0.94, 1.06)
    masks = _enlarge(frames)
    height, width = masks.shape[1:]
    x, y = (1 - scale) / 2 * np.array([width, height]) + _VIDEO_SCALE * rng.uniform(-3, 3, 2)
    place = np.array([[scale, 0, x], [0, scale, y]])
    return _normalise(
        binarise(np.stack([cv2.warpAffine(mask, place, (width, height)) for mask in masks]))
    )


def _enlarge(frames: Silhouettes) -> Silhouettes:
    """Return binary masks, larger and with a margin: what befalls a video befalls it there."""
    margin = ((0, 0), (_MARGIN_PX, _MARGIN_PX), (_MARGIN_PX, _MARGIN_PX))
    return binarise(
        np.stack(
            [
                cv2.resize(
                    frame, None, fx=_VIDEO_SCALE, fy=_VIDEO_SCALE, interpolation=cv2.INTER_LINEAR
                )
                for frame in np.pad(binarise(frames), margin)
            ]
        ).astype(np.uint8)
    )


_TIMES: Final[dict[str, _Times]] = {"trimmed": _trim, "retimed": _retime, "thinned": _thin}
_PIXELS: Final[dict[str, _Pixels]] = {
    "mirrored": _mirror,
    "reencoded": _reencode,
    "recropped": _recrop,
}
SINGLE_KINDS: Final = ("identical", *_TIMES, *_PIXELS)
COPY_KINDS: Final = (
    *SINGLE_KINDS,
    *("+".join(pair) for pair in itertools.combinations([*_TIMES, *_PIXELS], 2)),
)


def make_copy(silhouettes: Silhouettes, kind: str, rng: np.random.Generator) -> Silhouettes:
    """Return a copy of `(frame, 64, 64)` uint8 silhouettes, of one of `COPY_KINDS`.

    What happens to the time happens first. Of a sequence of `MIN_COPY_FRAMES` or fewer frames the
    time is left as it is.
    """
    frames, changes = silhouettes, kind.split("+")
    for change in changes:
        if change in _TIMES and len(frames) > MIN_COPY_FRAMES:
            frames = frames[_TIMES[change](len(frames), rng)]
    for change in changes:
        if change in _PIXELS:
            frames = _PIXELS[change](frames, rng)
    return np.ascontiguousarray(frames)


def write_copies_batch(
    source: Path,
    kinds: Sequence[str],
    output: Path,
    *,
    count_per_kind: int,
    seed: int,
    prefix: str = "copies",
) -> pl.DataFrame:
    """Write a batch of copies of another batch's sequences, each under a participant of its own.

    Args:
        source: a batch as `write_silhouette_batch` leaves it.
        kinds: of `COPY_KINDS`.
        output: a new folder; gets `intake` and `extraction`.
        count_per_kind: copies of each kind, of sequences drawn without repetition within a kind.
        seed: the bytes follow from it, the source and the kinds.
        prefix: of the copies' ids, and the id of their batch.

    Returns:
        The truth: sequence_id of the copy, source_id, kind; sorted.
    """
    sequences = pl.DataFrame(read_table(source / "extraction" / "sequences.parquet", SEQUENCES))
    copies: list[dict[str, object]] = []
    truth: list[dict[str, str]] = []
    for kind in kinds:
        rng = generator_for(seed, "copies", kind)
        for row in rng.choice(sequences.height, count_per_kind, replace=False).tolist():
            original = sequences.row(row, named=True)
            copy = _copy_row(original, kind, prefix, len(copies), rng)
            copies.append(copy)
            truth.append(
                {
                    "sequence_id": str(copy["sequence_id"]),
                    "source_id": original["sequence_id"],
                    "kind": kind,
                }
            )
    _write_batch(pl.DataFrame(copies, schema=sequences.schema), output)
    return pl.DataFrame(truth).sort("sequence_id")


def _copy_row(
    original: dict[str, object], kind: str, prefix: str, number: int, rng: np.random.Generator
) -> dict[str, object]:
    shape = tuple(int(str(original[name])) for name in ("frame_count", "height_px", "width_px"))
    data = original["silhouettes"]
    assert isinstance(data, bytes)  # the table's schema says so
    frames = decode_silhouettes(data, str(original["codec"]), (shape[0], shape[1], shape[2]))
    copy = make_copy(frames, kind, rng)
    name = f"{prefix}{number:05d}"
    return original | {
        "sequence_id": name,
        "recording_id": name,
        "participant_id": f"p{name}",
        "batch_id": prefix,
        "session": "s1",
        "frame_count": len(copy),
        "height_px": copy.shape[1],
        "width_px": copy.shape[2],
        "codec": GREY,
        "frame_index": list(range(len(copy))),
        "pts_s": (np.arange(len(copy)) / float(str(original["fps"]))).tolist(),
        "silhouettes": encode_silhouettes(copy, GREY, _COMPRESSION_LEVEL),
    }


def _normalise(masks: Silhouettes) -> Silhouettes:
    return np.stack([normalise_frame(np.ascontiguousarray(mask))[0] for mask in masks])


def _write_batch(copies: pl.DataFrame, output: Path) -> None:
    """Write the tables that intake and extraction would have left for these sequences."""
    names = {"intake": (), "extraction": ()}
    for folder in names:
        (output / folder).mkdir(parents=True)
    lengths = copies["frame_count"].to_numpy()
    index = np.concatenate([np.arange(length) for length in lengths]).astype(np.int32)
    tables = {
        "intake/participants": _fill(copies.select("participant_id", "label"), PARTICIPANTS),
        "intake/recordings": _fill(
            copies.select(
                *("recording_id", "batch_id", "participant_id", "label", "view", "session"),
                *("fps", "frame_count"),
                file=pl.col("recording_id") + ".mp4",
                verdict=pl.lit("accepted"),
            ),
            RECORDINGS,
        ),
        "intake/problems": PROBLEMS.empty_table(),
        "extraction/recordings": _fill(
            copies.select(
                *("recording_id", "participant_id", "frame_count", "extraction_key"),
                kept_frame_count=pl.col("frame_count"),
                verdict=pl.lit("accepted"),
            ),
            EXTRACTED_RECORDINGS,
        ),
        "extraction/frames": _fill(
            pl.DataFrame(
                {
                    "recording_id": np.repeat(copies["recording_id"].to_list(), lengths),
                    "frame_index": index,
                    "pts_s": index / np.repeat(copies["fps"].to_numpy(), lengths),
                    "status": "kept",
                    "sequence_index": index,
                }
            ),
            FRAMES,
        ),
        "extraction/tracks": TRACKS.empty_table(),
        "extraction/masks": MASKS.empty_table(),
    }
    for name, table in tables.items():
        write_table(table, output / f"{name}.parquet")
    shard = encode_shard(conform(copies, SEQUENCES, where="copies"))
    (output / "extraction" / "sequences.parquet").write_bytes(shard)


def _fill(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Return the rows as a table of `schema`; columns they lack are null."""
    missing = [name for name in schema.names if name not in rows.columns]
    return conform(
        rows.with_columns(pl.lit(None).alias(name) for name in missing), schema, where="copies"
    )
