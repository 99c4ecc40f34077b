"""Changes values of one section in the text of a `params.yaml`; everything else stays as it is.

Only the characters of the values are replaced, so that comments, order and spacing survive. What
YAML can say in other ways (anchors, flow mappings) is refused rather than guessed at.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from transforms.errors import SettingsError


def change_section(text: str, section: str, values: Mapping[str, str], *, where: object) -> str:
    """Return the text with the values of a section replaced, missing keys added at its end.

    Args:
        text: of a valid `params.yaml`.
        section: a top-level key; added at the end of the file where it is missing.
        values: key -> the value as YAML, on one line.
        where: the file, for messages.

    Raises:
        SettingsError: the section is not written as one `key: value` per line, or the new text
            would not say exactly what was asked for.
    """
    entries = _find_section(text, section, where)
    if entries is None:
        lines = "".join(f"  {key}: {value}\n" for key, value in values.items())
        ending = "" if text.endswith("\n") or not text else "\n"
        changed = f"{text}{ending}\n{section}:\n{lines}"
    else:
        changed = _replace(text, entries, values)
    _require_equal(text, changed, section, values, where)
    return changed


Pairs = list[tuple[yaml.ScalarNode, yaml.Node]]


def _find_section(text: str, section: str, where: object) -> Pairs | None:
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    if document is None:
        return None
    if isinstance(document, yaml.MappingNode):
        for key, value in document.value:
            if key.value != section:
                continue
            if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
                return list(value.value)
            raise _unreadable(where, section, "it is not a block of `key: value` lines")
        return None
    raise _unreadable(where, section, "the file is not a mapping of sections")


def _replace(text: str, entries: Pairs, values: Mapping[str, str]) -> str:
    found = {key.value: value for key, value in entries}
    added = [key for key in values if key not in found]
    if added:
        column = " " * entries[0][0].start_mark.column
        at = _end(entries[-1][1])
        # A comment behind the last value stays where it is.
        at += len(text[at:].partition("\n")[0].rstrip("\r"))
        lines = "".join(f"\n{column}{key}: {values[key]}" for key in added)
        text = text[:at] + lines + text[at:]
    for key, value in reversed(entries):
        if key.value in values:
            start, end = value.start_mark.index, _end(value)
            if text[start:end] != values[key.value]:
                blank = "" if text[start - 1] in " \n" else " "
                text = text[:start] + blank + values[key.value] + text[end:]
    return text


def _end(node: yaml.Node) -> int:
    """Return where a value's own characters end; a block's mark lies where the next key begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _require_equal(
    before: str, after: str, section: str, values: Mapping[str, str], where: object
) -> None:
    wanted: dict[str, Any] = yaml.safe_load(before) or {}  # `Any`: YAML values
    new = {key: yaml.safe_load(value) for key, value in values.items()}
    wanted[section] = {**wanted.get(section, {}), **new}
    try:
        found = yaml.safe_load(after)
    except yaml.YAMLError as error:
        raise _unreadable(where, section, str(error).splitlines()[0]) from error
    if found != wanted:
        raise _unreadable(where, section, "its values cannot be told apart from others")


def _unreadable(where: object, section: str, why: str) -> SettingsError:
    return SettingsError(
        f"`{section}` cannot be changed in place: {why}",
        where=where,
        fix=f"write `{section}` as one `key: value` per line, or edit it by hand",
    )
