"""Check a release with nothing but the release: on any machine, without unpickling anything."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from transforms.errors import IntegrityError
from transforms.files import sha256_file
from transforms.manifest import MANIFEST_NAME, Problem, directory_version, read_manifest
from transforms.progress import NoProgress, Progress
from transforms.release.build import FACTS_NAME, SUMS_NAME
from transforms.release.damage import name_affected
from transforms.release.verify_tree import (
    MAX_DOCUMENT_BYTES,
    Tree,
    find_clashes,
    make_printable,
    survey_tree,
)
from transforms.shards.integrity import check_files, listed_hashes

RELEASE_KIND: Final = "dataset_release"
WHAT_TO_GIVE: Final = f"give the folder that holds the release's {MANIFEST_NAME}"
"""What to do about a folder that is no release."""
_DATASET_MANIFEST: Final = "lineage/dataset.json"


def verify_release(
    directory: Path, *, version: str | None = None, progress: Progress | None = None
) -> list[Problem]:
    """Return every problem of a release; an empty list means that it is whole.

    Every file is hashed and compared with `manifest.json`; the manifest itself is compared with
    `SHA256SUMS`, with the facts among the files and with the dataset's own manifest. Damaged shards
    are looked into for the sequences that are hit. Facts that the caller of `build_release` added
    to the manifest behind its back, and a release that somebody changed and listed anew, can only
    be told by the version, the sha256 of `manifest.json`.

    Args:
        directory: the release.
        version: the version it should be, as it was published elsewhere.
        progress: advanced once per file that is hashed, then per shard that is looked into.

    Raises:
        InputError: it is no directory.
    """
    progress = progress or NoProgress()
    tree = survey_tree(directory)
    problems = list(tree.problems)
    if tree.is_complete:
        problems += _judge_manifest(directory, tree)
        if all(problem.path != MANIFEST_NAME for problem in problems):
            problems = _compare(directory, problems, tree, version, progress)
    return [make_printable(problem) for problem in problems]


def _compare(
    directory: Path, known: list[Problem], tree: Tree, version: str | None, progress: Progress
) -> list[Problem]:
    """Add to what is known how a release differs from its manifest, and that from its lists."""
    special = {problem.path for problem in tree.problems}
    differing = [
        problem
        for problem in check_files(directory, deep=True, progress=progress)
        if problem.path not in special
    ]
    problems = [*known, *_recognise_moved(directory, tree, differing)]
    problems = name_affected(directory, problems, progress)
    found = directory_version(directory)
    if version is not None and found != version:
        problems.append(Problem(MANIFEST_NAME, "version", version, found))
    return [
        *problems,
        *_check_manifest(directory, tree),
        *_check_sums(directory, tree),
        *_check_dataset_manifest(directory, tree),
    ]


def _judge_manifest(directory: Path, tree: Tree) -> list[Problem]:
    """Return why a release's manifest can't be gone by."""
    size = tree.files.get(MANIFEST_NAME)
    if size is None:
        return [Problem(MANIFEST_NAME, "missing", "a manifest", "no regular file")]
    if size > MAX_DOCUMENT_BYTES:
        limit = f"at most {MAX_DOCUMENT_BYTES} bytes"
        return [Problem(MANIFEST_NAME, "limit", limit, f"{size} bytes")]
    try:
        manifest = read_manifest(directory)
    except IntegrityError as error:
        outside = _find_outside(directory)
        expected = "paths inside the release" if outside else error.expected or "one as published"
        found = outside or (f"{error.what}: {error.found}" if error.found else error.what)
        return [Problem(MANIFEST_NAME, "manifest", expected, found)]
    return find_clashes(entry["path"] for entry in manifest["files"])


def _find_outside(directory: Path) -> str | None:
    """Return a path in a refused manifest that leads out of the release."""
    manifest = _parse(directory / MANIFEST_NAME)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    for entry in files if isinstance(files, list) else []:
        path = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/")):
            return path
    return None


def _recognise_moved(directory: Path, tree: Tree, problems: list[Problem]) -> list[Problem]:
    """Say of a file that is not what its name says whether its bytes are those of another."""
    name_of = {digest: name for name, digest in reversed(listed_hashes(directory).items())}
    sizes = {entry["bytes"] for entry in read_manifest(directory)["files"]}
    explained = []
    lies_in: dict[str, str] = {}
    for problem in problems:
        digest = problem.found if problem.kind == "sha256" else None
        if problem.kind == "extra" and problem.path not in tree.files:
            problem = replace(problem, found="a symbolic link")
        elif problem.kind in ("size", "extra") and tree.files.get(problem.path) in sizes:
            with contextlib.suppress(OSError):  # it may not be readable
                digest = sha256_file(directory / problem.path)
        owner = name_of.get(digest) if digest else None
        if owner is not None:
            lies_in[owner] = problem.path
            problem = replace(problem, found=f"the bytes of {owner}")
        explained.append(problem)
    return [
        replace(problem, found=f"no file; its bytes are in {lies_in[problem.path]}")
        if problem.kind == "missing" and problem.path in lies_in
        else problem
        for problem in explained
    ]


def _check_manifest(directory: Path, tree: Tree) -> list[Problem]:
    """Compare the manifest with the facts among the files."""
    manifest = read_manifest(directory)
    problems = []
    if manifest.get("kind") != RELEASE_KIND:
        problems.append(Problem(MANIFEST_NAME, "manifest", RELEASE_KIND, str(manifest.get("kind"))))
    facts = _read_json(directory, FACTS_NAME, tree)
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


def _check_sums(directory: Path, tree: Tree) -> list[Problem]:
    """Compare `SHA256SUMS` with the manifest; the files themselves are hashed already."""
    if not _is_readable(SUMS_NAME, tree):
        return [Problem(SUMS_NAME, "sums", "a readable list", "none")]
    try:
        lines = (directory / SUMS_NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [Problem(SUMS_NAME, "sums", "a readable list", str(error))]
    found = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    expected = listed_hashes(directory)
    expected.pop(SUMS_NAME, None)
    problems = [
        Problem(name, "sums", expected.get(name, "not listed"), found.get(name, "not listed"))
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
    if len(lines) != len(found):
        problems.append(Problem(SUMS_NAME, "sums", f"{len(found)} lines", f"{len(lines)} lines"))
    return problems


def _check_dataset_manifest(directory: Path, tree: Tree) -> list[Problem]:
    """Hold the shards against the manifest of the dataset version they are said to be."""
    dataset = _read_json(directory, _DATASET_MANIFEST, tree)
    expected = listed_hashes(directory)
    try:
        listed: Mapping[str, Any] = {str(e["path"]): e["sha256"] for e in dataset["files"]}
    except (TypeError, KeyError):
        return [Problem(_DATASET_MANIFEST, "lineage", "the dataset's manifest", "none")]
    version = read_manifest(directory)["facts"].get("dataset_version")
    problems = []
    if version != expected.get(_DATASET_MANIFEST):
        problems.append(Problem(_DATASET_MANIFEST, "lineage", str(version), "another version"))
    shards = {name for name in expected if name.startswith(("sequences/", "webdataset/"))}
    shards |= {name for name in listed if name.startswith(("sequences/", "webdataset/"))}
    return problems + [
        Problem(name, "lineage", str(listed.get(name, "no file")), expected.get(name, "no file"))
        for name in sorted(shards | {"index.parquet"})
        if listed.get(name) != expected.get(name)
    ]


def _is_readable(name: str, tree: Tree) -> bool:
    return tree.files.get(name, MAX_DOCUMENT_BYTES + 1) <= MAX_DOCUMENT_BYTES


def _read_json(directory: Path, name: str, tree: Tree) -> Any:  # plain JSON values or None
    return _parse(directory / name) if _is_readable(name, tree) else None


def _parse(path: Path) -> Any:  # plain JSON values, None where unreadable
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
