"""Where things are in Dagster's UI, and how a person gets at them; by texts and roles only."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from assets.catalogue import ASSETS, SOURCE_SPECS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RUN_LIMIT_MS = 240_000  # seconds on a quiet machine


def asset_groups() -> dict[str, list[str]]:
    """Return the names of the assets in each group, as the code defines them."""
    groups: dict[str, list[str]] = {}
    for spec in [*SOURCE_SPECS, *(spec for asset in ASSETS for spec in asset.specs)]:
        groups.setdefault(str(spec.group_name), []).append(spec.key.to_user_string())
    return groups


def graph_path(*, selection: str = "") -> str:
    """Return the address of the asset graph with every group open."""
    expanded = quote(",".join(f"global@global:{group}" for group in asset_groups()))
    middle = f"~{quote(selection, safe='')}/" if selection else ""
    return f"/asset-groups{middle}?expanded={expanded}"


def node_name(page: "Page", asset: str) -> "Locator":
    """Return the name on an asset's box in the graph, whose middle is left out where it is long."""
    shortened = f"{re.escape(asset[:5])}\\w*…\\w*{re.escape(asset[-6:])}"
    return page.get_by_text(re.compile(f"^({re.escape(asset)}|{shortened})$")).last


def asset_path(name: str, view: str = "overview") -> str:
    """Return the address of an asset's page; views are overview, partitions, checks, ..."""
    return f"/assets/{name}?view={view}"


def click_materialise(page: "Page") -> None:
    """Click the button that every page of assets has, and go to the run that it started."""
    page.get_by_role("button", name="Materialize").first.click()
    _go_to_launched_run(page)


def click_execute_check(page: "Page") -> None:
    """Run the check that is shown, and go to the run that does it."""
    page.get_by_role("button").filter(has_text=re.compile("^Execute$")).click()
    _go_to_launched_run(page)


def _go_to_launched_run(page: "Page") -> None:
    page.get_by_text(re.compile("Launched run")).wait_for()
    page.locator('a[href^="/runs/"]', has_text="View").last.click()
    page.wait_for_url(re.compile("/runs/"))


def await_run_status(page: "Page") -> str:
    """Wait on a run's page until the run has ended; return the word that the page shows."""
    word = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    word.wait_for(timeout=RUN_LIMIT_MS)
    return word.inner_text()


def metadata_row(page: "Page", name: str) -> "Locator":
    """Return the row of an asset's metadata with this name."""
    return page.get_by_role("row").filter(has=page.get_by_text(name, exact=True)).first


def open_picture(page: "Page", name: str) -> "Locator":
    """Open the picture in an asset's metadata; long Markdown is shown on demand."""
    metadata_row(page, name).get_by_text("Show Markdown").click()
    picture = page.get_by_role("dialog").locator("img")
    picture.wait_for()
    return picture
