"""Build a release: what another person can verify, load and cite, from one dataset version.

Order of writing: the content, then `SHA256SUMS` over all of it, then (by the caller)
`manifest.json` over all of it and `SHA256SUMS`. Neither of the two lists names itself, and
`SHA256SUMS` does not name the manifest.
"""

import shutil
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import RefusalError
from transforms.files import canonical_json, sha256_file
from transforms.manifest import MANIFEST_NAME, directory_version, list_files
from transforms.release.documents import render_documents
from transforms.release.gates import refuse_unfit_content, refuse_unsound_inputs
from transforms.release.inputs import (
    METRICS_NAME,
    PROOF_NAME,
    SPLIT_NAME,
    ReleaseInputs,
    ReleaseMaterial,
    read_json,
)
from transforms.release.participants import describe_columns, encode_participants
from transforms.release.schema import describe_tables
from transforms.schemas import (
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
    refuse_unfit_content(inputs, material)
    rows = _copy_tables(inputs, material, output)
    for name, data in _documents(inputs, material).items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    facts = _facts(inputs, material, rows)
    (output / FACTS_NAME).write_bytes(canonical_json(facts))
    (output / SUMS_NAME).write_bytes(_list_sums(output))
    return facts


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
        proof=read_json(inputs.splits_dir / PROOF_NAME),
        results=tuple(read_json(path / METRICS_NAME) for path in inputs.evaluation_dirs),
        settings=dict(inputs.settings),
    )


def _copy_tables(inputs: ReleaseInputs, material: ReleaseMaterial, output: Path) -> dict[str, int]:
    """Copy shards, index and split byte for byte, and write the ledger; return rows per file."""
    names = ["index.parquet"]
    for folder in (PARQUET_FOLDER, TAR_FOLDER):
        (output / folder).mkdir()
        files = sorted((inputs.dataset_dir / folder).iterdir())
        names += [f"{folder}/{path.name}" for path in files]
    for name in names:
        shutil.copyfile(inputs.dataset_dir / name, output / name)
    (output / "splits").mkdir()
    for name in (SPLIT_NAME, PROOF_NAME):
        shutil.copyfile(inputs.splits_dir / name, output / "splits" / name)
    write_table(conform(material.frames, FRAMES, where="frames"), output / "frames.parquet")
    listed = {entry["path"]: entry.get("rows") for entry in material.dataset_manifest["files"]}
    return {name: listed[name] for name in names} | {
        "frames.parquet": material.frames.height,
        "participants.tsv": material.participants.height,
        f"splits/{SPLIT_NAME}": material.split.height,
    }


def _documents(inputs: ReleaseInputs, material: ReleaseMaterial) -> dict[str, bytes]:
    documents = {
        "participants.tsv": encode_participants(material.participants),
        "participants.json": canonical_json(describe_columns()),
        "schema.json": canonical_json(describe_tables()),
        "lineage/dataset.json": (inputs.dataset_dir / MANIFEST_NAME).read_bytes(),
        "lineage/settings.json": canonical_json(material.settings),
    }
    for metrics in material.results:
        documents[f"results/{metrics['experiment']}/{METRICS_NAME}"] = canonical_json(metrics)
    return documents | render_documents(inputs.release, material)


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


def _list_sums(output: Path) -> bytes:
    lines = [
        f"{sha256_file(path)}  {path.relative_to(output).as_posix()}\n"
        for path in list_files(output)
    ]
    return "".join(lines).encode()
