import dataclasses
import json
import shutil

import numpy as np
import pytest

from transforms.files import canonical_json
from transforms.manifest import read_manifest, write_manifest
from transforms.release.verify import verify_release


def test_a_whole_release_has_no_problems(release):
    assert verify_release(release) == []


def test_a_copied_release_verifies_without_its_origin(release, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(release, copy)
    for name in ("dataset", "splits", "evaluation", "intake", "extraction", "release"):
        shutil.rmtree(tmp_path / name)
    assert verify_release(copy) == []


def _damage(data: bytes, generator: np.random.Generator) -> bytes:
    """Return the bytes with one bit flipped or, once in three times, cut short."""
    position = int(generator.integers(len(data)))
    if generator.integers(3) == 0:
        return data[:position]
    flipped = bytearray(data)
    flipped[position] ^= 1 << int(generator.integers(8))
    return bytes(flipped)


def test_every_flip_and_truncation_is_found(release):
    generator = np.random.default_rng(0)
    missed = []
    for path in 3 * sorted(path for path in release.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        path.write_bytes(_damage(whole, generator))
        if not verify_release(release):
            missed.append(path.name)
        path.write_bytes(whole)
    assert missed == []
    assert verify_release(release) == []


def test_every_flip_in_the_manifest_is_found(make_inputs, publish):
    lineage = {"stage": "x"}  # what `publish` adds; given to the build, it is covered as well
    release = publish(dataclasses.replace(make_inputs(), lineage=lineage))
    path = release / "manifest.json"
    whole = path.read_bytes()
    missed = []
    for seed in range(80):
        generator = np.random.default_rng(seed)
        flipped = bytearray(whole)
        position = int(generator.integers(len(whole)))
        flipped[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(flipped))
        if not verify_release(release):
            missed.append(position)
    assert missed == []


def test_a_lineage_the_build_was_not_told_of_is_not_a_problem(release):
    assert read_manifest(release)["facts"]["lineage"] == {"stage": "x"}
    assert verify_release(release) == []


@pytest.mark.parametrize("folder", ["sequences", "webdataset"])
def test_a_damaged_shard_names_the_sequences_concerned(release, folder):
    shards = read_manifest(release)["facts"]["shards"]
    path = release / shards[1]["parquet" if folder == "sequences" else "tar"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))
    (problem,) = verify_release(release)
    assert problem.kind == "sha256"
    assert problem.sequences == ("p00000002-s1-side", "p00000003-s1-side")
    assert "affects p00000002-s1-side, p00000003-s1-side" in str(problem)


def test_missing_and_extra_files_are_found(release):
    (release / "LICENSE").unlink()
    (release / "notes.txt").write_text("x")
    found = {(problem.path, problem.kind) for problem in verify_release(release)}
    assert found == {("LICENSE", "missing"), ("notes.txt", "extra")}


def test_a_linked_file_is_found(release, tmp_path):
    (release / "LICENSE").rename(tmp_path / "LICENSE")
    (release / "LICENSE").symlink_to(tmp_path / "LICENSE")
    assert [problem.kind for problem in verify_release(release)] == ["link"]


# What follows is tampering that keeps the manifest in step.


def _rewrite_manifest(release):
    manifest = read_manifest(release)
    rows = {entry["path"]: entry["rows"] for entry in manifest["files"] if "rows" in entry}
    write_manifest(release, kind="dataset_release", facts=manifest["facts"] | {"rows": rows})
    return {(problem.path, problem.kind) for problem in verify_release(release)}


def test_sums_that_disagree_with_the_manifest_are_found(release):
    (release / "LICENSE").write_text("do what you like")
    assert _rewrite_manifest(release) == {("LICENSE", "sums")}


@pytest.mark.parametrize("text", ["", "nonsense\n", "\xff"])
def test_useless_sums_are_found(release, text):
    (release / "SHA256SUMS").write_bytes(text.encode("latin-1"))
    assert "sums" in {kind for _, kind in _rewrite_manifest(release)}


def test_a_shard_that_is_not_the_datasets_is_found(release):
    shard = sorted((release / "sequences").iterdir())[0]
    shard.write_bytes(shard.read_bytes() + b"x")
    name = f"sequences/{shard.name}"
    assert (name, "lineage") in _rewrite_manifest(release)


def test_another_datasets_manifest_is_found(release):
    (release / "lineage" / "dataset.json").write_bytes(canonical_json({"files": []}))
    found = _rewrite_manifest(release)
    assert ("lineage/dataset.json", "lineage") in found
    assert ("index.parquet", "lineage") in found


@pytest.mark.parametrize("name", ["lineage/facts.json", "lineage/dataset.json"])
@pytest.mark.parametrize("text", ["[]", "not json", "[" * 100_000])
def test_useless_documents_are_problems_not_crashes(release, name, text):
    (release / name).write_text(text)
    assert name in {path for path, _ in _rewrite_manifest(release)}


def test_a_directory_of_another_kind_is_no_release(release):
    manifest = json.loads((release / "manifest.json").read_bytes())
    (release / "manifest.json").write_bytes(canonical_json(manifest | {"kind": "x"}))
    assert [problem.kind for problem in verify_release(release)] == ["manifest"]
