"""Where the extraction extra is installed, the doctor finds every backend in working order."""

import pytest

from transforms.doctor import diagnose

pytestmark = [pytest.mark.extraction, pytest.mark.slow]


def test_every_backend_of_a_full_installation_works() -> None:
    findings = diagnose()
    needed = [finding for finding in findings if finding.kind in ("python", "library", "backend")]
    assert [finding for finding in needed if finding.status != "ok"] == []
    assert {"ultralytics", "paddleseg", "torchvision", "antlr grammars"} <= {
        finding.name for finding in needed
    }
