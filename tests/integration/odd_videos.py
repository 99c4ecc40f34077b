"""A folder of odd, broken and hostile videos, made the same way every time.

Each case says what the decoder may make of it. The sound ones show one scene, so that its pixels
can be compared whatever the codec.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES = 240, 180, 48
BOMB_PX: Final = 16_000
WHOLE: Final = None
"""The verdict of a video that is read to its end with nothing wrong."""

_SKY, _FLOOR, _PERSON = (200, 150, 90), (60, 90, 70), (40, 40, 210)  # BGR
_NOT_OPENED: Final = frozenset({"unreadable"})
_DAMAGED: Final = frozenset(
    {WHOLE, "truncated", "decode_error", "corrupt_frames", "no_frames", "unreadable"}
)


@dataclass(frozen=True)
class OddVideo:
    """One file.

    Attributes:
        file: its name in the folder.
        verdicts: what may be said of it: codes of problems, `WHOLE` for none.
        shows: the scene as it must appear, for files that are sound; None: not compared.
    """

    file: str
    verdicts: frozenset[str | None]
    shows: Callable[[int], NDArray[np.uint8]] | None = None


@cache
def scene(index: int) -> NDArray[np.uint8]:
    """Return frame `index`: sky, floor and somebody who walks to the right, (180, 240, 3) BGR."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:120], image[120:] = _SKY, _FLOOR
    left = 10 + 4 * index
    image[60:140, left : left + 20] = _PERSON
    image[44:60, left + 4 : left + 16] = (150, 180, 220)
    return image


def write_odd_videos(folder: Path, outside: Path) -> list[OddVideo]:
    """Write all cases into `folder`; `outside` holds what some of them point at."""
    with _usual_priority():
        secret = write_scene(outside / "secret.mp4")
        return [
            *_write_sound(folder),
            *_write_displayed_otherwise(folder),
            *_write_truncated(folder),
            *_write_flipped(folder),
            *_write_strange_contents(folder),
            *_write_false_claims(folder),
            *_write_no_videos(folder, secret),
            *_write_no_files(folder, secret),
        ]


@contextmanager
def _usual_priority() -> Iterator[None]:
    """Take back what the AV1 encoder does where it runs as root: it makes its caller real-time.

    So would be whatever that starts later, and other tests would get what it leaves them.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def write_scene(
    path: Path,
    codec: str = "libx264",
    *,
    pixels: str = "yuv420p",
    images: Iterable[NDArray[np.uint8]] | None = None,
    prepare: Callable[[Any], None] = lambda stream: None,
    times: Callable[[int], int] = lambda index: 4 * index,
    movflags: str = "",
    **options: str,
) -> Path:
    """Encode the scene, or other images of one size; times are in hundredths of a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = {"fflags": "+bitexact"} | ({"movflags": movflags} if movflags else {})
    pictures = list(images or map(scene, range(FRAMES)))
    if codec == "libx264":
        # Its macroblock tree gives other bytes at times; see transforms.synth.video.
        options = {"x264-params": "mbtree=0"} | options
    with av.open(str(path), "w", options=flags) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1
        if times(1) != 4:
            stream.codec_context.time_base = Fraction(1, 100)
        prepare(stream)
        for index, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = times(index), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _write_sound(folder: Path) -> list[OddVideo]:
    quiet = {"x265-params": "log-level=none:pools=1:frame-threads=1"}
    kinds: list[tuple[str, str, str, dict[str, str]]] = [
        ("h264.mp4", "libx264", "yuv420p", {}),
        ("h264_444.mkv", "libx264", "yuv444p", {}),
        ("h264_ten_bits.mp4", "libx264", "yuv420p10le", {}),
        ("hevc.mp4", "libx265", "yuv420p", quiet),
        ("hevc_ten_bits.mkv", "libx265", "yuv420p10le", quiet),
        ("vp8.webm", "libvpx", "yuv420p", {"crf": "10", "b": "2M"}),
        ("vp9.webm", "libvpx-vp9", "yuv420p", {"crf": "20", "b": "0", "deadline": "realtime"}),
        ("av1.mp4", "libsvtav1", "yuv420p", {"preset": "12", "crf": "25"}),
        ("mjpeg.avi", "mjpeg", "yuvj420p", {"qmin": "2", "qmax": "4"}),
        ("mpeg4.avi", "mpeg4", "yuv420p", {"qmin": "2", "qmax": "4"}),
        ("mpeg2.ts", "mpeg2video", "yuv420p", {"qmin": "2", "qmax": "4"}),
        ("sorenson.flv", "flv", "yuv420p", {"qmin": "2", "qmax": "4"}),
        ("wmv2.asf", "wmv2", "yuv420p", {"qmin": "2", "qmax": "4"}),
        ("ffv1.mkv", "ffv1", "yuv420p", {}),
        ("prores.mov", "prores_ks", "yuv422p10le", {}),
    ]
    videos = []
    for file, codec, pixels, options in kinds:
        write_scene(folder / file, codec, pixels=pixels, **options)
        videos.append(OddVideo(file, frozenset({WHOLE}), scene))
    return videos


