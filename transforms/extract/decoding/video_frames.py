"""Video files to frames: PTS kept, displayed upright, limits kept, errors returned as data.

How a file is decoded is `stream`'s business, the process that does it `process`'s.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from transforms.extract.decoding.pool import SHARED_POOL, DecoderPool
from transforms.extract.decoding.process import DecodeFailure, DecoderProcess
from transforms.extract.decoding.stream import DecodeProblem
from transforms.extract.protocols import Frame
from transforms.settings import DecodeSettings

__all__ = ["DEFAULT_CACHE_BYTES", "DecodeProblem", "VideoFrames"]

DEFAULT_CACHE_BYTES: Final = 256 * 2**20


class VideoFrames:
    """The frames of one video file; small recordings are kept in memory after the first pass.

    After a pass, `problem` says whether the file was read whole.

    Args:
        path: the video.
        settings: what it may cost.
        cache_bytes: recordings up to this size are decoded once only.
        pool: where decoding processes come from.

    Attributes:
        problem: why the last pass ended early, or what is wrong with what it gave.
        fps: the container's average rate; known after the first frame.
        frame_shape: height and width as displayed; known after the first frame.
    """

    def __init__(
        self,
        path: Path,
        settings: DecodeSettings | None = None,
        *,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        pool: DecoderPool = SHARED_POOL,
    ) -> None:
        self._path = path
        self._settings = settings or DecodeSettings()
        self._cache_bytes = cache_bytes
        self._pool = pool
        self._at_work: list[DecoderProcess] = []
        self._cached: list[Frame] | None = None
        self._begun: tuple[Frame, Iterator[Frame]] | None = None
        self._closed_count = 0
        self.problem: DecodeProblem | None = None
        self.fps = 0.0
        self.frame_shape = (0, 0)

    def peek(self) -> None:
        """Read the first frame, so that `fps` and `frame_shape` are known; see `frames`.

        The next pass goes on from it.
        """
        if self._cached is None and self._begun is None:
            rest = self._pass()
            first = next(rest, None)
            if first is not None:
                self._begun = (first, rest)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in decoding order, `index` counting from 0.

        Problems end the iteration and are left in `problem`; nothing is raised for bad data. Passes
        may run side by side.

        Raises:
            GaitworksError: the decoding process does not even start.
        """
        if self._cached is not None:
            yield from self._cached
        elif self._begun is not None:
            (first, rest), self._begun = self._begun, None
            yield first
            yield from rest
        else:
            yield from self._pass()

    def _pass(self) -> Iterator[Frame]:
        if self.problem is not None and self.problem.is_about_the_moment:
            return  # what an earlier pass has given was cut short: another would not agree with it
        self.problem = None
        closed_before = self._closed_count
        kept: list[Frame] | None = []
        used_bytes = 0
        for frame in self._decode():
            if kept is not None:
                used_bytes += frame.picture.nbytes
                kept.append(frame)
                if used_bytes > self._cache_bytes:
                    kept = None
            yield frame
        is_whole = self.problem is None or not self.problem.is_about_the_moment
        if is_whole and closed_before == self._closed_count:
            self._cached = kept

    def _decode(self) -> Iterator[Frame]:
        decoder = self._pool.take(self._settings.memory_limit_mib)
        self._at_work.append(decoder)
        is_sound = True
        closed_before = self._closed_count
        try:
            for frame in decoder.decode(self._path, self._settings):
                if frame.index == 0:
                    self.fps, self.frame_shape = decoder.fps, frame.picture.shape
                yield frame
        except DecodeFailure as failure:
            # Who knows what a bad file left behind; a new process costs a third of a second.
            is_sound = False
            if closed_before == self._closed_count:  # else it was ended on purpose
                self.problem = failure.problem
        finally:
            self._at_work.remove(decoder)
            if is_sound and decoder.stop():
                self._pool.give_back(decoder)
            else:
                decoder.kill()

    def close(self) -> None:
        """Give up the passes that are under way and forget the frames that are kept."""
        self._begun = None
        self._closed_count += 1
        for decoder in self._at_work:
            decoder.kill()
        self._cached = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
