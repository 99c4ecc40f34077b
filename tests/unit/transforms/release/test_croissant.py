import json
import subprocess
import sys

import polars as pl
import pytest

from transforms.files import sha256_file
from transforms.manifest import MANIFEST_NAME
from transforms.release.croissant import describe_croissant
from transforms.release.settings import ReleaseSettings
from transforms.schemas import FRAMES, SEQUENCE_INDEX, SEQUENCES, SPLIT

# What is written after it, and it itself.
LATER = {"croissant.json", "SHA256SUMS", MANIFEST_NAME}

# Run apart, because the library takes seconds to import and warns of much that is its own.
READ_ALL = """
import json, socket, sys, warnings
from pathlib import Path

import mlcroissant

def refuse(*args, **kwargs):
    raise AssertionError("a release is read without a network")

def is_its_own(warning):
    return "croissant" in warning.filename

socket.socket.connect = refuse
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    dataset = mlcroissant.Dataset(jsonld=Path("croissant.json"))
issues = dataset.metadata.ctx.issues
records = {
    record_set.id: [
        {key.partition("/")[2]: value for key, value in record.items()}
        for record in dataset.records(record_set.id)
    ]
    for record_set in dataset.metadata.record_sets
}
print(json.dumps({
    "version": dataset.metadata.ctx.conforms_to.value,
    "errors": sorted(issues.errors),
    "warnings": [*sorted(issues.warnings), *(str(one) for one in caught if is_its_own(one))],
    "records": records,
}, default=lambda value: value.decode("latin-1") if isinstance(value, bytes) else value.item()))
"""


def test_every_file_is_there_with_its_size_and_sha256(release):
    document = json.loads((release / "croissant.json").read_bytes())
    files = {node["contentUrl"]: node for node in document["distribution"] if "sha256" in node}
    paths = {path.relative_to(release).as_posix(): path for path in release.rglob("*.*")}
    paths |= {name: release / name for name in ("LICENSE", "SHA256SUMS")}
    assert set(files) == {name for name, path in paths.items() if path.is_file()} - LATER
    for name, node in files.items():
        assert node["sha256"] == sha256_file(paths[name])
        assert node["contentSize"] == f"{paths[name].stat().st_size} B"


def test_the_tables_are_those_of_the_contract():
    document = describe_croissant(ReleaseSettings(), {}, [])
    found = {
        record_set["name"]: [field["name"] for field in record_set["field"]]
        for record_set in document["recordSet"]
    }
    schemas = {"sequences": SEQUENCES, "index": SEQUENCE_INDEX, "frames": FRAMES, "splits": SPLIT}
    assert {name: found[name] for name in schemas} == {
        name: schema.names for name, schema in schemas.items()
    }


def test_what_the_release_says_of_itself_is_there():
    words = ReleaseSettings(
        date="2026-12-03",
        creators=("Curie, Marie", "Spine Lab"),
        url="https://example.org/walks",
        is_synthetic=True,
    )
    document = describe_croissant(words, {}, ["Few people."])
    assert document["datePublished"] == "2026-12-03"
    assert document["url"] == "https://example.org/walks"
    assert [creator["name"] for creator in document["creator"]] == ["Marie Curie", "Spine Lab"]
    assert document["rai:dataLimitations"] == ["Few people."]
    assert "nobody was filmed" in document["rai:personalSensitiveInformation"][0]
    assert "url" not in describe_croissant(ReleaseSettings(), {}, [])


@pytest.mark.slow
def test_mlcroissant_accepts_it_and_reads_every_record_offline(release):
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL], cwd=release, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["version"] == "http://mlcommons.org/croissant/1.1"
    assert (read["errors"], read["warnings"]) == ([], [])
    assert "WARNING" not in done.stderr
    tables = {
        "sequences": pl.concat(map(pl.read_parquet, sorted((release / "sequences").iterdir()))),
        "index": pl.read_parquet(release / "index.parquet"),
        "frames": pl.read_parquet(release / "frames.parquet"),
        "participants": pl.read_parquet(release / "participants.parquet"),
        "splits": pl.read_parquet(release / "splits" / "split.parquet"),
    }
    assert set(read["records"]) == set(tables)
    for name, table in tables.items():
        rows = table.to_dicts()
        for row in rows:
            if "silhouettes" in row:
                row["silhouettes"] = row["silhouettes"].decode("latin-1")
        assert read["records"][name] == rows
