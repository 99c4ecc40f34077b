"""What must not appear in anything that leaves: names, contacts, dates, paths, raw files.

The rules look for what is recognisable. They cannot know every name; they refuse ids that are not
made like pseudonyms, and text that looks like what people paste by mistake.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

# Hashes hold any run of digits by chance, and identify nobody who has not the hashed file.
_DIGEST: Final = re.compile(r"[0-9a-f]{32,128}")
_YEAR: Final = r"(?:19|20)\d\d"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_DAY: Final = r"(?:0[1-9]|[12]\d|3[01])"
_LOOSE_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_LOOSE_MONTH: Final = r"(?:0?[1-9]|1[0-2])"
_RAW_SUFFIXES: Final = (
    "mp4|m4v|mov|avi|mkv|webm|wmv|flv|mpe?g|mts|3gp|h26[45]|yuv|"
    "png|jpe?g|gif|bmp|tiff?|webp|heic|dng|raw|"
    "pkl|pickle|pyd|pt|pth|npz"
)
_PATTERNS: Final = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    "a date": re.compile(
        rf"(?<!\d){_YEAR}[-/._]{_LOOSE_MONTH}[-/._]{_LOOSE_DAY}(?!\d)"
        rf"|(?<!\d){_LOOSE_DAY}[-/._]{_LOOSE_MONTH}[-/._]{_YEAR}(?!\d)"
        rf"|(?<!\d){_YEAR}{_MONTH}{_DAY}(?!\d)"
        rf"|(?<!\d){_DAY}{_MONTH}{_YEAR}(?!\d)"
    ),
    "a telephone number": re.compile(r"(?<![\w.])(?:\+\d[\d ()/-]{6,}\d|\d{9,15})(?![\w.])"),
    "an absolute path": re.compile(
        r"(?:^|[\s\"'=(,;>])(?:/[\w.+-]+){2,}|^/|(?<!\w)[A-Za-z]:[\\/]|\\\\\w|\bfile:/|(?<!\w)~/"
    ),
    "the name of a raw file": re.compile(rf"\w\.(?:{_RAW_SUFFIXES})(?!\w)", re.IGNORECASE),
}
_WORD: Final = "sub|subject|participant|patient|person|proband|id|pid"
_PSEUDONYM: Final = re.compile(
    rf"(?:{_WORD}|[a-z]{{1,3}})?[-_]?"
    r"(?:[0-9a-f]{8,32}|[0-9]+(?:[-_]?[a-z]{0,2}[0-9]+)*[a-z]{0,2})"
    rf"|(?:(?:{_WORD})[-_]?|[a-z]{{1,3}}[-_]|[a-z])?(?=[a-f]*[0-9])[0-9a-f]{{4,32}}",
    re.IGNORECASE,
)
_REGISTER_NUMBER: Final = re.compile(r"\D*[0-9](?:[-_]?[0-9]){8,}\D*")
_RAW_FILE: Final = re.compile(rf".*\.(?:{_RAW_SUFFIXES})", re.IGNORECASE)


def find_identifying(text: str) -> str | None:
    """Return what in `text` could identify a person or a machine, or None."""
    if _DIGEST.fullmatch(text):
        return None
    for what, pattern in _PATTERNS.items():
        if pattern.search(text):
            return what
    return None


def judge_participant_id(participant_id: str) -> str | None:
    """Return why an id is not a pseudonym, or None.

    A pseudonym is hexadecimal digits, or digits with at most two letters between them, after an
    optional prefix such as `sub-`, `P` or the three letters of a site.
    """
    if found := find_identifying(participant_id):
        return f"looks like {found}"
    if _REGISTER_NUMBER.fullmatch(participant_id):
        return "looks like a telephone or register number"
    if not _PSEUDONYM.fullmatch(participant_id):
        return "is not made like a pseudonym (a name?)"
    return None


def is_raw_file(name: str) -> bool:
    """Tell whether a file's name is that of a video, a picture or a pickle."""
    return _RAW_FILE.fullmatch(name) is not None


def list_texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield `(place, text)` of every key and text in plain JSON values."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield place, str(key)
            yield from list_texts(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from list_texts(item, f"{place}[{number}]")
