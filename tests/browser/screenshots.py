"""Renew the pictures of the UI in the documentation, from a workspace with a finished demo.

    python -m tests.browser.screenshots WORKSPACE [--to docs/pictures/ui]

Every picture is refused that shows the workspace's path, this machine's name or a user's.
"""

import argparse
import getpass
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.chromium import open_browser
from tests.browser.ui_pages import asset_path, graph_path, node_name, open_picture
from tests.browser.ui_server import serve_ui
from tests.integration.workspaces import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MAX_BYTES = 300_000
WIDTH_PX, HEIGHT_PX = 1280, 800
STATUS_MS = 5_000  # the assets' states come after the graph
# Every text in an element that is on the screen, whether or not something lies above it.
_TEXTS_INSIDE = """element => {
    const found = [], range = document.createRange();
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        range.selectNodeContents(walker.currentNode);
        const box = range.getBoundingClientRect();
        if (box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight)
            found.push(walker.currentNode.textContent);
    }
    return found.join("\\n");
}"""


def show_graph(page: "Page", url: str) -> "Locator":
    """Open the graph with all groups open."""
    page.goto(url + graph_path())
    node_name(page, "dataset_release").wait_for()
    page.wait_for_timeout(STATUS_MS)
    return page.locator("html")


def show_preview(page: "Page", url: str) -> "Locator":
    """Open the contact sheet of the shards."""
    page.goto(url + asset_path("silhouette_shards"))
    open_picture(page, "contact_sheet")
    return page.get_by_role("dialog")


def show_checks(page: "Page", url: str) -> "Locator":
    """Open the checks of the splits."""
    page.goto(url + asset_path("participant_splits", "checks"))
    page.get_by_text("This is a blocking asset check").wait_for()
    return page.locator("html")


def show_partitions(page: "Page", url: str) -> "Locator":
    """Open the experiments as partitions of the trained model; none chosen, as one shows paths."""
    page.goto(url + asset_path("trained_model", "partitions"))
    page.get_by_text("Materialized (").wait_for()
    page.get_by_text("seed_0").first.wait_for()
    return page.locator("html")


def dialog_of(asset: str, entry: str) -> Callable[["Page", str], "Locator"]:
    """Return how to show one picture of an asset's metadata, cut to its dialog."""

    def show(page: "Page", url: str) -> "Locator":
        page.goto(url + asset_path(asset))
        return open_picture(page, entry)

    return show


PICTURES: dict[str, Callable[["Page", str], "Locator"]] = {
    "graph": show_graph,
    "preview": show_preview,
    "checks": show_checks,
    "experiments": show_partitions,
    "learning_curves": dialog_of("trained_model", "learning_curves"),
    "confusion": dialog_of("model_evaluation", "confusion"),
}


def take_picture(page: "Page", region: "Locator", path: Path, secrets: Sequence[str]) -> None:
    """Write the picture, unless it is too large or shows what nobody else should read."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # dialogs fade in, the graph moves to its place
    texts: str = region.evaluate(_TEXTS_INSIDE)
    shown = [secret for secret in secrets if secret in texts]
    if shown:
        raise RuntimeError(f"{path.name} would show {', '.join(shown)}")
    box = region.bounding_box()
    if box is None:
        raise RuntimeError(f"{path.name}: nothing is shown")
    box["height"] = min(box["height"], HEIGHT_PX - box["y"])  # a dialog may be longer than the page
    picture = page.screenshot(clip=box)
    if len(picture) > MAX_BYTES:
        raise RuntimeError(f"{path.name} has {len(picture)} bytes; at most {MAX_BYTES}")
    path.write_bytes(picture)


def main() -> None:
    """Take every picture, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "pictures" / "ui")
    parser.add_argument("--only", nargs="*", choices=PICTURES, default=list(PICTURES))
    arguments = parser.parse_args()
    workspace = arguments.workspace.resolve()
    arguments.to.mkdir(parents=True, exist_ok=True)
    secrets = [str(workspace), str(Path.home()), getpass.getuser(), platform.node()]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            serve_ui(workspace, folder / "ui.log") as server,
            open_browser(folder / "profile", width=WIDTH_PX, height=HEIGHT_PX) as browser,
        ):
            for name in arguments.only:
                page = browser.new_page()
                region = PICTURES[name](page, server.url)
                take_picture(page, region, arguments.to / f"{name}.png", secrets)
                page.close()
                print(arguments.to / f"{name}.png")


if __name__ == "__main__":
    main()
