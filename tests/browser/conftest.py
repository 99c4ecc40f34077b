"""One workspace, one UI and one browser for all tests of a process, and their screenshots."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestration.instance import HOME_NAME
from tests.browser.chromium import MISSING, Browser, find_chromium, open_browser
from tests.browser.ui_server import UiServer, serve_ui
from tests.integration.conftest import make_once, reference  # noqa: F401  # made once for all
from tests.integration.workspaces import copy_workspace, shorten_run_queue

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser."""
    if find_chromium() is None:
        pytest.skip(MISSING)
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session")
def ui(
    chromium: Browser,  # first: without one, no workspace has to be made
    reference: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[UiServer]:
    """`gaitworks ui` on a copy of a workspace that the demo took to a verified release."""
    folder = tmp_path_factory.mktemp("ui")
    workspace = copy_workspace(reference, folder / "workspace")
    shorten_run_queue(workspace / HOME_NAME)
    with serve_ui(workspace, folder / "ui.log") as server:
        yield server


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the tests are kept: where the environment says, or with their files."""
    chosen = os.environ.get("GAITWORKS_ARTEFACTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("artefacts")
    (folder / "browser").mkdir(parents=True, exist_ok=True)
    return folder / "browser"


@pytest.fixture
def page(chromium: Browser, screenshots: Path, request: pytest.FixtureRequest) -> Iterator["Page"]:
    """A tab; how it looked in the end is kept, and it must have asked nobody outside."""
    chromium.outside.clear()
    page = chromium.new_page()
    yield page
    page.screenshot(path=screenshots / f"{request.node.name}.png")
    page.close()
    assert chromium.outside == []
