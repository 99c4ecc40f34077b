"""What one video file is: sums, sizes and times, and every reason not to take it.

Runs in a worker of `probe_workers`, because the file is hostile until proven otherwise. Frames are
counted by their packets; only the first is decoded, as a proof that they decode.
"""

import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from transforms.files import sha256_file
from transforms.settings import IntakeSettings
from transforms.video import choose_video_stream, displayed_size, open_video

_MAX_FRAMES: Final = 200_000
_MAX_PACKETS_TO_FIRST_FRAME: Final = 300
_MIN_PRESENT_FRACTION: Final = 0.9
"""Below this share of the frames that the container declares, the file counts as cut off."""


@dataclass(frozen=True)
class VideoFacts:
    """What was measured; None where the file did not let it be.

    Attributes:
        sha256: of the whole file.
        video_bytes: the file's size.
        codec: FFmpeg's name of the codec of the video stream that counts.
        width_px: of the frame as displayed, upright and with square pixels.
        height_px: likewise.
        rotation_degrees: by how much the stored frames are turned anticlockwise for display.
        fps: frames per second, measured from the timestamps where there are any.
        frame_count: frames in the file, counted.
        duration_s: from the first frame's start to the last one's end.
    """

    sha256: str | None = None
    video_bytes: int | None = None
    codec: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    rotation_degrees: int | None = None
    fps: float | None = None
    frame_count: int | None = None
    duration_s: float | None = None


@dataclass(frozen=True)
class Fault:
    """One reason not to take a video (or, for `truncated_video`, to look at it)."""

    code: str
    message: str
    expected: str
    found: str | None = None

    def say(self) -> str:
        """Return the fault as one line."""
        found = "" if self.found is None else f", found {self.found}"
        return f"{self.message}, expected {self.expected}{found}"


@dataclass(frozen=True)
class ProbeResult:
    """The facts about one video and everything that is wrong with it."""

    facts: VideoFacts = VideoFacts()
    faults: tuple[Fault, ...] = ()


def inspect_video(path: Path, settings: IntakeSettings) -> ProbeResult:
    """Measure one video; whatever is wrong with the file is in the result, nothing is raised.

    May hang or die on a file made for that: call it through `probe_workers.probe_videos`.
    """
    import av

    facts = VideoFacts()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return _refuse(facts, "not_a_video", "it is no regular file", "a video file")
        facts = replace(facts, video_bytes=status.st_size)
        if status.st_size == 0:
            return _refuse(facts, "empty_file", "the file is empty", "a video file", "0 bytes")
        if status.st_size > settings.max_video_bytes:
            limit = f"at most {settings.max_video_bytes} bytes"
            found = f"{status.st_size} bytes"
            return _refuse(facts, "too_large", "the file is too large", limit, found)
        facts = replace(facts, sha256=sha256_file(path))
        return _inspect_container(path, facts, settings)
    except MemoryError:
        return _refuse(facts, "probe_failed", "reading it takes too much memory", "a video file")
    except (av.FFmpegError, OSError, ValueError) as error:
        return _refuse(facts, "probe_failed", "it can't be read", "a readable video", _say(error))


def _inspect_container(path: Path, facts: VideoFacts, settings: IntakeSettings) -> ProbeResult:
    try:
        container = open_video(path)
    except (ValueError, EOFError) as error:  # FFmpeg's "invalid data" and "end of file" are such
        message = "the content is no video container that is known here"
        expected = "an mp4, mov, mkv, webm, avi, mpeg or flv video"
        return _refuse(facts, "not_a_video", message, expected, _say(error))
    with container:
        stream = choose_video_stream(container)
        if stream is None:
            message = "the file holds no video stream"
            return _refuse(facts, "no_video_stream", message, "one video stream")
        codec = stream.codec_context
        if codec is None:
            message = "no decoder is known for the video stream"
            return _refuse(facts, "probe_failed", message, "a common codec such as h264")
        facts = replace(facts, codec=str(codec.name))
        if codec.width * codec.height > settings.max_pixels:
            return _refuse_size(facts, codec.width, codec.height, settings)
        codec.thread_count = 1
        return _inspect_stream(container, stream, facts, settings)


