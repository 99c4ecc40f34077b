"""Check a release with nothing but the release: on any machine, without unpickling anything."""

import json
from pathlib import Path
from typing import Any, Final

from transforms.manifest import MANIFEST_NAME, Problem, read_manifest
from transforms.release.build import FACTS_NAME, SUMS_NAME
from transforms.shards.integrity import (
    check_files,
    listed_hashes,
    name_sequences,
)
from transforms.shards.verify import sequences_by_shard

RELEASE_KIND: Final = "dataset_release"
_DATASET_MANIFEST: Final = "lineage/dataset.json"


def verify_release(directory: Path) -> list[Problem]:
    """Return every problem of a release; an empty list means that it is whole.

    Every file is hashed and compared with `manifest.json`; the manifest itself is compared with
    `SHA256SUMS`, with the facts among the files and with the dataset's own manifest. Facts that the
    caller of `build_release` added to the manifest behind its back can only be checked against the
    version of the release, the sha256 of `manifest.json`.

    Args:
        directory: the release.
    """
    problems = check_files(directory, deep=True)
    if any(problem.path == MANIFEST_NAME for problem in problems):
        return problems
    problems = name_sequences(problems, sequences_by_shard(directory))
    return [
        *problems,
        *_check_manifest(directory),
        *_check_sums(directory),
        *_check_dataset_manifest(directory),
    ]


def _check_manifest(directory: Path) -> list[Problem]:
    """Compare the manifest with the facts among the files."""
    manifest = read_manifest(directory)
    problems = []
    if manifest.get("kind") != RELEASE_KIND:
        problems.append(Problem(MANIFEST_NAME, "manifest", RELEASE_KIND, str(manifest.get("kind"))))
    facts = _read_json(directory / FACTS_NAME)
    if not isinstance(facts, dict):
        return [*problems, Problem(FACTS_NAME, "manifest", "the release's facts", "none")]
    rows = {entry["path"]: entry["rows"] for entry in manifest["files"] if "rows" in entry}
    found = manifest["facts"] | {"rows": rows}
    for name in sorted(facts.keys() | (found.keys() - {"lineage"})):
        if name not in facts or name not in found or facts[name] != found[name]:
            problems.append(
                Problem(MANIFEST_NAME, "manifest", f"{name} as in {FACTS_NAME}", "another")
            )
    return problems


def _check_sums(directory: Path) -> list[Problem]:
    """Compare `SHA256SUMS` with the manifest; the files themselves are hashed already."""
    try:
        lines = (directory / SUMS_NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [Problem(SUMS_NAME, "sums", "a readable list", str(error))]
    found = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    expected = listed_hashes(directory)
    expected.pop(SUMS_NAME, None)
    return [
        Problem(name, "sums", expected.get(name, "not listed"), found.get(name, "not listed"))
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]


def _check_dataset_manifest(directory: Path) -> list[Problem]:
    """Hold the shards against the manifest of the dataset version they are said to be."""
    dataset = _read_json(directory / _DATASET_MANIFEST)
    expected = listed_hashes(directory)
    try:
        listed = {entry["path"]: entry["sha256"] for entry in dataset["files"]}
    except (TypeError, KeyError):
        return [Problem(_DATASET_MANIFEST, "lineage", "the dataset's manifest", "none")]
    version = read_manifest(directory)["facts"].get("dataset_version")
    problems = []
    if version != expected.get(_DATASET_MANIFEST):
        problems.append(Problem(_DATASET_MANIFEST, "lineage", str(version), "another version"))
    shards = {name for name in expected if name.startswith(("sequences/", "webdataset/"))}
    shards |= {name for name in listed if name.startswith(("sequences/", "webdataset/"))}
    return problems + [
        Problem(name, "lineage", listed.get(name, "no file"), expected.get(name, "no file"))
        for name in sorted(shards | {"index.parquet"})
        if listed.get(name) != expected.get(name)
    ]


def _read_json(path: Path) -> Any:  # plain JSON values, None where unreadable
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
