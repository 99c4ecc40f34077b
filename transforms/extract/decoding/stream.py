"""One video file to upright pictures with their times, in this process.

The file is hostile until proven otherwise and may hang or crash whoever reads it: outside of tests
only `child` does.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from transforms.extract.colours import BGR
from transforms.video import choose_video_stream, open_video, read_turn, square_pixel_width

TIMEOUT: Final = "decode_timeout"
CRASHED: Final = "decode_crashed"
OUT_OF_MEMORY: Final = "out_of_memory"

_ABOUT_THE_MOMENT: Final = frozenset({TIMEOUT, CRASHED, OUT_OF_MEMORY})
_MAX_BAD_PACKETS: Final = 200
_MIN_DECODED_FRACTION: Final = 0.9
"""Below this share of the frames that the container declares, the file counts as cut off."""
_FALLBACK_FPS: Final = 25
_STRETCHING: Final = Interpolation.BICUBIC
_PLANAR: Final = frozenset({"yuv420p", "yuvj420p"})
_WEIGHTS: Final = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601"}
"""By FFmpeg's number of the colour space; 2 is "unspecified", which FFmpeg reads like this."""


@dataclass(frozen=True)
class DecodeProblem:
    """Why a video could not be read to its end."""

    code: str
    message: str

    @property
    def is_about_the_moment(self) -> bool:
        """Whether another try, on a quieter or larger machine, may end otherwise."""
        return self.code in _ABOUT_THE_MOMENT


@dataclass(frozen=True)
class StoredPicture:
    """An upright picture whose colours its user may turn into others.

    Attributes:
        colours: a name of `transforms.extract.colours`.
        planes: one `(height, width, channel)` BGR, or brightness and two planes of half its sides.
    """

    colours: str
    planes: tuple[NDArray[np.uint8], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.planes[0].shape[0], self.planes[0].shape[1]


class StreamReader:
    """The pictures of one file, once; `problem` says afterwards whether it was read whole.

    Attributes:
        problem: None where the file was read to its end and nothing was wrong with it.
        fps: the container's average rate; known with the first picture.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self._path = path
        self._max_pixels = max_pixels
        self.problem: DecodeProblem | None = None
        self.fps = 0.0

    def pictures(self) -> Iterator[tuple[float, StoredPicture]]:
        """Yield `(pts_s, picture)` in decoding order, the picture valid until the next one.

        Pictures are all of one size. Nothing is raised for bad data.
        """
        try:
            yield from self._open_and_read()
        except MemoryError:
            self._fail(OUT_OF_MEMORY, "reading it takes more memory than it may")
        except (av.FFmpegError, OSError, ValueError) as error:
            self._fail("decode_error", f"a decoded frame is unusable: {_say(error)}")

    def _open_and_read(self) -> Iterator[tuple[float, StoredPicture]]:
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):
                self._fail("unreadable", "it is no regular file")
                return
            container = open_video(self._path)
        except MemoryError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            self._fail("unreadable", f"the file does not open: {_say(error)}")
            return
        with container:
            stream = choose_video_stream(container)
            if stream is None:
                self._fail("no_video_stream", "the file holds no video stream")
                return
            codec = stream.codec_context
            if codec is None:
                self._fail("unknown_codec", "no decoder for the video stream")
                return
            if self._is_too_large(codec.width, codec.height):
                return
            # Recordings run side by side in processes; threads here would only fight.
            codec.thread_count = 1
            # Refuses much larger frames inside the stream before their memory is taken; codecs pad
            # frames to whole blocks, hence the room.
            codec.options = {"max_pixels": str(2 * self._max_pixels)}
            yield from self._read(container, stream)

    def _read(self, container: Any, stream: Any) -> Iterator[tuple[float, StoredPicture]]:
        # `Any`: PyAV's stubs do not tell video packets from others.
        rate = self.fps = float(stream.average_rate or stream.guessed_rate or _FALLBACK_FPS)
        reformatter = VideoReformatter()  # one for all frames keeps the colour tables
        count = 0
        last_pts_s = float("-inf")
        first_shape: tuple[int, int] | None = None
        source = _Source(container, stream)
        for picture in source.pictures():
            if self._is_too_large(square_pixel_width(picture.width, stream), picture.height):
                return
            stored = _upright(picture, stream, reformatter)
            if first_shape is None:
                first_shape = stored.shape
            if stored.shape != first_shape:
                self._fail("frame_size_changed", f"frame {count} has another size than the first")
                return
            pts_s = count / rate
            if picture.pts is not None and picture.time_base is not None:
                pts_s = float(picture.pts * picture.time_base)
            # Broken files repeat or rewind timestamps; the ledger's order is the decoder's.
            pts_s = last_pts_s = max(pts_s, last_pts_s)
            yield pts_s, stored
            count += 1
        if source.error is not None:
            self._fail("decode_error", source.error)
        else:
            self.problem = _judge_end(count, int(stream.frames or 0), source.corrupt_count)

    def _is_too_large(self, width_px: int, height_px: int) -> bool:
        if width_px * height_px <= self._max_pixels:
            return False
        self._fail("too_large", f"{width_px}x{height_px} pixels exceed the limit")
        return True

    def _fail(self, code: str, message: str) -> None:
        self.problem = DecodeProblem(code, message)


class _Source:
    """Decoded pictures as stored, deinterlaced from the first one on that is interlaced."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._packets = container.demux(stream)
        self._stream = stream
        self._deinterlacer: _Deinterlacer | None = None
        self.error: str | None = None
        self.corrupt_count = 0

    def pictures(self) -> Iterator[Any]:
        count = bad_packets = 0
        while bad_packets <= _MAX_BAD_PACKETS:
            try:
                pictures = next(self._packets).decode()
            except StopIteration:
                break
            except MemoryError:
                raise
            except (av.FFmpegError, OSError, ValueError) as error:
                bad_packets += 1
                self.error = f"frame {count}: {_say(error)}"
                continue
            for picture in pictures:
                count += 1
                self.corrupt_count += bool(picture.is_corrupt)
                if self._deinterlacer is None and picture.interlaced_frame:
                    self._deinterlacer = _Deinterlacer(picture, self._stream)
                if self._deinterlacer is None:
                    yield picture
                elif self._deinterlacer.fits(picture):
                    yield from self._deinterlacer.push(picture)
                else:
                    yield from self._deinterlacer.push(None)
                    self._deinterlacer = None
                    yield picture
        if self._deinterlacer is not None:
            yield from self._deinterlacer.push(None)


class _Deinterlacer:
    """FFmpeg's bwdif: one whole picture per frame, progressive frames untouched, times kept."""

    def __init__(self, picture: Any, stream: Any) -> None:
        self._kind = _kind(picture)
        graph = self._graph = av.filter.Graph()
        graph.threads = 1
        time_base = picture.time_base or stream.time_base
        self._source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=time_base
        )
        weave = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        graph.link_nodes(self._source, weave, graph.add("buffersink")).configure()

    def fits(self, picture: Any) -> bool:
        return _kind(picture) == self._kind

    def push(self, picture: Any | None) -> Iterator[Any]:
        """Yield the pictures that are ready now; after None, which ends the stream, the rest."""
        self._source.push(picture)
        while True:
            try:
                yield self._graph.vpull()
            except (BlockingIOError, EOFError):
                return


