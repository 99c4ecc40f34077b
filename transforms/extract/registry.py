"""The backends of extraction by the names that `params.yaml` uses.

A backend is added by one line here. Its module is imported only when it is chosen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Final, TypeVar

from transforms.errors import MissingDependencyError, SettingsError
from transforms.extract.protocols import Detector, Segmenter, Tracker
from transforms.settings import ExtractionSettings

_Backend = TypeVar("_Backend")


@dataclass(frozen=True)
class Backends:
    """The three backends of one run, built once per worker process."""

    detector: Detector
    tracker: Tracker
    segmenter: Segmenter


def check_backend_names(settings: ExtractionSettings) -> None:
    """Refuse names that no backend has, without importing any.

    Raises:
        SettingsError: a name is unknown; what exists is listed.
    """
    _look_up("detector", settings.detector, DETECTORS)
    _look_up("tracker", settings.tracker, TRACKERS)
    _look_up("segmenter", settings.segmenter, SEGMENTERS)


@lru_cache(maxsize=1)
def build_backends(settings: ExtractionSettings) -> Backends:
    """Build the chosen backends; asked again with equal settings, return the same ones.

    Raises:
        SettingsError: a name is unknown.
        MissingDependencyError: a package that a backend needs is not installed.
    """
    return Backends(
        _look_up("detector", settings.detector, DETECTORS)(settings),
        _look_up("tracker", settings.tracker, TRACKERS)(settings),
        _look_up("segmenter", settings.segmenter, SEGMENTERS)(settings),
    )


def require_package(module: str, *, backend: str, install: str) -> None:
    """Make sure that a module can be imported.

    Raises:
        MissingDependencyError: it cannot; the message holds the command that installs it.
    """
    if find_spec(module) is None:
        raise MissingDependencyError(
            f"the backend {backend!r} needs a package that is not installed",
            where=f"extraction: {backend}",
            expected=f"the module {module}",
            fix=f"run `{install}`, or choose another backend",
        )


def _look_up(
    kind: str,
    name: str,
    factories: Mapping[str, Callable[[ExtractionSettings], _Backend]],
) -> Callable[[ExtractionSettings], _Backend]:
    if name not in factories:
        raise SettingsError(
            f"unknown {kind}",
            where=f"extraction.{kind}",
            expected=" or ".join(sorted(factories)),
            found=name,
            fix="correct the name in params.yaml",
        )
    return factories[name]


def _background_detector(settings: ExtractionSettings) -> Detector:
    from transforms.extract.detect import BackgroundDetector

    return BackgroundDetector()


def _bytetrack(settings: ExtractionSettings) -> Tracker:
    require_package("trackers", backend="bytetrack", install="pip install trackers==2.6.1")
    from transforms.extract.track import ByteTrackTracker

    return ByteTrackTracker(settings.tracking)


def _background_grabcut(settings: ExtractionSettings) -> Segmenter:
    from transforms.extract.segment import BackgroundGrabCutSegmenter

    return BackgroundGrabCutSegmenter()


DETECTORS: Final[Mapping[str, Callable[[ExtractionSettings], Detector]]] = {
    "background": _background_detector,
}
TRACKERS: Final[Mapping[str, Callable[[ExtractionSettings], Tracker]]] = {
    "bytetrack": _bytetrack,
}
SEGMENTERS: Final[Mapping[str, Callable[[ExtractionSettings], Segmenter]]] = {
    "background_grabcut": _background_grabcut,
}
