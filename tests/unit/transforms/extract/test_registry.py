import pytest

from transforms.errors import MissingDependencyError, SettingsError
from transforms.extract.detect import BackgroundDetector
from transforms.extract.registry import (
    DETECTORS,
    SEGMENTERS,
    check_backend_names,
    require_package,
)
from transforms.extract.segment import BackgroundGrabCutSegmenter
from transforms.settings import ExtractionSettings


def test_the_defaults_exist() -> None:
    check_backend_names(ExtractionSettings())


@pytest.mark.parametrize("kind", ["detector", "tracker", "segmenter"])
def test_an_unknown_name_is_refused_with_what_exists(kind: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_backend_names(ExtractionSettings(**{kind: "telepathy"}))
    assert caught.value.where == f"extraction.{kind}"
    assert caught.value.found == "telepathy"
    assert caught.value.expected


def test_names_lead_to_their_backends() -> None:
    settings = ExtractionSettings()
    assert isinstance(DETECTORS["background"](settings), BackgroundDetector)
    assert isinstance(SEGMENTERS["background_grabcut"](settings), BackgroundGrabCutSegmenter)


def test_a_missing_package_comes_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingDependencyError, match="pip install telepathy"):
        require_package("no_such_module_here", backend="x", install="pip install telepathy")
    require_package("numpy", backend="x", install="pip install numpy")
