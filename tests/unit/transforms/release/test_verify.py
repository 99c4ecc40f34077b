import dataclasses
import json
import os
import shutil
import subprocess
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from transforms.errors import InputError
from transforms.files import canonical_json
from transforms.manifest import (
    directory_version,
    encode_manifest,
    list_files,
    read_manifest,
    write_manifest,
)
from transforms.progress import NoProgress
from transforms.release import verify_tree
from transforms.release.verify import verify_release
from transforms.shards.verify import sequences_by_shard

SECOND = ("p00000002-s1-side", "p00000003-s1-side")  # what the second shard holds


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "release"


@pytest.fixture
def release(request, kept, tmp_path):
    """A copy of the standard release, which is built once for all tests here."""
    if not kept.exists():
        make_inputs, publish = map(request.getfixturevalue, ("make_inputs", "publish"))
        publish(make_inputs(), "built").rename(kept)
    return Path(shutil.copytree(kept, tmp_path / "release"))


def test_a_whole_release_has_no_problems(release):
    assert verify_release(release) == []


def test_a_copied_release_verifies_without_its_origin(make_inputs, publish, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(publish(make_inputs()), copy)
    for path in set(tmp_path.iterdir()) - {copy}:
        shutil.rmtree(path)
    assert verify_release(copy) == []


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


@pytest.mark.parametrize("container", ["parquet", "tar"])
def test_a_damaged_shard_names_the_sequence_that_is_hit(release, container):
    path = release / read_manifest(release)["facts"]["shards"][1][container]
    data = bytearray(path.read_bytes())
    pixels = pl.read_parquet(release / "sequences").filter(sequence_id=SECOND[0])["silhouettes"][0]
    data[data.index(pixels) + len(pixels) // 2] ^= 4
    path.write_bytes(bytes(data))
    (problem,) = verify_release(release)
    assert (problem.kind, problem.sequences) == ("sha256", SECOND[:1])
    assert "affects p00000002-s1-side" in str(problem)


@pytest.mark.parametrize("container", ["parquet", "tar"])
def test_a_missing_shard_concerns_all_its_sequences_even_without_an_index(release, container):
    (release / read_manifest(release)["facts"]["shards"][1][container]).unlink()
    (release / "index.parquet").write_bytes(b"")
    named = {problem.path: problem for problem in verify_release(release)}
    assert named.pop("index.parquet").kind == "size"
    (problem,) = named.values()
    assert (problem.kind, problem.sequences) == ("missing", SECOND)


def test_missing_and_extra_files_are_found(release):
    (release / "LICENSE").unlink()
    (release / "notes.txt").write_text("x")
    found = {(problem.path, problem.kind) for problem in verify_release(release)}
    assert found == {("LICENSE", "missing"), ("notes.txt", "extra")}


def test_a_linked_file_is_found(release, tmp_path):
    (release / "LICENSE").rename(tmp_path / "LICENSE")
    (release / "LICENSE").symlink_to(tmp_path / "LICENSE")
    assert [problem.kind for problem in verify_release(release)] == ["link"]


def test_files_that_changed_places_are_recognised(release):
    first, second = release / "LICENSE", release / "CITATION.cff"
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    found = {problem.path: problem.found for problem in verify_release(release)}
    assert found == {
        "LICENSE": "the bytes of CITATION.cff",
        "CITATION.cff": "the bytes of LICENSE",
    }


def test_a_file_whose_name_changed_its_case_is_recognised(release):
    (release / "LICENSE").rename(release / "licence")
    found = {problem.path: problem.found for problem in verify_release(release)}
    assert found == {
        "LICENSE": "no file; its bytes are in licence",
        "licence": "the bytes of LICENSE",
    }


def test_another_version_than_the_expected_is_told(release):
    assert verify_release(release, version=directory_version(release)) == []
    (problem,) = verify_release(release, version="0" * 64)
    assert (problem.kind, problem.expected) == ("version", "0" * 64)


def test_every_file_counts_as_progress(release):
    class Listener(NoProgress):
        done = 0

        def advance(self, count=1, note=""):
            self.done += count

    listener = Listener()
    verify_release(release, progress=listener)
    assert listener.done == len(read_manifest(release)["files"])


# Random damage of every kind: all of it is found, and the sequences that it hits are named.


def _flip(path, generator):
    data = bytearray(path.read_bytes())
    data[int(generator.integers(len(data)))] ^= 1 << int(generator.integers(8))
    path.write_bytes(bytes(data))


def _cut(path, generator):
    data = path.read_bytes()
    path.write_bytes(data[: int(generator.integers(len(data)))])


def _append(path, generator):
    path.write_bytes(path.read_bytes() + generator.bytes(int(generator.integers(1, 600))))


def _blank(path, generator):
    """Blank some bytes, as a file system that lost a block does."""
    data = bytearray(path.read_bytes())
    start = int(generator.integers(len(data)))
    size = len(data[start : start + 64])
    data[start : start + size] = bytes(255 - byte for byte in data[start : start + size])
    path.write_bytes(bytes(data))


def _remove(path, generator):
    path.unlink()


def _root(path):
    return next(parent for parent in path.parents if parent.name == "copy")


def _link(path, generator):
    path.rename(_root(path).with_name("moved"))
    path.symlink_to(_root(path).with_name("moved"))


def _pipe(path, generator):
    path.unlink()
    os.mkfifo(path)


def _swap(path, generator):
    others = [other for other in list_files(_root(path)) if other.read_bytes() != path.read_bytes()]
    other = others[int(generator.integers(len(others)))]
    path.rename(path.with_name("aside"))
    other.rename(path)
    path.with_name("aside").rename(other)


def _add(path, generator):
    path.with_name(f"extra-{generator.integers(1000)}").write_bytes(b"")


def _change_case(path, generator):
    path.rename(path.with_name(path.name.swapcase()))


_DAMAGES = (_flip, _flip, _flip, _cut, _append, _blank, _remove, _link, _pipe, _swap, _add)
_DAMAGES = (*_DAMAGES, _change_case)
_BESIDE = (_add,)  # leave the file itself as it is


def _spans_of(path, ids):
    """Return the ranges of a shard's bytes that belong to one sequence alone."""
    if path.suffix == ".tar":
        with tarfile.open(path) as tar:
            return [
                (m.offset, m.offset_data + m.size + -m.size % 512, m.name.split(".")[0])
                for m in tar
            ]
    whole = path.read_bytes()
    frames = pl.read_parquet(path, columns=["silhouettes"])["silhouettes"].to_list()
    starts = [whole.index(data) for data in frames]
    return [
        (start, start + len(data), name)
        for start, data, name in zip(starts, frames, ids, strict=True)
    ]


def _hit(whole, path, spans, ids):
    """Return the sequences whose own bytes differ now."""
    if path.is_symlink() or not path.is_file():
        return set(ids)
    data = path.read_bytes()
    return {name for start, end, name in spans if data[start:end] != whole[start:end]}


def _corrupt_and_verify(release, count):
    """Damage a copy of a release again and again; return how often each kind was found."""
    generator = np.random.default_rng(2026)
    sequences_of = sequences_by_shard(release)
    names = [path.relative_to(release) for path in list_files(release)] + ["manifest.json"]
    spans = {name: _spans_of(release / name, ids) for name, ids in sequences_of.items()}
    found = Counter()
    for number in range(count):
        copy = release.with_name("copies") / "copy"
        shutil.copytree(release, copy)
        name = str(names[int(generator.integers(len(names)))])
        damage = _DAMAGES[number % len(_DAMAGES)]
        damage(copy / name, generator)
        problems = {problem.path: problem for problem in verify_release(copy)}
        assert problems, (number, damage.__name__, name)
        if name in spans and damage not in _BESIDE:
            ids = sequences_of[name]
            named = set(problems[name].sequences)
            hit = _hit((release / name).read_bytes(), copy / name, spans[name], ids)
            assert named >= hit, (number, damage.__name__, name)
            assert named == hit or not hit or damage is not _flip, (number, name)
            assert named, (number, damage.__name__, name)
        found[damage.__name__.strip("_")] += 1
        shutil.rmtree(copy.parent)
    return found


def test_some_corruptions_of_every_kind_are_found(release):
    assert _corrupt_and_verify(release, 40).total() == 40


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_thousand_corruptions_are_found(release):
    print(f"\n{dict(sorted(_corrupt_and_verify(release, 1000).items()))}")


def test_sha256sum_alone_finds_damage(release):
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=release, check=False).returncode == 0
    path = release / read_manifest(release)["facts"]["shards"][0]["tar"]
    _flip(path, np.random.default_rng(0))
    done = subprocess.run(check, cwd=release, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"webdataset/{path.name}: FAILED" in done.stdout


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


# Hostile directories end in words, never in a crash, a wait or a read outside.


def test_what_is_no_directory_is_refused(release):
    for path in (release / "LICENSE", release / "nothing"):
        with pytest.raises(InputError, match="no such folder"):
            verify_release(path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b"])
def test_a_manifest_that_leads_outside_is_refused_and_says_where(release, path):
    manifest = read_manifest(release)
    manifest["files"][0]["path"] = path
    (release / "manifest.json").write_bytes(encode_manifest(manifest))
    (problem,) = verify_release(release)
    assert (problem.path, problem.kind) == ("manifest.json", "manifest")
    assert problem.found == path


def test_a_manifest_that_lists_a_name_twice_or_in_two_cases_is_found(release):
    manifest = read_manifest(release)
    entry = next(entry for entry in manifest["files"] if entry["path"] == "LICENSE")
    manifest["files"] += [entry, entry | {"path": "License"}]
    (release / "manifest.json").write_bytes(encode_manifest(manifest))
    shutil.copyfile(release / "LICENSE", release / "License")
    found = [(problem.path, problem.kind, problem.found) for problem in verify_release(release)]
    assert ("LICENSE", "name", "2 entries") in found
    assert ("License", "name", "LICENSE") in found


@pytest.mark.parametrize("content", ["[" * 1_000_000, '{"format": 1e999}', "9" * 10_000])
def test_a_useless_manifest_is_a_problem(release, content):
    (release / "manifest.json").write_text(content)
    (problem,) = verify_release(release)
    assert (problem.path, problem.kind) == ("manifest.json", "manifest")


@pytest.mark.parametrize("name", ["manifest.json", "lineage/facts.json", "SHA256SUMS"])
def test_a_huge_document_is_not_read(release, name):
    with (release / name).open("r+b") as stream:
        stream.truncate(100 * verify_tree.MAX_DOCUMENT_BYTES)  # sparse
    assert name in {problem.path for problem in verify_release(release)}


@pytest.mark.parametrize("name", ["manifest.json", "lineage/facts.json", "SHA256SUMS"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_an_endless_device_is_not_opened(release, name, make):
    (release / name).unlink()
    make(release / name)
    assert name in {problem.path for problem in verify_release(release)}


def test_links_that_go_round_in_circles_are_problems(release):
    (release / "lineage" / "again").symlink_to(release)
    (release / "loop").symlink_to("loop")
    found = {(problem.path, problem.found) for problem in verify_release(release)}
    assert found == {("lineage/again", "a symbolic link"), ("loop", "a symbolic link")}


def test_a_linked_folder_is_not_looked_into(release, tmp_path):
    (release / "lineage").rename(tmp_path / "outside")
    (release / "lineage").symlink_to(tmp_path / "outside")
    found = {(problem.path, problem.kind) for problem in verify_release(release)}
    assert found >= {("lineage", "extra"), ("lineage/dataset.json", "missing")}


def test_a_tree_too_deep_or_too_large_is_given_up(release, monkeypatch):
    (release / "/".join("deep" * 20)).mkdir(parents=True)
    (problem,) = verify_release(release)
    assert (problem.kind, problem.found) == ("limit", "deeper")
    monkeypatch.setattr(verify_tree, "MAX_ENTRIES", 10)
    (problem,) = verify_release(release)
    assert (problem.kind, problem.expected) == ("limit", "at most 10 files and folders")


def test_an_empty_folder_is_extra(release):
    (release / "empty").mkdir()
    (problem,) = verify_release(release)
    assert (problem.path, problem.kind) == ("empty/", "extra")


def test_names_of_files_can_not_reach_the_terminal(release):
    (release / "\x1b[31mred").write_bytes(b"")
    (release / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    names = {problem.path for problem in verify_release(release)}
    assert names == {"\\x1b[31mred", "caf\\udce9"}
