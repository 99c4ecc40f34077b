"""The one way in which a video from outside is opened.

What is done with its packets and frames belongs to intake and extraction.
"""

from pathlib import Path
from typing import Any, Final

import av

# Real containers only: a playlist, a concat script or a network address in disguise would make
# FFmpeg open something else than the file that was vetted.
_CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg,mjpeg"
_PROTOCOLS: Final = "file"


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
