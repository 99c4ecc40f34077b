"""Who made a release, under which licence, and how to cite it, in each form that asks for it."""

from typing import Any, Final

import yaml

from transforms.release.settings import ReleaseSettings

LICENCES: Final = {
    "CC0-1.0": "Creative Commons Zero v1.0 Universal",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
    "CC-BY-SA-4.0": "Creative Commons Attribution-ShareAlike 4.0 International",
    "CC-BY-NC-4.0": "Creative Commons Attribution-NonCommercial 4.0 International",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
    "CC-BY-NC-ND-4.0": "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International",
}


def licence_url(release: ReleaseSettings) -> str:
    """Return where the licence can be read."""
    return f"https://spdx.org/licenses/{release.licence}.html"


def encode_licence(release: ReleaseSettings) -> str:
    """Return `LICENSE`: a notice, as the full text is at a known place."""
    return (
        f"{release.title}, version {release.version}\n"
        f"by {join_creators(release)}\n\n"
        f"The data in this directory are licensed under: "
        f"{LICENCES.get(release.licence, release.licence)}\n"
        f"SPDX-License-Identifier: {release.licence}\n"
        f"Full text: {licence_url(release)}\n"
    )


def encode_citation(release: ReleaseSettings) -> str:
    """Return `CITATION.cff`, which GitHub, Zenodo and reference managers read."""
    values: dict[str, Any] = {  # `Any`: plain YAML values
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them as below.",
        "type": "dataset",
        "title": release.title,
        "version": release.version,
        "date-released": release.date,
        "license": release.licence,
        "authors": [
            {"name": name} if person is None else _cff_person(*person)
            for name, person in map(_split_name, release.creators)
        ],
    }
    return dump_yaml(values | ({"url": release.url} if release.url else {}))


def encode_bibtex(release: ReleaseSettings) -> str:
    """Return a BibTeX entry on one line."""
    fields = {
        # Braces keep a name of several words whole; `Family, Given` is BibTeX's own form.
        "author": " and ".join(
            _escape(name) if person else f"{{{_escape(name)}}}"
            for name, person in map(_split_name, release.creators)
        ),
        "title": f"{{{_escape(release.title)}}}",
        "year": release.date[:4],
        "version": release.version,
    } | ({"url": release.url} if release.url else {})
    key = f"gait_silhouettes_{release.version.replace('.', '_')}"
    return f"@dataset{{{key}, " + ", ".join(f"{k} = {{{v}}}" for k, v in fields.items()) + "}"


def describe_creators(release: ReleaseSettings) -> list[dict[str, str]]:
    """Return the creators in schema.org's words."""
    return [
        {"@type": "sc:Organization", "name": name}
        if person is None
        else {
            "@type": "sc:Person",
            "name": " ".join(reversed(person)),
            "familyName": person[0],
            "givenName": person[1],
        }
        for name, person in map(_split_name, release.creators)
    ]


def join_creators(release: ReleaseSettings) -> str:
    """Return all creators in one line, people with their given names first."""
    return ", ".join(entry["name"] for entry in describe_creators(release))


def dump_yaml(values: dict[str, Any]) -> str:
    """Return plain values as YAML, in the order they come."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _split_name(name: str) -> tuple[str, tuple[str, str] | None]:
    """Return a name and, where it is written `Family, Given`, these two."""
    family, comma, given = (part.strip() for part in name.partition(","))
    return name, ((family, given) if comma and family and given else None)


def _cff_person(family: str, given: str) -> dict[str, str]:
    return {"family-names": family, "given-names": given}


def _escape(text: str) -> str:
    return "".join(f"\\{one}" if one in "&%$#_" else one for one in text if one not in "{}\\")
