"""What must not appear in anything that leaves: names, contacts, dates, paths, raw files.

The rules look for what is recognisable. They cannot know every name; they refuse ids that are not
made like pseudonyms, and text that looks like what people paste by mistake.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

# Hashes hold any run of digits by chance, and identify nobody who has not the hashed file.
_DIGEST: Final = re.compile(r"[0-9a-f]{32,128}")
_UUID: Final = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_YEAR: Final = r"(?:19|20)\d\d"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_DAY: Final = r"(?:0[1-9]|[12]\d|3[01])"
_LOOSE_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_LOOSE_MONTH: Final = r"(?:0?[1-9]|1[0-2])"
_TIME: Final = r"(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?"
_MONTH_NAME: Final = (  # English and German
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|ma[iy]|june?|juni|july?|juli"
    r"|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_RAW_SUFFIXES: Final = (
    "mp4|m4v|mov|avi|mkv|webm|wmv|flv|mpe?g|mts|m2ts|mxf|3gp|h26[45]|hevc|yuv|bag|"
    "png|jpe?g|gif|bmp|tiff?|webp|heic|dng|raw|jp2|"
    "pkl|pickle|joblib|pyd|pt|pth|npy|npz|h5|hdf5"
)
EMAIL: Final = "an e-mail address"
DATE: Final = "a date"
TELEPHONE: Final = "a telephone number"
PATH: Final = "a path"
PERSON: Final = "a person's name"
RAW_FILE: Final = "the name of a raw file"
_PATTERNS: Final = {
    EMAIL: re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    DATE: re.compile(
        rf"(?<!\d){_YEAR}[-/._]{_LOOSE_MONTH}[-/._]{_LOOSE_DAY}(?!\d)"
        rf"|(?<!\d){_LOOSE_DAY}[-/._]{_LOOSE_MONTH}[-/._]{_YEAR}(?!\d)"
        rf"|(?<!\d){_YEAR}{_MONTH}{_DAY}(?:{_TIME})?(?!\d)"
        rf"|(?<!\d){_DAY}{_MONTH}{_YEAR}(?!\d)"
        rf"|(?<![\d.-]){_YEAR}[-/_]{_MONTH}(?![\d.-])"
        rf"|(?<![\d.]){_DAY}\.{_MONTH}\.\d\d(?![\d.])"
        rf"|\b{_MONTH_NAME}\.?,? (?:{_LOOSE_DAY}(?:st|nd|rd|th)?,? )?{_YEAR}\b"
        rf"|(?<!\d){_LOOSE_DAY}\. {_MONTH_NAME}\b"
        # seconds or milliseconds since 1970, from 2014 on
        r"|(?<![0-9A-Za-z.])1[4-9]\d{8}(?:\d{3})?(?![0-9A-Za-z.])",
        re.IGNORECASE,
    ),
    TELEPHONE: re.compile(
        r"(?<![\w.])(?:\+\d[\d ()/-]{6,}\d|\d{9,15}|\(?0\d{1,4}\)?[ /-]\d[\d /-]{4,}\d"
        r"|\(?\d{3}\)?[ -]\d{3}[ -]\d{4})(?![\w.])"
    ),
    PATH: re.compile(
        r"(?:^|[\s\"'=(,;>])(?:/[\w.+-]+){2,}|^/|(?<!\w)[A-Za-z]:[\\/]|\\\w|\bfile:/|(?<!\w)~/"
        r"|(?<![\w.])\.\.?/\w|\b(?:raw|videos)/\w"
        r"|\b(?:s3|gs|gcs|az|abfss?|hdfs|smb|nfs|s?ftp|ssh)://"
    ),
    PERSON: re.compile(r"\b(?:Dr|Prof|Mr|Mrs|Ms|Herr|Frau)\.? +(?:[A-Z]\. *)*[A-ZÄÖÜ][a-zäöüß]"),
    RAW_FILE: re.compile(rf"\w\.(?:{_RAW_SUFFIXES})(?!\w)", re.IGNORECASE),
}
_WORD: Final = "sub|subject|participant|patient|person|proband|id|pid"
_PSEUDONYM: Final = re.compile(
    rf"(?:{_WORD}|[a-z]{{1,3}})?[-_]?"
    r"(?:[0-9a-f]{8,32}|[0-9]+(?:[-_]?[a-z]{0,2}[0-9]+)*[a-z]{0,2})"
    rf"|(?:(?:{_WORD})[-_]?|[a-z]{{1,3}}[-_]|[a-z])?(?=[a-f]*[0-9])[0-9a-f]{{4,32}}",
    re.IGNORECASE,
)
_REGISTER_NUMBER: Final = re.compile(r"\D*[0-9](?:[-_]?[0-9]){8,}\D*")
_COHORT: Final = 10  # of fewer ids, chance makes anything
_ALONE: Final = 3  # one or two sites may have one participant each
_DENSE: Final = 4  # a thousand random numbers of six digits lie a thousand apart
_LETTERS: Final = re.compile(r"([a-z]{2,3})[-_]?\d{1,6}", re.IGNORECASE)
_RANDOM: Final = re.compile(r"[a-z]?[0-9a-f]{8,}", re.IGNORECASE)
_COUNTED: Final = re.compile(r"(\D*)(\d{1,18})")
_RAW_FILE: Final = re.compile(rf".*\.(?:{_RAW_SUFFIXES})", re.IGNORECASE)


def find_identifying(text: str, *, allowed: Collection[str] = ()) -> str | None:
    """Return all that in `text` could identify a person or a machine, or None.

    Args:
        text: any text.
        allowed: kinds that may stand there, of `EMAIL`, `DATE`, `TELEPHONE`, `PATH`, `PERSON` and
            `RAW_FILE`.
    """
    if _DIGEST.fullmatch(text):
        return None
    text = _UUID.sub("", text)
    found = [
        what for what, pattern in _PATTERNS.items() if what not in allowed and pattern.search(text)
    ]
    return " and ".join(found) or None


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


def judge_participant_ids(participant_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each id that is not a random pseudonym, and why.

    Besides each id by itself, a cohort of ten or more is looked at as a whole: ids that count
    participants tell the order in which they came, and letters of their own may be initials.
    """
    ids = sorted(set(participant_ids))
    reasons = {one: reason for one in ids if (reason := judge_participant_id(one))}
    if len(ids) >= _COHORT:
        for one in _find_initials(ids):
            reasons.setdefault(one, "has letters that no other id has (initials?)")
        for one in _find_counted(ids):
            reasons.setdefault(one, "counts participants, it is not random")
    yield from sorted(reasons.items())


def _find_initials(ids: Sequence[str]) -> list[str]:
    owners: dict[str, list[str]] = {}
    for one in ids:
        # Letters that random hexadecimal digits begin with say nothing.
        if (found := _LETTERS.fullmatch(one)) and not _RANDOM.fullmatch(one):
            owners.setdefault(found[1].lower(), []).append(one)
    alone = [owned[0] for owned in owners.values() if len(owned) == 1]
    return alone if len(alone) >= _ALONE else []


def _find_counted(ids: Sequence[str]) -> list[str]:
    """Return the ids with one prefix whose numbers lie too close together to have been drawn."""
    groups: dict[str, dict[str, int]] = {}
    for one in ids:
        if found := _COUNTED.fullmatch(one):
            groups.setdefault(found[1].lower(), {})[one] = int(found[2])
    return [
        one
        for group in groups.values()
        if len(group) >= _COHORT and max(group.values()) - min(group.values()) < _DENSE * len(group)
        for one in group
    ]


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