def _write_displayed_otherwise(folder: Path) -> list[OddVideo]:
    """Write videos whose stored frames are not what is to be shown."""
    sound = frozenset({WHOLE})
    videos = []
    for degrees in (90, 180, 270):
        turned = _turned(degrees)
        file = f"rotated_{degrees}.mp4"
        # Stored the wrong way round, so that turning it by the matrix shows the scene upright.
        write_scene(
            folder / file,
            images=[np.rot90(scene(index), -degrees // 90) for index in range(FRAMES)],
            prepare=turned,
        )
        videos.append(OddVideo(file, sound, scene))
    write_scene(
        folder / "mirrored.mp4",
        images=[scene(index)[:, ::-1] for index in range(FRAMES)],
        prepare=lambda stream: stream.set_display_rotation(0, hflip=True),
    )
    write_scene(folder / "slanted.mp4", prepare=_turned(30))
    write_scene(
        folder / "anamorphic.mp4",
        images=[scene(index)[:, ::2] for index in range(FRAMES)],
        prepare=_set_aspect(Fraction(2)),
    )
    write_scene(folder / "interlaced.mp4", **{"x264-params": "mbtree=0:tff=1:interlaced=1"})
    write_scene(
        folder / "variable_rate.mkv", times=lambda index: 4 * index + 30 * (index // 10) + index % 3
    )
    return [
        *videos,
        OddVideo("mirrored.mp4", sound, scene),
        OddVideo("slanted.mp4", sound, scene),
        OddVideo("anamorphic.mp4", sound, scene),
        OddVideo("interlaced.mp4", sound, scene),
        OddVideo("variable_rate.mkv", sound, scene),
    ]


def _turned(degrees: int) -> Callable[[Any], None]:
    return lambda stream: stream.set_display_rotation(degrees)


def _set_aspect(ratio: Fraction) -> Callable[[Any], None]:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = ratio

    return prepare


def _write_truncated(folder: Path) -> list[OddVideo]:
    indexed = write_scene(folder / "h264.tmp.mp4", movflags="faststart")
    data = indexed.read_bytes()
    indexed.unlink()
    videos = []
    for percent in (1, 5, 25, 50, 75, 95, 99):
        file = f"truncated_{percent:02}.mp4"
        (folder / file).write_bytes(data[: len(data) * percent // 100])
        whole = frozenset({WHOLE}) if percent < 99 else frozenset()
        videos.append(OddVideo(file, (_DAMAGED | {"no_video_stream"}) - whole))
    without_index = (folder / "h264.mp4").read_bytes()
    (folder / "truncated_before_index.mp4").write_bytes(
        without_index[: without_index.index(b"moov") - 4]
    )
    stream = (folder / "mpeg2.ts").read_bytes()
    (folder / "truncated_stream.ts").write_bytes(stream[: len(stream) * 6 // 10])
    return [
        *videos,
        OddVideo("truncated_before_index.mp4", _NOT_OPENED),
        OddVideo("truncated_stream.ts", _DAMAGED),  # a transport stream declares no length
    ]


def _write_flipped(folder: Path) -> list[OddVideo]:
    """Write copies with bits turned over, in the pictures and in the index."""
    data = np.frombuffer((folder / "h264.mp4").read_bytes(), np.uint8)
    index_start = data.tobytes().index(b"moov")
    more = _DAMAGED | {"frame_size_changed", "too_large", "no_video_stream", "unknown_codec"}
    videos = []
    for seed, (start, end, count) in enumerate(
        [
            (48, index_start - 4, 1),
            (48, index_start - 4, 20),
            (48, index_start - 4, 300),
            (index_start, len(data), 3),
            (index_start, len(data), 40),
            (0, len(data), 200),
        ]
    ):
        rng = np.random.default_rng(seed)
        flipped = data.copy()
        flipped[rng.integers(start, end, count)] ^= (1 << rng.integers(0, 8, count)).astype(
            np.uint8
        )
        file = f"flipped_{seed}.mp4"
        (folder / file).write_bytes(flipped.tobytes())
        videos.append(OddVideo(file, more))
    return videos


def _write_strange_contents(folder: Path) -> list[OddVideo]:
    sound = frozenset({WHOLE})
    write_scene(folder / "one_frame.mp4", images=[scene(0)])
    strip = np.tile(scene(0)[100:116, :16], (1, 100, 1))
    write_scene(folder / "wide_100_to_1.mp4", images=[strip] * FRAMES)
    write_scene(folder / "tall_1_to_100.mp4", images=[strip.swapaxes(0, 1)] * FRAMES)
    write_scene(folder / "odd_size.mkv", "ffv1", images=[scene(0)[:121, :161]] * FRAMES)
    _write_two_videos(folder / "two_videos.mkv")
    parts = [folder / f"{name}.tmp.ts" for name in ("first", "second")]
    for part, images in zip(parts, (None, [scene(0)[:120, :160]] * FRAMES), strict=True):
        write_scene(part, "mpeg2video", images=images)
    first, second = (part.read_bytes() for part in parts)
    (folder / "size_change.ts").write_bytes(first + second)
    (folder / "time_rewinds.ts").write_bytes(first + first)
    for part in parts:
        part.unlink()
    return [
        OddVideo("one_frame.mp4", sound, scene),
        OddVideo("wide_100_to_1.mp4", sound),
        OddVideo("tall_1_to_100.mp4", sound),
        OddVideo("odd_size.mkv", sound),
        OddVideo("two_videos.mkv", sound, scene),
        OddVideo("size_change.ts", frozenset({"frame_size_changed"})),
        OddVideo("time_rewinds.ts", sound),
    ]


def _write_two_videos(path: Path) -> None:
    """Write a still picture first and the scene second, as the stream to be played."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        streams = [
            container.add_stream("mpeg4", rate=25, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
            for _ in range(2)
        ]
        streams[0].disposition = Disposition(0)
        streams[1].disposition = Disposition.default
        for stream, pictures in zip(
            streams, ([np.zeros_like(scene(0))] * FRAMES, map(scene, range(FRAMES))), strict=True
        ):
            stream.codec_context.bit_rate = 4_000_000
            for image in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode())


def _write_false_claims(folder: Path) -> list[OddVideo]:
    """Write files whose headers lie about rate, size, length or codec."""
    plain = (folder / "mpeg4.avi").read_bytes()
    rate = bytearray(plain)
    struct.pack_into("<I", rate, plain.index(b"strh") + 8 + 24, 0)  # dwRate
    struct.pack_into("<I", rate, plain.index(b"avih") + 8, 0)  # microseconds per frame
    (folder / "zero_fps.avi").write_bytes(rate)

    mp4 = (folder / "h264.mp4").read_bytes()
    (folder / "declared_16000.mp4").write_bytes(_claim_size(mp4, b"avc1", 16_000))
    (folder / "unknown_codec.mp4").write_bytes(
        mp4.replace(b"avc1", b"zzz9").replace(b"avcC", b"zz9C")
    )

    _write_bomb(folder / "bomb.avi")

    endless = bytearray(mp4)
    for name, shift in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        struct.pack_into(">I", endless, mp4.index(name) + shift, 0xFFFF_FFF0)
    (folder / "declared_endless.mp4").write_bytes(endless)
    return [
        OddVideo("zero_fps.avi", _DAMAGED),
        OddVideo("declared_16000.mp4", frozenset({WHOLE, "too_large"})),
        OddVideo("unknown_codec.mp4", frozenset({"unknown_codec", "no_video_stream"})),
        OddVideo("bomb.avi", frozenset({"too_large"})),
        OddVideo("declared_endless.mp4", frozenset({WHOLE})),
    ]


def _write_bomb(path: Path) -> None:
    """Write a picture of 16000x16000 as some kilobytes, in a container that calls it 16x16."""
    rows = zlib.compress(bytes((1 + BOMB_PX // 8) * BOMB_PX), 9)
    header = struct.pack(">IIBBBBB", BOMB_PX, BOMB_PX, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("png", rate=25, width=16, height=16, pix_fmt="rgb24")
        for index in range(40):
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = stream, index, index
            packet.time_base, packet.is_keyframe = Fraction(1, 25), True
            container.mux(packet)


def _claim_size(data: bytes, sample_entry: bytes, size_px: int) -> bytes:
    claimed = bytearray(data)
    struct.pack_into(">HH", claimed, data.index(sample_entry) + 28, size_px, size_px)
    struct.pack_into(">II", claimed, data.index(b"tkhd") + 80, size_px << 16, size_px << 16)
    return bytes(claimed)


def _write_no_videos(folder: Path, secret: Path) -> list[OddVideo]:
    """Write files that are something else than a video, or point at one."""
    contents: dict[str, bytes] = {
        "empty.mp4": b"",
        "text.mp4": b"this is no video\n" * 100,
        "zeros.mp4": bytes(10_000),
        "noise.avi": np.random.default_rng(0).bytes(20_000),
        "picture.mp4": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "playlist.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n".encode(),
        "concat.mp4": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "network.mp4": b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n",
    }
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    _write_sound_file(folder / "audio_only.mp4")
    return [
        *(OddVideo(file, _NOT_OPENED) for file in contents),
        OddVideo("audio_only.mp4", frozenset({"no_video_stream"})),
    ]


def _write_sound_file(path: Path) -> None:
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("aac", rate=8000)
        for index in range(40):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts = 8000, 1024 * index
            frame.planes[0].update(bytes(4096))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_no_files(folder: Path, secret: Path) -> list[OddVideo]:
    os.mkfifo(folder / "pipe.mp4")
    (folder / "folder.mp4").mkdir()
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "gone.mp4").symlink_to("nothing.mp4")
    # The decoder is given paths that intake has located; the link is intake's to refuse.
    (folder / "link_out.mp4").symlink_to(secret)
    return [
        *(OddVideo(f"{name}.mp4", _NOT_OPENED) for name in ("pipe", "folder", "loop", "gone")),
        OddVideo("link_out.mp4", frozenset({WHOLE}), scene),
    ]
