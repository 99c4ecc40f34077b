"""From videos to restricted shards; the videos are some frames of a painted box."""

import dataclasses

import av
import numpy as np
import polars as pl
import pytest

from transforms.dual_view.aligned import AlignedPair
from transforms.dual_view.alignment import Alignment
from transforms.dual_view.cut import Cut
from transforms.dual_view.files import README_NAME, RGB_INDEX_NAME
from transforms.dual_view.pairing import Member, Pair
from transforms.dual_view.pictures import write_pictures
from transforms.dual_view.rgb_shards import RgbClips
from transforms.dual_view.segments import Clip, Frames
from transforms.files import sha256_file
from transforms.progress import NoProgress
from transforms.settings import ClipSettings, DecodeSettings

FRAMES = 12
HEIGHT, WIDTH = 96, 128
SETTINGS = ClipSettings(rgb=True, size_px=32, frames=2)


def box_of(frame):
    return [10.0 + 4 * frame, 16.0, 42.0 + 4 * frame, 80.0]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "videos" / "walk.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for frame in range(FRAMES):
            pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            x0, y0, x1, y1 = (int(value) for value in box_of(frame))
            pixels[y0:y1, x0:x1] = (20 * frame, 200, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode())
    return path


def aligned(video, sha256=None, frames=((1, 4), (6, 9))):
    member = Member("s", "r", None, 25.0, video.name, sha256)
    pair = Pair("g", "p1", "negative", "one", None, member, member)
    index = np.arange(0, 20, dtype=np.int32)
    kept = Frames(index / 25, index, 0.04)
    boxes = np.array([box_of(frame) for frame in index])
    clips = tuple(
        Clip(f"g_c{number:03d}", 0.0, np.array(places), np.array(places))
        for number, places in enumerate(frames)
    )
    return AlignedPair(
        pair=pair,
        cut=Cut(None, Alignment(0.0, "declared", None), clips),
        frames={"front": kept, "side": kept},
        boxes={"front": boxes, "side": boxes},
    )


def write(found, video, output, worker_count=1):
    output.mkdir()
    return write_pictures(
        found,
        {"one": video.parent},
        SETTINGS,
        DecodeSettings(),
        output,
        progress=NoProgress(),
        worker_count=worker_count,
    )


@pytest.mark.slow
def test_each_frame_shows_the_person_of_that_frame(video, tmp_path):
    output = tmp_path / "clips"
    made = write([aligned(video, sha256_file(video))], video, output)
    assert (made.clip_count, made.rejects, made.unfinished) == (2, (), ())
    assert "never part of a release" in (output / README_NAME).read_text()
    rgb = RgbClips(output)
    for clip_id, frames in (("g_c000", (1, 4)), ("g_c001", (6, 9))):
        for view in ("front", "side"):
            pictures = rgb.read(clip_id, view)
            for place, frame in enumerate(frames):
                middle = pictures[place, 8:24, 12:20].reshape(-1, 3).mean(axis=0)
                assert np.abs(middle - (20 * frame, 200, 40)).max() < 14
                assert pictures[place, :, :6].max() < 12  # black beside the person
    assert made.rows[RGB_INDEX_NAME] == 4


@pytest.mark.slow
def test_a_video_that_is_another_gone_or_too_short_costs_only_its_own_clips(video, tmp_path):
    whole = aligned(video, sha256_file(video))
    changed = aligned(video, "0" * 64)
    other = dataclasses.replace(whole.pair.front, file="gone.mp4")
    gone = dataclasses.replace(whole, pair=dataclasses.replace(whole.pair, front=other))
    short = aligned(video, None, frames=((1, 4), (9, 15)))
    outside = dataclasses.replace(
        whole, boxes={view: whole.boxes[view] + 500 for view in ("front", "side")}
    )
    made = write([changed, gone, short, outside, whole], video, tmp_path / "clips")
    assert [reject.reason_code for reject in made.rejects] == [
        "video_changed",
        "video_missing",
        "frames_missing",
        "box_outside",
    ]
    assert "12 frames" not in made.rejects[2].reason
    assert "gives 3 of 4 frames" in made.rejects[2].reason
    assert made.clip_count == 2
    assert pl.read_parquet(tmp_path / "clips" / RGB_INDEX_NAME).height == 4


def test_no_clip_needs_no_video_and_leaves_the_folder_marked(tmp_path):
    made = write([], tmp_path / "videos" / "none.mp4", tmp_path / "clips")
    assert made.clip_count == 0
    assert (tmp_path / "clips" / README_NAME).is_file()
    assert pl.read_parquet(tmp_path / "clips" / RGB_INDEX_NAME).is_empty()
