"""Build a release: what another person can verify, load and cite, from one dataset version.

Order of writing: the content, then `croissant.json`, which names all of it, then `SHA256SUMS` over
both, then (by the caller) `manifest.json` over everything. No list names itself or a later one.
"""

import shutil
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.audit.checks import Check
from transforms.dual_view.files import CLIPS_NAME, RELEASED_CLIPS_NAME
from transforms.errors import RefusalError
from transforms.files import canonical_json, sha256_bytes, sha256_file
from transforms.manifest import MANIFEST_NAME, directory_version, list_files
from transforms.release.audit import audit_release, describe_audit
from transforms.release.card import describe_limits
from transforms.release.croissant import CROISSANT_NAME, describe_croissant
from transforms.release.documents import render_documents
from transforms.release.further_splits import make_further_splits
from transforms.release.gates import refuse_unfit_content, refuse_unsound_inputs
from transforms.release.inputs import (
    METRICS_NAME,
    PROOF_NAME,
    SPLIT_NAME,
    ReleaseInputs,
    ReleaseMaterial,
    read_json,
)
from transforms.release.models import MODEL_NAME
from transforms.release.participants import (
    RELEASED_PARTICIPANTS,
    bin_participants,
    describe_columns,
    encode_participants,
)
from transforms.release.proof import redact_proof
from transforms.release.schema import describe_tables
from transforms.schemas import (
    CLIPS,
    FRAMES,
    NEAR_DUPLICATES,
    NEAR_DUPLICATES_NAME,
    PARTICIPANTS,
    SEQUENCE_INDEX,
    SPLIT,
    conform,
)
from transforms.shards.ledgers import read_ledgers
from transforms.shards.parquet import read_table, write_table
from transforms.shards.part import PARQUET_FOLDER, TAR_FOLDER

__all__ = ["ReleaseInputs", "build_release"]

SUMS_NAME: Final = "SHA256SUMS"
FACTS_NAME: Final = "lineage/facts.json"
EXAMPLES_FOLDER: Final = "examples"
_EXAMPLES: Final = Path(__file__).parent / "examples"


def build_release(inputs: ReleaseInputs, output: Path) -> dict[str, Any]:
    """Write a release into the empty directory `output`; nothing is written unless all gates pass.

    Args:
        inputs: where its parts lie, and what it says of itself.
        output: an empty directory.

    Returns:
        Facts for the manifest; the same facts are in `lineage/facts.json`, so that the checksums
        cover them.

    Raises:
        RefusalError: the dataset, split or results must not be released; names each record and why.
        IntegrityError: a table of the inputs is damaged.
    """
    refuse_unsound_inputs(inputs)
    material = _read_material(inputs)
    checks = audit_release(material)
    further = {split.protocol: audit_release(material, split) for split in material.further_splits}
    refuse_unfit_content(inputs, material, {"split": checks, **further})
    rows = _copy_tables(inputs, material, output)
    facts = _facts(inputs, material, rows)
    documents = _documents(inputs, material, checks, further) | {FACTS_NAME: canonical_json(facts)}
    for name, data in documents.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    _write_lists(inputs, material, output)
    return facts


def _write_lists(inputs: ReleaseInputs, material: ReleaseMaterial, output: Path) -> None:
    """Write Croissant's list of what is there and the checksums; each file is hashed once."""
    hashes = {
        path.relative_to(output).as_posix(): (path.stat().st_size, sha256_file(path))
        for path in list_files(output)
    }
    limits = describe_limits(inputs.release, material)
    protocols = [split.protocol for split in material.further_splits]
    croissant = canonical_json(
        describe_croissant(inputs.release, hashes, limits, protocols, scheme=material.scheme)
    )
    (output / CROISSANT_NAME).write_bytes(croissant)
    hashes[CROISSANT_NAME] = (len(croissant), sha256_bytes(croissant))
    # As paths sort: folder by folder, not character by character.
    names = sorted(hashes, key=lambda name: name.split("/"))
    sums = "".join(f"{hashes[name][1]}  {name}\n" for name in names)
    (output / SUMS_NAME).write_bytes(sums.encode())


def _read_material(inputs: ReleaseInputs) -> ReleaseMaterial:
    dataset = inputs.dataset_dir
    index = pl.DataFrame(read_table(dataset / "index.parquet", SEQUENCE_INDEX))
    if index.is_empty():
        raise RefusalError("the dataset has no sequence", where=dataset, fix="take a batch in")
    frames = read_ledgers(dataset)
    return ReleaseMaterial(
        dataset_version=directory_version(dataset),
        dataset_manifest=read_json(dataset / MANIFEST_NAME),
        index=index,
        participants=pl.DataFrame(read_table(dataset / "participants.parquet", PARTICIPANTS)),
        frames=frames.join(index, on="recording_id", how="semi", maintain_order="left"),
        split=pl.DataFrame(read_table(inputs.splits_dir / SPLIT_NAME, SPLIT)),
        near_duplicates=pl.DataFrame(
            read_table(inputs.splits_dir / NEAR_DUPLICATES_NAME, NEAR_DUPLICATES)
        ),
        proof=redact_proof(read_json(inputs.splits_dir / PROOF_NAME)),
        further_splits=make_further_splits(dataset, inputs.release, inputs.settings),
        results=tuple(read_json(path / METRICS_NAME) for path in inputs.evaluation_dirs),
        models={
            str(card.get("experiment")): card
            for card in (read_json(path / MODEL_NAME) for path in inputs.model_dirs)
        },
        settings=dict(inputs.settings),
        clips=_read_clips(inputs.clips_dir),
    )


