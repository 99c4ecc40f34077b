"""What must hold before anything is released; every reason against it is collected, then said.

The gates look at exactly the tables and documents that the release will copy.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from transforms.errors import RefusalError
from transforms.files import sha256_file
from transforms.manifest import list_files
from transforms.release.inputs import (
    METRICS_NAME,
    PROOF_NAME,
    SPLIT_NAME,
    ReleaseInputs,
    ReleaseMaterial,
)
from transforms.release.privacy import (
    find_identifying,
    is_raw_file,
    judge_participant_id,
    list_texts,
)
from transforms.shards.integrity import check_files
from transforms.shards.verify import verify_dataset

_SHOWN: Final = 20
_EXPERIMENT_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
)


def refuse_unsound_inputs(inputs: ReleaseInputs) -> None:
    """Refuse inputs that are damaged or hold files that must never leave.

    Raises:
        RefusalError: names every file and why.
    """
    reasons = [f"dataset: {problem}" for problem in verify_dataset(inputs.dataset_dir)]
    for directory in (inputs.splits_dir, *inputs.evaluation_dirs):
        reasons += [f"{directory}: {problem}" for problem in check_files(directory, deep=True)]
    for directory in (inputs.dataset_dir, inputs.splits_dir, *inputs.evaluation_dirs):
        reasons += [
            f"{path.relative_to(directory)}: a video, picture or pickle must not be released"
            for path in list_files(directory)
            if is_raw_file(path.name)
        ]
    _refuse(reasons, fix="build the stage it names again")


def refuse_unfit_content(inputs: ReleaseInputs, material: ReleaseMaterial) -> None:
    """Refuse a leaky split, results of something else, and text that could identify somebody.

    Raises:
        RefusalError: names every record and why.
    """
    reasons = [
        *_check_split(material),
        *_check_results(inputs, material),
        *_check_participant_ids(material.index),
        *_check_tables(material),
        *_check_documents(material),
    ]
    _refuse(reasons, fix="correct the records at their source, take them in and build again")


def _refuse(reasons: Sequence[str], *, fix: str) -> None:
    if not reasons:
        return
    more = len(reasons) - _SHOWN
    lines = [*reasons[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    raise RefusalError(
        f"{len(reasons)} reason(s) against this release:\n  " + "\n  ".join(lines) + "\n", fix=fix
    )


def _check_split(material: ReleaseMaterial) -> Iterator[str]:
    from transforms.audit.checks import audit_split, judge_for_release

    versions = sorted(material.split["dataset_version"].unique().to_list())
    if versions != [material.dataset_version]:
        found = ", ".join(versions) or "none"
        yield f"split: made for dataset version {found}, this is {material.dataset_version}"
    findings = audit_split(
        material.split, material.index, material.near_duplicates, material.participants
    )
    for finding in judge_for_release(findings):
        if finding.severity == "error":
            yield f"split: {finding}"


def _check_results(inputs: ReleaseInputs, material: ReleaseMaterial) -> Iterator[str]:
    expected = {
        "dataset_version": material.dataset_version,
        "split_sha256": sha256_file(inputs.splits_dir / SPLIT_NAME),
    }
    names = [str(metrics.get("experiment", "")) for metrics in material.results]
    for directory, name, metrics in zip(
        inputs.evaluation_dirs, names, material.results, strict=True
    ):
        if not name or not set(name) <= _EXPERIMENT_CHARACTERS:
            yield f"{directory}/{METRICS_NAME}: {name!r} is no name for an experiment"
        if names.count(name) > 1:
            yield f"{directory}/{METRICS_NAME}: experiment {name} is there more than once"
        for key, value in expected.items():
            if metrics.get(key) != value:
                yield f"experiment {name}: {key} is {metrics.get(key)}, this is {value}"


def _check_participant_ids(index: pl.DataFrame) -> Iterator[str]:
    for participant_id in index["participant_id"].unique().sort():
        if reason := judge_participant_id(participant_id):
            yield f"participant {participant_id}: the id {reason}"


def _check_tables(material: ReleaseMaterial) -> Iterator[str]:
    tables = {"index": material.index, "frames": material.frames, "split": material.split}
    for table, frame in tables.items():
        for column, kind in frame.schema.items():
            # Pseudonyms have rules of their own, stricter than those for text.
            if kind != pl.String or column == "participant_id":
                continue
            for value in frame[column].drop_nulls().unique().sort():
                if what := find_identifying(value):
                    row = frame.filter(pl.col(column) == value).row(0, named=True)
                    record = row.get("sequence_id") or row["recording_id"]
                    yield f"{table}, {column} of {record}: {value!r} looks like {what}"


def _check_documents(material: ReleaseMaterial) -> Iterator[str]:
    documents: dict[str, Any] = {  # plain JSON values
        PROOF_NAME: material.proof,
        "the dataset's manifest": material.dataset_manifest,
        "settings": material.settings,
    }
    documents |= {f"{METRICS_NAME} of {m.get('experiment')}": m for m in material.results}
    for name, document in documents.items():
        for place, text in list_texts(document):
            if what := find_identifying(text):
                yield f"{name}, {place}: {text!r} looks like {what}"
