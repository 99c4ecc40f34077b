"""Cut the restricted pictures of clips out of the videos and write their shards.

Videos are read through the decoding process with its limits. A video that is not the one that was
extracted, or that does not give a frame any more, costs its clips their pictures and nothing else.
"""

import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.dual_view.aligned import AlignedPair
from transforms.dual_view.clips import Pictures
from transforms.dual_view.crops import crop_person
from transforms.dual_view.files import README, README_NAME, RGB_INDEX_NAME
from transforms.dual_view.pairing import FRONT, SIDE, VIEWS, Reject
from transforms.dual_view.rgb_shards import encode_picture, write_rgb_shard
from transforms.extract.decoding.video_frames import VideoFrames
from transforms.files import sha256_file
from transforms.progress import Progress
from transforms.schemas import RGB_INDEX, conform
from transforms.settings import ClipSettings, DecodeSettings
from transforms.shards.parquet import write_table
from transforms.worker_pool import map_in_processes

_PAIRS_PER_SHARD: Final = 8
_Made = tuple[list[dict[str, Any]], list[Reject], list[str]]  # `Any`: rows of a table


class _Unusable(Exception):
    """Why a video gives no pictures."""

    def __init__(self, code: str, message: str, *, is_about_the_moment: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_about_the_moment = is_about_the_moment


@dataclass(frozen=True)
class _View:
    """What is needed of one video: where it lies, and per clip the frames and their boxes."""

    path: Path
    video_sha256: str | None
    frame_index: tuple[NDArray[np.int32], ...]
    boxes: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class _Work:
    """The pictures of one pair."""

    sync_group: str
    clip_ids: tuple[str, ...]
    views: tuple[_View, ...]  # front, side


@dataclass(frozen=True)
class _Task:
    """One shard to be."""

    works: tuple[_Work, ...]
    settings: ClipSettings
    decode: DecodeSettings
    output: Path


def write_pictures(
    aligned: Sequence[AlignedPair],
    video_dirs: Mapping[str, Path],
    settings: ClipSettings,
    decode: DecodeSettings,
    output: Path,
    *,
    progress: Progress,
    worker_count: int = 1,
) -> Pictures:
    """Write the pictures of all clips below `output`, in a folder of their own with its README.

    Args:
        aligned: the pairs, by sync group.
        video_dirs: the folder with a batch's videos, by batch id.
        settings: size and quality.
        decode: what a video may cost.
        output: the directory of the clips.
        progress: advanced once per pair.
        worker_count: processes that may work at a time.
    """
    works = [_plan(found, video_dirs) for found in aligned if found.cut.clips]
    progress.start("cutting pictures", len(works))
    groups = [works[n : n + _PAIRS_PER_SHARD] for n in range(0, len(works), _PAIRS_PER_SHARD)]
    tasks = [_Task(tuple(group), settings, decode, output) for group in groups]
    made: dict[int, _Made] = {}
    for position, result in map_in_processes(_write_shard, tasks, worker_count=worker_count):
        made[position] = result
        progress.advance(len(tasks[position].works))
    (output / README_NAME).parent.mkdir(exist_ok=True)
    (output / README_NAME).write_text(README, encoding="utf-8")
    index = [row for position in sorted(made) for row in made[position][0]]
    schema = pl.DataFrame(RGB_INDEX.empty_table()).schema
    table = conform(pl.DataFrame(index, schema=schema), RGB_INDEX, where=RGB_INDEX_NAME)
    write_table(table, output / RGB_INDEX_NAME)
    rows = {RGB_INDEX_NAME: len(index)}
    for row in index:
        rows[row["shard"]] = rows.get(row["shard"], 0) + 1
    return Pictures(
        rows=rows,
        clip_count=len({row["clip_id"] for row in index}),
        rejects=tuple(one for position in sorted(made) for one in made[position][1]),
        unfinished=tuple(name for position in sorted(made) for name in made[position][2]),
        facts={"libraries": {"opencv": cv2.__version__, "pyarrow": pa.__version__}},
    )


def _plan(found: AlignedPair, video_dirs: Mapping[str, Path]) -> _Work:
    pair = found.pair
    views = []
    for view, member in ((FRONT, pair.front), (SIDE, pair.side)):
        places = [clip.of_view(view) for clip in found.cut.clips]
        views.append(
            _View(
                path=video_dirs[pair.batch_id] / member.file,
                video_sha256=member.video_sha256,
                frame_index=tuple(found.frames[view].frame_index[place] for place in places),
                boxes=tuple(found.boxes[view][place] for place in places),
            )
        )
    return _Work(pair.sync_group, tuple(clip.clip_id for clip in found.cut.clips), tuple(views))


def _write_shard(task: _Task) -> _Made:
    """Write the pictures of some pairs; return the index's rows, rejects, and what to try again."""
    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)  # the workers share the cores already
    rows: list[dict[str, Any]] = []
    rejects: list[Reject] = []
    unfinished: list[str] = []
    for work in task.works:
        try:
            views = [_cut(view, task) for view in work.views]
        except _Unusable as error:
            rejects.append(Reject(work.sync_group, "pictures", error.code, str(error)))
            if error.is_about_the_moment:
                unfinished.append(work.sync_group)
            continue
        for number, clip_id in enumerate(work.clip_ids):
            for view, plan, pictures in zip(VIEWS, work.views, views, strict=True):
                frames = plan.frame_index[number].tolist()
                rows.append(
                    {
                        "clip_id": clip_id,
                        "view": view,
                        "frame_index": frames,
                        "size_px": task.settings.size_px,
                        "pictures": [pictures[frame] for frame in frames],
                    }
                )
    if not rows:
        return [], rejects, unfinished
    shard = write_rgb_shard(rows, task.output)
    index = [
        {"clip_id": row["clip_id"], "view": row["view"], "shard": shard, "row": number}
        for number, row in enumerate(rows)
    ]
    return index, rejects, unfinished


def _cut(view: _View, task: _Task) -> dict[int, bytes]:
    """Return the JPEG picture of each frame that a clip needs, by its index in the video.

    Raises:
        _Unusable: the video is another one, or does not give all of them.
    """
    name = view.path.name
    if not view.path.is_file():
        raise _Unusable("video_missing", f"{name} is not there any more")
    if view.video_sha256 is not None and sha256_file(view.path) != view.video_sha256:
        raise _Unusable("video_changed", f"{name} is not the video that was extracted")
    boxes = {
        int(frame): box
        for frames, of_clip in zip(view.frame_index, view.boxes, strict=True)
        for frame, box in zip(frames, of_clip, strict=True)
    }
    last = max(boxes)
    pictures = {}
    with VideoFrames(view.path, task.decode, cache_bytes=0) as video:
        for frame in video.frames():
            if frame.index in boxes:
                try:
                    square = crop_person(frame.picture, boxes[frame.index], task.settings.size_px)
                except ValueError as error:
                    raise _Unusable("box_outside", f"{name}: {error}") from error
                pictures[frame.index] = encode_picture(square, task.settings.jpeg_quality)
            if frame.index >= last:
                break
        if len(pictures) < len(boxes):
            problem = video.problem
            said = problem.message if problem else "it ended before"
            raise _Unusable(
                problem.code if problem else "frames_missing",
                f"{name} gives {len(pictures)} of {len(boxes)} frames: {said}",
                is_about_the_moment=problem is not None and problem.is_about_the_moment,
            )
    return pictures
