import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assets.dataset import SILHOUETTE_SHARDS
from assets.release import DATASET_RELEASE
from tests.browser.chromium import Browser
from tests.browser.ui_pages import (
    asset_groups,
    asset_path,
    await_run_status,
    click_execute_check,
    click_materialise,
    graph_path,
    node_name,
    open_picture,
)
from tests.browser.ui_server import UiServer
from transforms.manifest import directory_version

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_addresses_outside_this_machine_are_refused_and_noted(chromium: Browser) -> None:
    from playwright.sync_api import Error

    page = chromium.new_page()
    with pytest.raises(Error, match="ERR_FAILED"):
        page.goto("http://192.0.2.1/")
    page.close()
    assert chromium.outside == ["http://192.0.2.1/"]


def test_the_graph_shows_every_group_and_asset_and_no_dialog(ui: UiServer, page: "Page") -> None:
    groups = asset_groups()
    assert len(groups) > 1
    page.goto(ui.url)  # the first page a new user sees
    page.get_by_text("Lineage", exact=True).click()
    for group in groups:
        page.get_by_text(group, exact=True).last.wait_for()
    assert page.get_by_role("dialog").count() == 0
    # The graph draws what is in sight only, and is higher than a common window: one pans or zooms.
    page.set_viewport_size({"width": 1920, "height": 2000})
    page.goto(ui.url + graph_path())
    for group, names in groups.items():
        page.get_by_text(group, exact=True).last.wait_for()
        for name in names:
            node_name(page, name).wait_for()


def test_a_click_materialises_an_asset_and_its_preview_is_seen(ui: UiServer, page: "Page") -> None:
    shards = ui.workspace / SILHOUETTE_SHARDS.folder
    version = directory_version(shards)
    shutil.rmtree(shards)
    page.goto(ui.url + asset_path(SILHOUETTE_SHARDS.name))
    click_materialise(page)
    assert await_run_status(page) == "Success"
    assert directory_version(shards) == version
    page.goto(ui.url + asset_path(SILHOUETTE_SHARDS.name))
    picture = open_picture(page, "contact_sheet")
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 100


def test_a_failing_check_that_blocks_is_seen_and_stops_the_release(
    ui: UiServer, page: "Page", screenshots: Path
) -> None:
    release = ui.workspace / DATASET_RELEASE.folder
    shard = next((ui.workspace / SILHOUETTE_SHARDS.folder / "sequences").iterdir())
    page.goto(ui.url + asset_path(SILHOUETTE_SHARDS.name, "checks"))
    page.get_by_text("This is a blocking asset check").wait_for()
    with moved_away(release), one_bit_flipped(shard):
        click_execute_check(page)
        assert await_run_status(page) == "Failure"

        page.goto(ui.url + asset_path(SILHOUETTE_SHARDS.name, "checks"))
        page.get_by_text("Failed", exact=True).first.wait_for()
        page.get_by_text(shard.name).first.wait_for()  # the check says which file it is
        page.screenshot(path=screenshots / "failing_check.png")

        both = f'key:"{SILHOUETTE_SHARDS.name}" or key:"{DATASET_RELEASE.name}"'
        page.goto(ui.url + graph_path(selection=both))
        node_name(page, DATASET_RELEASE.name).wait_for()
        click_materialise(page)
        assert await_run_status(page) == "Failure"
        page.get_by_text(f"Dependencies for step {DATASET_RELEASE.name} failed").wait_for()
        assert not release.exists()


@contextmanager
def one_bit_flipped(path: Path) -> Iterator[None]:
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    try:
        yield
    finally:
        path.write_bytes(whole)


@contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    aside = folder.rename(folder.with_name(f".{folder.name}.aside"))
    try:
        yield
    finally:
        aside.rename(folder)
