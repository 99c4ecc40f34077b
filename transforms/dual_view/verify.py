"""Hold a directory of clips against the dataset it was made from, and its pictures against both."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from transforms.dual_view.files import (
    CLIPS_NAME,
    PAIRS_NAME,
    REJECTS_NAME,
    RESTRICTED_FOLDER,
)
from transforms.dual_view.pairing import VIEWS
from transforms.errors import GaitworksError
from transforms.manifest import list_files, read_manifest
from transforms.release.pictures import find_pictures
from transforms.schemas import CLIP_PAIRS, CLIP_REJECTS, CLIPS, SEQUENCE_INDEX
from transforms.shards.parquet import read_table


def find_broken_clips(directory: Path, dataset_dir: Path) -> list[str]:
    """Return everything that is wrong with a published directory of clips.

    Every clip names frames that its two sequences have, of one participant and one walk, from the
    view that it says; pictures lie in the restricted folder only, and the manifest says so.
    """
    try:
        clips = pl.DataFrame(read_table(directory / CLIPS_NAME, CLIPS))
        read_table(directory / PAIRS_NAME, CLIP_PAIRS)
        read_table(directory / REJECTS_NAME, CLIP_REJECTS)
        index = pl.DataFrame(read_table(dataset_dir / "index.parquet", SEQUENCE_INDEX))
        is_marked = bool(read_manifest(directory)["facts"].get("restricted"))
    except GaitworksError as error:
        return [str(error)]
    return [*_judge_clips(clips, index), *_judge_pictures(directory, is_marked=is_marked)]


def _judge_clips(clips: pl.DataFrame, index: pl.DataFrame) -> Iterator[str]:
    twice = clips.filter(pl.col("clip_id").is_duplicated())["clip_id"].unique().sort()
    yield from (f"{clip_id}: listed twice" for clip_id in twice)
    sequences = {row["sequence_id"]: row for row in index.iter_rows(named=True)}
    for clip in clips.iter_rows(named=True):
        lengths = {len(clip[f"{view}_frames"]) for view in VIEWS}
        lengths |= {len(clip[f"{view}_frame_index"]) for view in VIEWS}
        if len(lengths) != 1:
            yield f"{clip['clip_id']}: one view has more frames than the other"
        for view in VIEWS:
            sequence = sequences.get(clip[f"{view}_sequence_id"])
            if sequence is None:
                yield f"{clip['clip_id']}: its {view} sequence is not in the dataset"
                continue
            names = ("participant_id", "label", "sync_group")
            expected = tuple(sequence[name] for name in names)
            if (*(clip[name] for name in names), view) != (*expected, sequence["view"]):
                yield f"{clip['clip_id']}: its {view} sequence is of somebody or something else"
            frames = clip[f"{view}_frames"]
            is_inside = all(0 <= frame < sequence["frame_count"] for frame in frames)
            if not is_inside or frames != sorted(frames):
                yield f"{clip['clip_id']}: frames of the {view} that the sequence has not"


def _judge_pictures(directory: Path, *, is_marked: bool) -> Iterator[str]:
    inside = f"{RESTRICTED_FOLDER}/"
    yield from (one for one in find_pictures(directory) if not one.startswith(inside))
    names = [path.relative_to(directory).as_posix() for path in list_files(directory)]
    has_folder = any(name.startswith(inside) for name in names)
    if has_folder != is_marked:
        yield (
            f"{RESTRICTED_FOLDER}: {'there' if has_folder else 'not there'}, but the manifest says "
            f"restricted: {str(is_marked).lower()}"
        )