def _read_clips(directory: Path | None) -> pl.DataFrame:
    if directory is None or not directory.exists():  # a dataset without videos has none
        return pl.DataFrame(CLIPS.empty_table())
    return pl.DataFrame(read_table(directory / CLIPS_NAME, CLIPS))


def _copy_tables(inputs: ReleaseInputs, material: ReleaseMaterial, output: Path) -> dict[str, int]:
    """Copy shards, index and split byte for byte, write ledger and people; return rows per file."""
    names = ["index.parquet"]
    for folder in (PARQUET_FOLDER, TAR_FOLDER):
        (output / folder).mkdir()
        files = sorted((inputs.dataset_dir / folder).iterdir())
        names += [f"{folder}/{path.name}" for path in files]
    for name in names:
        shutil.copyfile(inputs.dataset_dir / name, output / name)
    (output / "splits").mkdir()
    shutil.copyfile(inputs.splits_dir / SPLIT_NAME, output / "splits" / SPLIT_NAME)
    people = conform(
        bin_participants(material.participants), RELEASED_PARTICIPANTS, where="participants"
    )
    write_table(people, output / "participants.parquet")
    write_table(conform(material.frames, FRAMES, where="frames"), output / "frames.parquet")
    clips = material.clips
    if clips.height:
        write_table(conform(clips, CLIPS, where="clips"), output / RELEASED_CLIPS_NAME)
    listed = {entry["path"]: entry.get("rows") for entry in material.dataset_manifest["files"]}
    return {name: listed[name] for name in names} | {
        "frames.parquet": material.frames.height,
        "participants.parquet": material.participants.height,
        "participants.tsv": material.participants.height,
        f"splits/{SPLIT_NAME}": material.split.height,
        **{f"splits/{s.protocol}/{SPLIT_NAME}": s.table.height for s in material.further_splits},
        **({RELEASED_CLIPS_NAME: clips.height} if clips.height else {}),
    }


def _documents(
    inputs: ReleaseInputs,
    material: ReleaseMaterial,
    checks: list[Check],
    further: dict[str, list[Check]],
) -> dict[str, bytes]:
    documents = {
        "participants.tsv": encode_participants(material.participants),
        "participants.json": canonical_json(describe_columns(material.scheme)),
        "schema.json": canonical_json(
            describe_tables(material.scheme, with_clips=material.clips.height > 0)
        ),
        f"splits/{PROOF_NAME}": canonical_json(material.proof),
        "splits/audit.json": canonical_json(describe_audit(checks, material)),
        "lineage/dataset.json": (inputs.dataset_dir / MANIFEST_NAME).read_bytes(),
        "lineage/settings.json": canonical_json(material.settings),
    }
    for split in material.further_splits:
        folder = f"splits/{split.protocol}"
        audit = describe_audit(further[split.protocol], material, split)
        documents |= {
            f"{folder}/{SPLIT_NAME}": split.data,
            f"{folder}/{PROOF_NAME}": canonical_json(split.proof),
            f"{folder}/audit.json": canonical_json(audit),
        }
    for metrics in material.results:
        experiment = str(metrics["experiment"])
        documents[f"results/{experiment}/{METRICS_NAME}"] = canonical_json(metrics)
        if card := material.models.get(experiment):
            documents[f"results/{experiment}/{MODEL_NAME}"] = canonical_json(card)
    examples = {path.name: path.read_bytes() for path in sorted(_EXAMPLES.glob("load_*.py"))}
    documents |= {f"{EXAMPLES_FOLDER}/{name}": data for name, data in examples.items()}
    return documents | render_documents(inputs.release, material, checks, further, list(examples))


def _facts(
    inputs: ReleaseInputs, material: ReleaseMaterial, rows: dict[str, int]
) -> dict[str, Any]:
    dataset_facts = material.dataset_manifest["facts"]
    facts: dict[str, Any] = {
        "rows": rows,
        "release": inputs.release.model_dump(mode="json"),
        "dataset_version": material.dataset_version,
        "experiments": sorted(str(metrics["experiment"]) for metrics in material.results),
    }
    facts |= {name: dataset_facts[name] for name in ("counts", "classes", "codec", "shards")}
    return facts | ({"lineage": dict(inputs.lineage)} if inputs.lineage else {})
