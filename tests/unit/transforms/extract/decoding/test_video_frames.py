from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from transforms.extract.decoding.pool import DecoderPool
from transforms.extract.decoding.process import DecodeFailure, DecoderProcess
from transforms.extract.decoding.video_frames import VideoFrames
from transforms.settings import DecodeSettings

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
    levels = [frame.picture.colour().mean() for frame in frames]
    assert levels == pytest.approx([20 + 10 * i for i in range(12)], abs=5)
    assert frames[0].picture.colour().shape == (32, 48, 3)
    assert video.frame_shape == (32, 48)


@pytest.mark.parametrize("cache_bytes", [0, 2**20], ids=["decoded again", "kept"])
def test_a_second_pass_gives_the_same_frames(write_video: WriteVideo, cache_bytes: int) -> None:
    video = VideoFrames(write_video(shades(6)), cache_bytes=cache_bytes)
    first, second = list(video.frames()), list(video.frames())
    assert len(first) == 6
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.picture.colour(), b.picture.colour())


def test_passes_may_run_side_by_side(write_video: WriteVideo) -> None:
    video = VideoFrames(write_video(shades(6)), cache_bytes=0)
    pairs = list(zip(video.frames(), video.frames(), strict=True))
    assert len(pairs) == 6
    assert all((a.picture.colour() == b.picture.colour()).all() for a, b in pairs)
    assert video.problem is None


def test_a_pass_that_is_closed_costs_no_later_one(write_video: WriteVideo) -> None:
    video = VideoFrames(write_video(shades(12)))
    open_pass = video.frames()
    next(open_pass)
    video.close()
    assert len(list(open_pass)) < 12
    assert len(list(video.frames())) == 12
    assert video.problem is None


RING = "transforms.extract.decoding.process.RING_BYTES"


@pytest.mark.parametrize("ring_bytes", [2**20, 4096], ids=["decoded ahead", "waiting for a slot"])
def test_one_process_serves_many_videos_whole_or_not(
    write_video: WriteVideo, monkeypatch: pytest.MonkeyPatch, ring_bytes: int
) -> None:
    monkeypatch.setattr(RING, ring_bytes)
    pool = DecoderPool()
    path = write_video(shades(12))
    try:
        pids = set()
        for _ in range(3):
            video = VideoFrames(path, cache_bytes=0, pool=pool)
            assert next(video.frames()).index == 0
            frames = list(video.frames())
            assert [frame.picture.colour()[0, 0, 0] for frame in frames] == pytest.approx(
                [20 + 10 * index for index in range(12)], abs=5
            )
            decoder = pool.take(DecodeSettings().memory_limit_mib)
            pids.add(decoder.pid)
            pool.give_back(decoder)
        assert len(pids) == 1
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("limits", "code", "frame_count"),
    [({"max_frames": 4}, "too_many_frames", 4), ({"max_pixels": 32 * 48 - 1}, "too_large", 0)],
)
def test_videos_over_a_limit_end_there(
    write_video: WriteVideo, limits: dict[str, int], code: str, frame_count: int
) -> None:
    video = VideoFrames(write_video(shades(5)), DecodeSettings(**limits))
    assert len(list(video.frames())) == frame_count
    assert video.problem is not None
    assert video.problem.code == code
    assert not video.problem.is_about_the_moment


@pytest.mark.parametrize("limits", [{"max_frames": 5}, {"max_pixels": 32 * 48}])
def test_videos_at_a_limit_are_whole(write_video: WriteVideo, limits: dict[str, int]) -> None:
    video = VideoFrames(write_video(shades(5)), DecodeSettings(**limits))
    assert len(list(video.frames())) == 5
    assert video.problem is None


def test_the_ring_grows_for_large_frames(
    write_video: WriteVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RING, 4096)
    path = write_video(shades(12))
    with av.open(str(path)) as container:
        expected = [picture.to_ndarray()[:32] for picture in container.decode(video=0)]
    found = [frame.picture.planes[0] for frame in VideoFrames(path, pool=DecoderPool()).frames()]
    assert len(found) == len(expected) == 12
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


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


def test_what_was_cut_short_is_not_read_again_as_if_nothing_had_been(
    write_video: WriteVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = VideoFrames(write_video(shades(12)))
    whole = StreamFailsOnce()
    monkeypatch.setattr(DecoderProcess, "decode", whole.decode(DecoderProcess.decode))
    assert len(list(video.frames())) == 5
    assert video.problem is not None
    assert video.problem.is_about_the_moment
    assert list(video.frames()) == []
    assert video.problem is not None


class StreamFailsOnce:
    """Ends the first pass after five frames, as a time limit does."""

    def __init__(self) -> None:
        self.passes = 0

    def decode(self, real):
        def decode(process, path, settings):
            self.passes += 1
            for frame in real(process, path, settings):
                if self.passes == 1 and frame.index == 5:
                    raise DecodeFailure("decode_timeout", "too slow")
                yield frame

        return decode
