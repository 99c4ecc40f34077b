"""The bytes of one file from outside, and nothing but a file: no link, no pipe, no device."""

import errno
import os
import stat
from pathlib import Path

from transforms.interchange.refusal import Refused

# Without O_NONBLOCK the opening of a pipe waits for somebody to write into it.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_regular_file(path: Path, *, max_bytes: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        Refused: it is a link or no regular file, is empty or too large, or can't be read.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused("link", "it is a link", "the file itself") from None
        raise _unreadable(error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not_a_file", "it is no regular file", "a regular file")
        if status.st_size > max_bytes:
            limit = f"at most {max_bytes} bytes"
            raise Refused("too_large", "the file is too large", limit, f"{status.st_size} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(max_bytes)
    except OSError as error:
        raise _unreadable(error) from error
    finally:
        os.close(descriptor)
    if not data:
        raise Refused("empty_file", "the file is empty", "silhouettes", "0 bytes")
    return data


def _unreadable(error: OSError) -> Refused:
    # The system's words without the path, which differs from machine to machine.
    return Refused(
        "unreadable", "it can't be read", "a readable file", os.strerror(error.errno or 0)
    )
