from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from transforms.extract.decode import VideoFrames, _upright

WriteVideo = Callable[..., Path]


def shades(count: int) -> list[np.ndarray]:
    return [np.full((32, 48, 3), 20 + 10 * index, np.uint8) for index in range(count)]


def test_frames_come_in_order_with_their_times(write_video: WriteVideo) -> None:
    video = VideoFrames(write_video(shades(12), rate=10))
    frames = list(video.frames())
    assert video.problem is None
    assert video.fps == 10
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.pts_s for frame in frames] == pytest.approx([i / 10 for i in range(12)])
    levels = [frame.image.mean() for frame in frames]
    assert levels == pytest.approx([20 + 10 * i for i in range(12)], abs=5)
    assert frames[0].image.shape == (32, 48, 3)


@pytest.mark.parametrize("cache_bytes", [0, 2**20], ids=["decoded again", "kept"])
def test_a_second_pass_gives_the_same_frames(write_video: WriteVideo, cache_bytes: int) -> None:
    video = VideoFrames(write_video(shades(6)), cache_bytes=cache_bytes)
    first, second = list(video.frames()), list(video.frames())
    assert len(first) == 6
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.image, b.image)


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        (0, [[1, 2], [3, 4]]),
        (90, [[2, 4], [1, 3]]),
        (180, [[4, 3], [2, 1]]),
        (-90, [[3, 1], [4, 2]]),
    ],
)
def test_rotation_metadata_is_applied_anticlockwise(
    rotation: int, expected: list[list[int]]
) -> None:
    image = np.repeat(np.array([[1, 2], [3, 4]], np.uint8)[:, :, None], 3, axis=2)
    picture = SimpleNamespace(rotation=rotation)
    decoded = SimpleNamespace(to_ndarray=lambda: image)
    reformatter = SimpleNamespace(reformat=lambda picture, format: decoded)
    assert _upright(picture, reformatter)[:, :, 0].tolist() == expected


def test_an_audio_file_has_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    video = VideoFrames(path)
    assert list(video.frames()) == []
    assert video.problem is not None
    assert video.problem.code == "no_video_stream"


@pytest.mark.parametrize(
    "content",
    [b"", b"not a video\n" * 50, b"\x00" * 5000],
    ids=["zero bytes", "text", "zeros"],
)
def test_what_is_no_video_is_a_problem_and_no_exception(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    video = VideoFrames(path)
    assert list(video.frames()) == []
    assert video.problem is not None
    assert video.problem.code == "unreadable"
    assert str(tmp_path) not in video.problem.message


@pytest.mark.parametrize(
    "template",
    ["#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n", "ffconcat version 1.0\nfile '{}'\n"],
    ids=["hls", "concat"],
)
def test_a_playlist_in_disguise_opens_nothing_else(
    tmp_path: Path, write_video: WriteVideo, template: str
) -> None:
    other = write_video(shades(5), "other.mp4")
    path = tmp_path / "playlist.mp4"
    path.write_text(template.format(other))
    video = VideoFrames(path)
    assert list(video.frames()) == []
    assert video.problem is not None


def test_a_video_cut_off_behind_its_index_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(40):
            image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    video = VideoFrames(path)
    decoded = list(video.frames())
    assert 0 < len(decoded) < 40
    assert video.problem is not None
    assert video.problem.code in {"truncated", "decode_error", "corrupt_frames"}
