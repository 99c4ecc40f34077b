"""What must hold before anything is released; every reason against it is collected, then said.

The gates look at exactly the tables and documents that the release will copy.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl

from transforms.audit.findings import Check
from transforms.dual_view.verify import find_broken_clips
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
from transforms.release.models import MODEL_NAME
from transforms.release.pictures import find_pictures
from transforms.release.privacy import (
    DATE,
    EMAIL,
    PERSON,
    TELEPHONE,
    find_identifying,
    is_raw_file,
    judge_participant_ids,
    list_texts,
)
from transforms.release.settings import ReleaseSettings
from transforms.shards.integrity import check_files
from transforms.shards.verify import verify_dataset

_SHOWN: Final = 20
_EXPERIMENT_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
)
# What is asked for may be said: the days of the collection, whom to write to.
_CONTACT: Final = (EMAIL, TELEPHONE, PERSON)
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "creators": (PERSON,),
    "answers.creators": (PERSON,),
    "answers.collectors": (PERSON,),
    "answers.contact": _CONTACT,
    "answers.contributions": _CONTACT,
    "answers.erratum": (*_CONTACT, DATE),
    "answers.ethics": (*_CONTACT, DATE),
    "answers.maintainer": _CONTACT,
    "answers.revocation": _CONTACT,
    "answers.timeframe": (DATE,),
    "answers.updates": (DATE,),
    "answers.when": (DATE,),
}
_OF_SETTINGS: Final = ("settings, ", "lineage, params")  # reasons that params.yaml gives
_RECORD_KEYS: Final = ("sequence_id", "clip_id", "recording_id")
_VERSION: Final = re.compile(r"\b20\d\d\.(?:1[0-2]|[1-9])\.\d+\b")  # of releases; looks like a date


def refuse_unsound_inputs(inputs: ReleaseInputs) -> None:
    """Refuse inputs that are damaged or hold files that must never leave.

    Raises:
        RefusalError: names every file and why.
    """
    reasons = [f"dataset: {problem}" for problem in verify_dataset(inputs.dataset_dir)]
    for directory in (inputs.splits_dir, *inputs.evaluation_dirs, *inputs.model_dirs):
        reasons += [f"{directory}: {problem}" for problem in check_files(directory, deep=True)]
    for directory in (inputs.dataset_dir, inputs.splits_dir, *inputs.evaluation_dirs):
        reasons += [
            f"{path.relative_to(directory)}: a video, picture or pickle must not be released"
            for path in list_files(directory)
            if is_raw_file(path.name)
        ]
    released = (inputs.dataset_dir, inputs.splits_dir, *inputs.evaluation_dirs, *inputs.model_dirs)
    for directory in released:
        reasons += [f"{directory.name}/{what}" for what in find_pictures(directory)]
    if inputs.clips_dir is not None:
        # Pictures may lie there, in their folder, which is left behind; the tables must hold none.
        reasons += [
            f"clips: {what}" for what in find_broken_clips(inputs.clips_dir, inputs.dataset_dir)
        ]
        reasons += [f"clips: {what}" for what in check_files(inputs.clips_dir, deep=True)]
    _refuse(reasons, fix="build the stage it names again")


def refuse_unfit_content(
    inputs: ReleaseInputs, material: ReleaseMaterial, audits: Mapping[str, Sequence[Check]]
) -> None:
    """Refuse a leaky split, results of something else, and text that could identify somebody.

    Args:
        inputs: where the parts of the release lie, and what it says of itself.
        material: what was read of them.
        audits: what `transforms.release.audit.audit_release` returns of each split, by its name.

    Raises:
        RefusalError: names every record and why.
    """
    reasons = [
        *_check_splits(material, audits),
        *_check_results(inputs, material),
        *_check_participant_ids(material.index),
        *_check_tables(material),
        *_check_documents(inputs, material),
        *_check_release(inputs.release),
    ]
    _refuse(reasons, fix=_advise(reasons))


def _advise(reasons: Sequence[str]) -> str:
    of_settings = [reason.startswith(_OF_SETTINGS) for reason in reasons]
    if all(of_settings):
        return "correct params.yaml and build again"
    fix = "correct the records at their source, take them in and build again"
    return f"correct params.yaml where settings are named; {fix}" if any(of_settings) else fix


def _refuse(reasons: Sequence[str], *, fix: str) -> None:
    if not reasons:
        return
    more = len(reasons) - _SHOWN
    lines = [*reasons[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    raise RefusalError(
        f"{len(reasons)} reason(s) against this release:\n  " + "\n  ".join(lines) + "\n", fix=fix
    )


def _check_splits(
    material: ReleaseMaterial, audits: Mapping[str, Sequence[Check]]
) -> Iterator[str]:
    versions = sorted(material.split["dataset_version"].unique().to_list())
    if versions != [material.dataset_version]:
        found = ", ".join(versions) or "none"
        yield f"split: made for dataset version {found}, this is {material.dataset_version}"
    for name, checks in audits.items():
        for finding in (finding for check in checks for finding in check.findings):
            if finding.severity == "error":
                yield f"{name}: {finding}"


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
    for name, card in material.models.items():
        if name not in names:
            yield f"{MODEL_NAME} of {name}: there is no result of that experiment"
        for key, value in expected.items():
            if card.get(key) != value:
                yield f"{MODEL_NAME} of {name}: {key} is {card.get(key)}, this is {value}"


def _check_participant_ids(index: pl.DataFrame) -> Iterator[str]:
    for participant_id, reason in judge_participant_ids(index["participant_id"].unique()):
        yield f"participant {participant_id}: the id {reason}"


def _check_tables(material: ReleaseMaterial) -> Iterator[str]:
    tables = {"index": material.index, "frames": material.frames, "split": material.split}
    tables |= {"clips": material.clips}
    for table, frame in tables.items():
        for column, kind in frame.schema.items():
            # Pseudonyms have rules of their own, stricter than those for text.
            if kind != pl.String or column == "participant_id":
                continue
            for value in frame[column].drop_nulls().unique().sort():
                if what := find_identifying(value):
                    row = frame.filter(pl.col(column) == value).row(0, named=True)
                    record = next(row[key] for key in _RECORD_KEYS if row.get(key))
                    yield f"{table}, {column} of {record}: {value!r} looks like {what}"


def _check_documents(inputs: ReleaseInputs, material: ReleaseMaterial) -> Iterator[str]:
    lineage = dict(inputs.lineage)
    if isinstance(lineage.get("params"), dict):
        lineage["params"] = _without_release(lineage["params"])
    documents: dict[str, Any] = {  # plain JSON values
        PROOF_NAME: material.proof,
        "the dataset's manifest": material.dataset_manifest,
        "settings": _without_release(material.settings),
        "lineage": lineage,
    }
    documents |= {f"{PROOF_NAME} of {s.protocol}": s.proof for s in material.further_splits}
    documents |= {f"{METRICS_NAME} of {m.get('experiment')}": m for m in material.results}
    documents |= {f"{MODEL_NAME} of {name}": card for name, card in material.models.items()}
    for name, document in documents.items():
        for place, text in list_texts(document):
            if what := find_identifying(text):
                yield f"{name}, {place}: {text!r} looks like {what}"


def _without_release(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without the release's own words, which have rules of their own."""
    return {name: values for name, values in sections.items() if name != "release"}


def _check_release(release: ReleaseSettings) -> Iterator[str]:
    """Yield what must not stand in the release's own words; names may where they are asked for."""
    texts = {"title": release.title, "description": release.description, "url": release.url or ""}
    texts |= {f"creators[{number}]": name for number, name in enumerate(release.creators)}
    texts |= {f"answers.{key}": answer for key, answer in release.answers.items()}
    for place, text in texts.items():
        allowed = _ALLOWED.get(place.partition("[")[0], ())
        if what := find_identifying(_VERSION.sub("", text), allowed=allowed):
            yield f"settings, release.{place}: {text!r} looks like {what}"
