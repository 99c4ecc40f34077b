"""Video files to frames: PTS kept, rotation applied, limits kept, errors returned as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from transforms.extract.protocols import Frame
from transforms.video import open_video

_MAX_PIXELS: Final = 8192 * 8192
_MAX_FRAMES: Final = 200_000
_MAX_BAD_PACKETS: Final = 200
_MIN_DECODED_FRACTION: Final = 0.9
"""Below this share of the frames that the container declares, the file counts as cut off."""
_FALLBACK_FPS: Final = 25
_CACHE_BYTES: Final = 256 * 2**20


@dataclass(frozen=True)
class DecodeProblem:
    """Why a video could not be read to its end."""

    code: str
    message: str


class VideoFrames:
    """The frames of one video file; small recordings are kept in memory after the first pass.

    After a pass, `problem` says whether the file was read whole.
    """

    def __init__(self, path: Path, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self._path = path
        self._cache_bytes = cache_bytes
        self._cached: list[Frame] | None = None
        self.problem: DecodeProblem | None = None
        self.fps = 0.0
        """The container's average rate; known after the first frame."""

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in decoding order, `index` counting from 0.

        Problems end the iteration and are left in `problem`; nothing is raised for bad data.
        """
        if self._cached is not None:
            yield from self._cached
            return
        self.problem = None
        kept: list[Frame] | None = []
        used_bytes = 0
        for frame in self._decode():
            if kept is not None:
                used_bytes += frame.image.nbytes
                kept.append(frame)
                if used_bytes > self._cache_bytes:
                    kept = None
            yield frame
        self._cached = kept

    def _decode(self) -> Iterator[Frame]:
        try:
            container = open_video(self._path)
        except (av.FFmpegError, OSError, ValueError) as error:
            self.problem = DecodeProblem("unreadable", f"the file does not open: {_say(error)}")
            return
        with container:
            if not container.streams.video:
                self.problem = DecodeProblem("no_video_stream", "the file holds no video stream")
                return
            stream = container.streams.video[0]
            codec = stream.codec_context
            if codec is None:
                self.problem = DecodeProblem("unknown_codec", "no decoder for the video stream")
                return
            if codec.width * codec.height > _MAX_PIXELS:
                size = f"{codec.width}x{codec.height}"
                self.problem = DecodeProblem("too_large", f"{size} pixels exceed the limit")
                return
            # Recordings run side by side in processes; threads here would only fight.
            codec.thread_count = 1
            yield from self._decode_stream(container, stream)

    def _decode_stream(self, container: Any, stream: Any) -> Iterator[Frame]:
        # `Any`: PyAV's stubs do not tell video packets from others.
        rate = self.fps = float(stream.average_rate or stream.guessed_rate or _FALLBACK_FPS)
        bad_packets = 0
        corrupt_count = 0
        count = 0
        last_pts_s = float("-inf")
        first_shape: tuple[int, ...] | None = None
        reformatter = VideoReformatter()  # one for all frames keeps the colour tables
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                pictures = packet.decode()
            except StopIteration:
                break
            except (av.FFmpegError, OSError, ValueError) as error:
                bad_packets += 1
                self.problem = DecodeProblem("decode_error", f"frame {count}: {_say(error)}")
                if bad_packets > _MAX_BAD_PACKETS:
                    return
                continue
            for picture in pictures:
                if count >= _MAX_FRAMES:
                    self.problem = DecodeProblem("too_many_frames", f"over {_MAX_FRAMES} frames")
                    return
                image = _upright(picture, reformatter)
                if first_shape is None:
                    first_shape = image.shape
                if image.shape != first_shape:
                    self.problem = DecodeProblem(
                        "frame_size_changed", f"frame {count} has another size than the first"
                    )
                    return
                pts_s = count / rate
                if picture.pts is not None and picture.time_base is not None:
                    pts_s = float(picture.pts * picture.time_base)
                # Broken files repeat or rewind timestamps; the ledger's order is the decoder's.
                pts_s = max(pts_s, last_pts_s)
                last_pts_s = pts_s
                corrupt_count += bool(picture.is_corrupt)
                yield Frame(count, pts_s, image)
                count += 1
        if self.problem is None:
            self.problem = _judge_end(count, int(stream.frames or 0), corrupt_count)


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


def _upright(picture: Any, reformatter: Any) -> NDArray[np.uint8]:
    # `Any`: av.VideoFrame; its `rotation` counts anticlockwise degrees, as rot90 does.
    image: NDArray[np.uint8] = reformatter.reformat(picture, format="bgr24").to_ndarray()
    quarter_turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _say(error: Exception) -> str:
    # FFmpeg's text holds the path, which is the reader's own business; keep the reason only.
    return str(getattr(error, "strerror", None) or type(error).__name__)
