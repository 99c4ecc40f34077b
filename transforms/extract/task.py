"""The unit of work that any process on any machine can do: one video into the cache."""

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
from threadpoolctl import threadpool_limits

from transforms.errors import MissingDependencyError, SettingsError
from transforms.extract.cache import read_verdict, write_entry
from transforms.extract.recording import extract_recording
from transforms.extract.registry import Backends, Resources, build_backends
from transforms.extract.result import RecordingResult, fail
from transforms.files import sha256_file
from transforms.settings import ExtractionSettings
from transforms.stopwatch import Stopwatch

_ATTEMPTS: Final = 2
"""A decoder that died or ran out of time may do so because of what else ran on the machine."""


@dataclass(frozen=True)
class Task:
    """One video, what to do with it and where the result goes.

    The paths must mean the same files wherever the task runs.
    """

    key: str
    video: Path
    videos: Path
    video_sha256: str
    cache_root: Path
    settings: ExtractionSettings
    resources: Resources
    chosen_track: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        verdict: of the recording.
        is_reused: the result was there already.
        uncached: a failure that lies with the moment and not with the video; None: see the cache.
    """

    verdict: str
    is_reused: bool
    uncached: RecordingResult | None


@dataclass
class _Loaded:
    """The backends of this process; models are loaded once for all its recordings."""

    settings: ExtractionSettings | None = None
    resources: Resources | None = None
    backends: Backends | None = None


_loaded = _Loaded()


def run_task(task: Task) -> Outcome:
    """Bring one video into the cache; whatever is wrong with it is in the outcome."""
    # A worker that died after publishing, or another machine, may have done it.
    verdict = read_verdict(task.cache_root, task.key)
    if verdict is not None:
        return Outcome(verdict, True, None)
    problem = _check_file(task)
    if problem is not None:
        return _fail(problem)
    backends = _load_backends(task)
    try:
        result = extract_in_worker(
            task.video,
            task.settings,
            backends,
            chosen_track=task.chosen_track,
            cache_bytes=task.resources.frame_cache_bytes,
        )
        if not result.is_about_the_moment:
            write_entry(task.cache_root, task.key, result)
    except (MissingDependencyError, SettingsError):
        raise  # would hit every recording alike
    except Exception as error:  # of the disk: costs this one
        return _fail(_fail_by(error))
    if result.is_about_the_moment:
        return _fail(result)
    return Outcome(result.verdict, False, None)


def extract_in_worker(
    video: Path,
    settings: ExtractionSettings,
    backends: Backends,
    *,
    chosen_track: str | None,
    cache_bytes: int,
    clock: Stopwatch | None = None,
) -> RecordingResult:
    """Extract a recording in a process of many, and again where the moment was to blame.

    Whatever goes wrong with it is in the result; arguments as of `extract_recording`.

    Raises:
        SettingsError: a setting that would hit every recording alike.
        MissingDependencyError: likewise a package or file.
    """
    threads = cv2.getNumThreads()
    # Workers share the cores; threads of OpenCV or of BLAS would only fight.
    cv2.setNumThreads(1)
    try:
        for _ in range(_ATTEMPTS):
            with threadpool_limits(1, user_api="blas"):
                result = extract_recording(
                    video,
                    settings,
                    backends,
                    chosen_track=chosen_track,
                    cache_bytes=cache_bytes,
                    clock=clock,
                )
            if not result.is_about_the_moment:
                break
        return result
    except (MissingDependencyError, SettingsError):
        raise
    except Exception as error:  # of decoders, of models' runtimes: costs this one
        return _fail_by(error)
    finally:
        cv2.setNumThreads(threads)


def _load_backends(task: Task) -> Backends:
    asked = (task.settings, task.resources)
    if _loaded.backends is None or (_loaded.settings, _loaded.resources) != asked:
        _loaded.backends = build_backends(task.settings, task.resources)
        _loaded.settings, _loaded.resources = asked
        # All that was imported and loaded stays: the collector need not walk through it again.
        gc.freeze()
    return _loaded.backends


def _fail_by(error: Exception) -> RecordingResult:
    return fail("extraction_error", f"{type(error).__name__}: {error}")


def _fail(result: RecordingResult) -> Outcome:
    return Outcome(result.verdict, False, result)


def _check_file(task: Task) -> RecordingResult | None:
    """Make sure that the video is still the one that was taken in."""
    try:
        if not task.video.resolve().is_relative_to(task.videos.resolve()):
            return fail("outside_videos", "the file lies outside the batch's videos folder")
        if sha256_file(task.video) != task.video_sha256:
            return fail("video_changed", "the video is not the one that was taken in")
    except OSError as error:
        return fail("missing_file", f"the video cannot be read: {error.strerror}")
    return None
