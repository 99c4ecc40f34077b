"""What somebody who typed a name that is not known may have meant."""

from collections.abc import Collection
from difflib import get_close_matches


def suggest(name: str, known: Collection[str], *, otherwise: str) -> str:
    """Return a question that names what is meant by a part or a misspelling, or `otherwise`."""
    meant = [one for one in known if name and name in one] or get_close_matches(name, known, n=1)
    return f"did you mean {' or '.join(meant)}?" if meant else otherwise
