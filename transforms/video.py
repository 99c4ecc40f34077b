"""How a video from outside is opened, which of its streams counts and how it is displayed.

Intake measures by these rules and extraction decodes by them. What is done with packets and
frames belongs there.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.stream import Disposition
from numpy.typing import NDArray

# Real containers only: a playlist, a concat script or a network address in disguise would make
# FFmpeg open something else than the file that was vetted.
_CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg,mjpeg"
_PROTOCOLS: Final = "file"

_NO_VIDEO: Final = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_SLANT_LIMIT: Final = math.tan(math.radians(1.0))
_MAX_STRETCH: Final = 4
_MIN_STRETCH_CHANGE: Final = Fraction(1, 100)
"""Below it the ratio is a rounding of the container's, and scaling would only blur."""


def open_video(path: Path) -> Any:
    """Open a video file for reading and return PyAV's input container, to be closed by the caller.

    The result is `Any` because PyAV's stubs do not tell video streams and packets from others.

    Raises:
        av.FFmpegError: the file is no video container that is accepted.
        OSError: the file cannot be read.
    """
    return av.open(
        str(path.absolute()),  # an absolute path can't be mistaken for a protocol prefix
        options={"protocol_whitelist": _PROTOCOLS, "format_whitelist": _CONTAINERS},
        metadata_errors="replace",
    )


def choose_video_stream(container: Any) -> Any | None:
    """Return the stream that FFmpeg holds for the best video, or None where there is none.

    Cover pictures and thumbnails are video streams to a container, but show no recording.
    """
    moving = [stream for stream in container.streams.video if not stream.disposition & _NO_VIDEO]
    if not moving:
        return None
    best = container.streams.best("video")
    return best if best in moving else moving[0]


@dataclass(frozen=True)
class Turn:
    """What the display matrix asks for, to the nearest quarter turn, mirrors included."""

    is_transposed: bool = False  # done first
    flips_rows: bool = False
    flips_columns: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a view of `image`, `(height, width, channel)`, as it is displayed."""
        if self.is_transposed:
            image = image.swapaxes(0, 1)
        if self.flips_rows:
            image = image[::-1]
        return image[:, ::-1] if self.flips_columns else image


def read_turn(picture: Any) -> Turn:
    """Return how a decoded picture is turned for display; slanted matrices are ignored."""
    for data in picture.side_data:
        if data.type is Type.DISPLAYMATRIX and data.buffer_size == 36:
            return _turn_by_matrix(np.frombuffer(data, dtype="<i4"))
    return Turn()


def _turn_by_matrix(matrix: NDArray[np.int32]) -> Turn:
    # Stored (x, y) is displayed at (a x + c y, b x + d y) and moved back into the picture.
    a, b, c, d = (float(matrix[position]) for position in (0, 1, 3, 4))
    if abs(b) <= _SLANT_LIMIT * abs(a) and abs(c) <= _SLANT_LIMIT * abs(d):
        return Turn(flips_rows=d < 0, flips_columns=a < 0)
    if abs(a) <= _SLANT_LIMIT * abs(b) and abs(d) <= _SLANT_LIMIT * abs(c):
        return Turn(is_transposed=True, flips_rows=b < 0, flips_columns=c < 0)
    return Turn()


def square_pixel_width(width_px: int, stream: Any) -> int:
    """Return the width at which a stored frame's pixels are square."""
    ratio: Fraction | None = stream.sample_aspect_ratio
    if not ratio or not Fraction(1, _MAX_STRETCH) <= ratio <= _MAX_STRETCH:
        return width_px
    if abs(ratio - 1) < _MIN_STRETCH_CHANGE:
        return width_px
    return max(1, round(width_px * ratio))


def displayed_size(picture: Any, stream: Any) -> tuple[int, int]:
    """Return width and height of a decoded picture as displayed, in square pixels."""
    width, height = square_pixel_width(picture.width, stream), int(picture.height)
    return (height, width) if read_turn(picture).is_transposed else (width, height)