def _inspect_stream(
    container: Any, stream: Any, facts: VideoFacts, settings: IntakeSettings
) -> ProbeResult:
    # `Any`: see transforms.video.open_video.
    first_frame, why_not, times, count = None, "no frame came out", _Times(), 0
    for packet in _packets(container, stream):
        if first_frame is None and count <= _MAX_PACKETS_TO_FIRST_FRAME:
            first_frame, why_not = _decode_first(packet, why_not)
        if packet.size == 0 or packet.is_discard:
            continue  # the flush at the end, or what an edit list cuts off
        count += 1
        times.add(packet)
        if count > _MAX_FRAMES:
            limit = f"at most {_MAX_FRAMES} frames"
            return _refuse(facts, "too_long", "the video is too long", limit, f"over {_MAX_FRAMES}")
    if first_frame is None:
        expected = "a video whose frames decode"
        return _refuse(facts, "probe_failed", "no frame decodes", expected, why_not)
    width, height = displayed_size(first_frame, stream)
    if width * height > settings.max_pixels:
        return _refuse_size(facts, width, height, settings)
    fps, duration = times.rate_and_duration(count, stream)
    facts = replace(
        facts,
        width_px=width,
        height_px=height,
        rotation_degrees=round(first_frame.rotation) % 360,
        fps=fps,
        frame_count=count,
        duration_s=duration,
    )
    return ProbeResult(facts, tuple(_judge(facts, int(stream.frames or 0), settings)))


class _Times:
    """The span of presentation times seen, in units of the stream's time base."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last: int | None = None

    def add(self, packet: Any) -> None:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            self._first = time if self._first is None else min(self._first, time)
            self._last = time if self._last is None else max(self._last, time)

    def rate_and_duration(self, count: int, stream: Any) -> tuple[float | None, float | None]:
        if count > 1 and self._first is not None and self._last is not None:
            span_s = (self._last - self._first) * stream.time_base
            if span_s > 0:
                rate = (count - 1) / span_s
                return float(rate), float(count / rate)
        declared = stream.average_rate
        if not declared:
            return None, None
        return float(declared), float(count / declared)


def _packets(container: Any, stream: Any) -> Any:
    import av

    packets = container.demux(stream)
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.FFmpegError):  # a file cut off inside a packet ends there
            return


def _decode_first(packet: Any, why_not: str) -> tuple[Any, str]:
    import av

    try:
        frames = packet.decode()
    except (av.FFmpegError, ValueError) as error:
        return None, _say(error)
    if not frames:
        return None, why_not
    frames[0].to_ndarray(format="gray")  # the pixels too must convert
    return frames[0], ""


def _judge(facts: VideoFacts, declared_frames: int, settings: IntakeSettings) -> list[Fault]:
    faults = []
    frames, height = facts.frame_count or 0, facts.height_px or 0
    if frames < settings.min_frames:
        expected = f"at least {settings.min_frames} frames"
        faults.append(Fault("too_short", "the video is too short", expected, f"{frames} frames"))
    if height < settings.min_height_px:
        expected = f"at least {settings.min_height_px} pixels high"
        found = f"{facts.width_px}x{height}"
        faults.append(Fault("too_small", "the frames are too small", expected, found))
    if facts.fps is None or facts.duration_s is None:
        message = "the frame rate is not known"
        faults.append(Fault("probe_failed", message, "timestamps or a declared frame rate"))
    elif facts.duration_s > settings.max_duration_s:
        expected = f"at most {settings.max_duration_s:g} s"
        found = f"{facts.duration_s:.1f} s"
        faults.append(Fault("too_long", "the video is too long", expected, found))
    if frames < _MIN_PRESENT_FRACTION * declared_frames:
        message = "the file looks cut off; copy it again if the original is longer"
        found = f"{frames} frames"
        faults.append(
            Fault("truncated_video", message, f"{declared_frames} frames as declared", found)
        )
    return faults


def _refuse(
    facts: VideoFacts, code: str, message: str, expected: str, found: str | None = None
) -> ProbeResult:
    return ProbeResult(facts, (Fault(code, message, expected, found),))


def _refuse_size(
    facts: VideoFacts, width: int, height: int, settings: IntakeSettings
) -> ProbeResult:
    limit = f"at most {settings.max_pixels} pixels a frame"
    message = "the frames are too large"
    return _refuse(facts, "too_many_pixels", message, limit, f"{width}x{height}")


def _say(error: Exception) -> str:
    # FFmpeg's text holds the path, which differs from machine to machine; keep the reason only.
    return str(getattr(error, "strerror", None) or type(error).__name__)
