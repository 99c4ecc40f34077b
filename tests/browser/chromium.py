"""Debian's Chromium, driven by Playwright, with no way out of this machine."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

VARIABLE = "GAITWORKS_CHROMIUM"
MISSING = (
    f"NO CHROMIUM, SO NOTHING WAS TRIED IN A BROWSER: install the package `chromium`, or name a "
    f"browser in {VARIABLE}"
)
_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Behind Playwright's own refusal: what the browser asks for on its own finds no host either.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_OUTSIDE = re.compile(r"^(?!(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:|chrome)")
_WAIT_MS = 60_000


def find_chromium() -> str | None:
    """Return the browser's path: the environment's choice, or what is installed."""
    return os.environ.get(VARIABLE) or shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Browser:
    """An open browser, and every address outside this machine that a page asked for."""

    context: "BrowserContext"
    outside: list[str] = field(default_factory=list)

    def new_page(self) -> "Page":
        """Open a tab."""
        page = self.context.new_page()
        page.set_default_timeout(_WAIT_MS)
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))
        return page

    def _note(self, url: str) -> None:
        if _OUTSIDE.match(url):
            self.outside.append(url)


@contextmanager
def open_browser(
    profile: Path, *, width: int = 1280, height: int = 800, keeps_cache: bool = False
) -> Iterator[Browser]:
    """Open Chromium on a fresh profile.

    Args:
        profile: an empty folder.
        width: of a page, in pixels.
        height: of a page, in pixels.
        keeps_cache: let the browser reuse what it loaded, as a person's does. Playwright switches
            that off where it refuses requests, so then only the resolver's rule refuses them.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=find_chromium(),
            headless=True,
            args=list(_SWITCHES),
            viewport={"width": width, "height": height},
        )
        if not keeps_cache:
            context.route(_OUTSIDE, lambda route: route.abort())
        try:
            yield Browser(context)
        finally:
            context.close()
