"""JPEG or H.264 for the pictures of dual-view clips: bytes, time to read one clip, likeness.

    python benchmarks/dual_view_pictures.py WORKSPACE --size 128 --clips 26

Cuts some clips of a workspace whose `dual_view_clips` are built, holds them in memory and encodes
them both ways, with one thread.
"""

import argparse
import hashlib
import io
import time
from pathlib import Path

import av
import cv2
import numpy as np
import polars as pl

from transforms.dual_view.crops import crop_person
from transforms.dual_view.pairing import VIEWS
from transforms.dual_view.rgb_shards import encode_picture
from transforms.extract.decoding.video_frames import VideoFrames
from transforms.shards.ledgers import read_ledgers

_FRAMES_PER_S = 8


def cut(workspace: Path, size_px: int, count: int) -> list[list[np.ndarray]]:
    """Return one list of pictures per clip and view."""
    clips = pl.read_parquet(workspace / "data/clips/clips.parquet")
    ledger = read_ledgers(workspace / "data/shards")
    found = []
    for clip in clips[:: max(1, clips.height // count)].iter_rows(named=True):
        for view in VIEWS:
            name = clip[f"{view}_sequence_id"]
            rows = ledger.filter(pl.col("recording_id") == name).select(
                "frame_index", "x0", "y0", "x1", "y1"
            )
            boxes = {row[0]: np.array(row[1:], float) for row in rows.drop_nulls().iter_rows()}
            wanted = set(clip[f"{view}_frame_index"])
            (path,) = workspace.glob(f"raw/*/videos/{name}.mp4")
            with VideoFrames(path, cache_bytes=0) as video:
                found.append(
                    [
                        crop_person(frame.picture, boxes[frame.index], size_px)
                        for frame in video.frames()
                        if frame.index in wanted
                    ]
                )
    return found


def encode_h264(pictures: list[np.ndarray], crf: int) -> bytes:
    """Return an MP4 file of one clip."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as container:
        options = {"crf": str(crf), "preset": "medium", "threads": "1"}
        stream = container.add_stream("libx264", rate=_FRAMES_PER_S, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return sink.getvalue()


def decode_h264(data: bytes) -> list[np.ndarray]:
    """Return the pictures of an MP4 file."""
    with av.open(io.BytesIO(data)) as container:
        container.streams.video[0].thread_count = 1
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def measure(name, clips, encode, decode) -> None:
    """Print one line."""
    frames = sum(len(clip) for clip in clips)
    began = time.process_time()
    stored = [encode(clip) for clip in clips]
    encode_s = time.process_time() - began
    began = time.process_time()
    decoded = [decode(data) for data in stored]
    decode_s = time.process_time() - began
    again = hashlib.sha256(repr([encode(clip) for clip in clips]).encode()).digest()
    is_same = hashlib.sha256(repr(stored).encode()).digest() == again
    size = sum(
        len(part) for data in stored for part in (data if isinstance(data, list) else [data])
    )
    errors = [
        np.mean((np.stack(a).astype(float) - np.stack(b)) ** 2)
        for a, b in zip(clips, decoded, strict=True)
    ]
    likeness = 10 * np.log10(255**2 / np.mean(errors))
    print(
        f"{name:12} {size / frames:7.0f} bytes a frame, encode {encode_s / frames * 1e3:5.2f} ms a "
        f"frame, read a clip's view {decode_s / len(clips) * 1e3:5.2f} ms, PSNR {likeness:.1f} dB, "
        f"same bytes again: {is_same}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--clips", type=int, default=26)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = cut(options.workspace, options.size, options.clips)
    print(f"{len(clips)} views of clips of {len(clips[0])} frames, {options.size} px")
    for quality in (90, 95):
        measure(
            f"JPEG {quality}",
            clips,
            lambda clip, quality=quality: [encode_picture(one, quality) for one in clip],
            lambda data: [cv2.imdecode(np.frombuffer(one, np.uint8), 1) for one in data],
        )
    for crf in (12, 18, 23):
        measure(
            f"H.264 crf {crf}", clips, lambda clip, crf=crf: encode_h264(clip, crf), decode_h264
        )


if __name__ == "__main__":
    main()
