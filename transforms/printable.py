"""Text that came with data, for a terminal or a table: nothing in it moves a cursor."""


def escape(text: str) -> str:
    """Return a text with control, direction and other invisible characters in letters."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def shorten(text: str, most: int) -> str:
    """Return a text of at most so many characters, escaped."""
    return escape(text if len(text) <= most else text[: most - 1] + "…")