def _kind(picture: Any) -> tuple[int, int, str]:
    return picture.width, picture.height, picture.format.name


def _upright(picture: Any, stream: Any, reformatter: Any) -> StoredPicture:
    width = square_pixel_width(picture.width, stream)
    turn = read_turn(picture)
    if any(plane.line_size < 0 for plane in picture.planes):
        # Rows from the bottom up, as Windows stores them in AVI: PyAV gives no way to them, but
        # what FFmpeg converts it lays out from the top down.
        picture = reformatter.reformat(picture, format="bgra", threads=1)
    colours = _name_colours(picture) if width == picture.width else BGR
    if colours != BGR:
        planes = tuple(turn.apply(_view(plane, plane.width)) for plane in picture.planes)
        return StoredPicture(colours, planes)
    size = {} if width == picture.width else {"width": width, "interpolation": _STRETCHING}
    shown = reformatter.reformat(picture, format="bgr24", threads=1, **size)
    image = _view(shown.planes[0], 3 * shown.width).reshape(shown.height, shown.width, 3)
    return StoredPicture(BGR, (turn.apply(image),))


def _name_colours(picture: Any) -> str:
    """Return how a picture's planes are to be read, `BGR` where its users could not read them."""
    is_halved = picture.format.name in _PLANAR and not (picture.width % 2 or picture.height % 2)
    weights = _WEIGHTS.get(int(picture.colorspace))
    if weights is None or not is_halved:
        return BGR
    is_full = picture.color_range == ColorRange.JPEG or picture.format.name == "yuvj420p"
    return f"{weights}_{'full' if is_full else 'studio'}"


def _view(plane: Any, row_bytes: int) -> NDArray[np.uint8]:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, :row_bytes]


def _judge_end(count: int, declared: int, corrupt_count: int) -> DecodeProblem | None:
    """Say what is wrong with a stream that was read to its end, if anything is."""
    if count == 0:
        return DecodeProblem("no_frames", "the video stream holds no frame")
    if count < _MIN_DECODED_FRACTION * declared:
        return DecodeProblem("truncated", f"the file declares {declared} frames and holds {count}")
    if corrupt_count:
        # The decoder paints over the damage and goes on from it: later frames inherit it unmarked.
        return DecodeProblem("corrupt_frames", f"{corrupt_count} of {count} frames are damaged")
    return None


def _say(error: Exception) -> str:
    # FFmpeg's text holds the path, which is the reader's own business; keep the reason only.
    return str(getattr(error, "strerror", None) or type(error).__name__)
