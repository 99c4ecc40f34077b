"""Which addresses weights may come from: encrypted ones, or this very machine."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from transforms.errors import RefusalError

_PRINTABLE: Final = re.compile(r"[!-~]+")


def refuse_address(url: str) -> str | None:
    """Return why weights must not be fetched from `url`, or None where they may."""
    try:
        parts = _split(url)
    except ValueError:
        return "not a valid address"
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong into an address"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_local(parts)):
        return None
    return "only https is allowed (http on this machine alone)"


def is_loopback(url: str) -> bool:
    """Say whether an address leads to this very machine."""
    try:
        return _is_local(_split(url))
    except ValueError:
        return False


def follow_redirect(registered: str, url: str, location: str) -> str:
    """Return where a redirect from `url` leads, if that is allowed.

    A server elsewhere has no business with the services of this machine, so only addresses of this
    machine lead to it.

    Raises:
        RefusalError: it leads to an address that `refuse_address` refuses, or to this machine
            although the `registered` address does not.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    reason = refuse_address(target)
    if reason is None and is_loopback(target) and not is_loopback(registered):
        reason = "this machine itself"
    if reason is not None:
        raise RefusalError(
            f"the server leads to an address that is not allowed: {reason}",
            where=registered,
            found=_site_of(target),
            fix="correct `url` in weights.toml, or bring the file with `--from DIR`",
        )
    return target


def _site_of(url: str) -> str:
    """Return scheme and host alone: the rest of an address may hold a token."""
    try:
        parts = _split(url)
    except ValueError:
        return "an invalid address"
    return f"{parts.scheme}://{parts.hostname}"


def _split(url: str) -> SplitResult:
    # `urlsplit` quietly drops line breaks and tabs.
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("characters that no address holds")
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:  # reading the port also checks it
        raise ValueError("no host")
    return parts


def _is_local(parts: SplitResult) -> bool:
    if parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
