import contextlib
import dataclasses
import gc
import io
import json
import re
import subprocess

import polars as pl
import pytest
import yaml

from transforms.files import sha256_bytes
from transforms.manifest import directory_version
from transforms.release.build import build_release
from transforms.settings import ReleaseSettings
from transforms.shards.reader import open_dataset


def _bytes(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_what_a_release_holds(release):
    names = {re.sub(r"part-[0-9a-f]{16}", "part", name) for name in _bytes(release)}
    assert names == {
        "sequences/part.parquet",
        "webdataset/part.tar",
        "index.parquet",
        "frames.parquet",
        "participants.tsv",
        "participants.json",
        "splits/split.parquet",
        "splits/proof.json",
        "results/sconet-ratio_1_1_2-seed_0/metrics.json",
        "lineage/dataset.json",
        "lineage/settings.json",
        "lineage/facts.json",
        "schema.json",
        "data_card.md",
        "README.md",
        "LICENSE",
        "CITATION.cff",
        "SHA256SUMS",
        "manifest.json",
    }


def test_two_builds_are_byte_identical(make_inputs, publish):
    inputs = make_inputs()
    assert _bytes(publish(inputs, "one")) == _bytes(publish(inputs, "two"))


def test_shards_and_index_are_the_datasets_own(make_inputs, publish):
    inputs = make_inputs()
    release = publish(inputs)
    dataset, released = _bytes(inputs.dataset_dir), _bytes(release)
    shards = [name for name in dataset if name.startswith(("sequences/", "webdataset/"))]
    assert len(shards) == 6
    assert all(released[name] == dataset[name] for name in [*shards, "index.parquet"])
    assert released["lineage/dataset.json"] == dataset["manifest.json"]


def test_facts_count_rows_and_are_among_the_files(make_inputs, tmp_path):
    inputs = make_inputs()
    output = tmp_path / "release"
    output.mkdir()
    facts = build_release(inputs, output)
    assert json.loads((output / "lineage" / "facts.json").read_bytes()) == facts
    assert facts["dataset_version"] == directory_version(inputs.dataset_dir)
    assert facts["rows"]["participants.tsv"] == 5
    assert facts["rows"]["index.parquet"] == 5
    assert facts["rows"]["frames.parquet"] == sum(2 + n + 1 for n in range(5))
    assert facts["experiments"] == ["sconet-ratio_1_1_2-seed_0"]


def test_the_ledger_of_rejected_recordings_stays_at_home(make_inputs, publish):
    labels = ["positive", "neutral", "negative", "negative", "negative"]
    people = [{"participant_id": f"p{n}", "label": label} for n, label in enumerate(labels)]
    release = publish(
        make_inputs(recordings=[*people, {"participant_id": "p0000fff9", "verdict": "quarantined"}])
    )
    assert "p0000fff9-s1-side" not in pl.read_parquet(release / "frames.parquet")["recording_id"]
    card = (release / "data_card.md").read_text()
    assert "| extraction | too_short | 1 |" in card
    assert b"p0000fff9" not in b"".join(_bytes(release).values())


def test_sums_are_what_sha256sum_checks(release):
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=release,
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    lines = (release / "SHA256SUMS").read_text().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    files = _bytes(release)
    assert set(files) - set(sums) == {"SHA256SUMS", "manifest.json"}
    assert all(sha256_bytes(files[name]) == digest for name, digest in sums.items())


@pytest.mark.parametrize("name", ["data_card.md", "README.md"])
def test_front_matter_is_what_the_hub_reads(release, name):
    text = (release / name).read_text()
    _, block, _ = text.split("---\n", 2)
    values = yaml.safe_load(block)
    assert values["license"] == "cc-by-4.0"
    assert values["pretty_name"] == "Synthetic gait silhouettes"
    assert values["size_categories"] == ["n<1K"]
    assert values["configs"][0]["data_files"] == "sequences/*.parquet"


def test_the_data_card_is_filled_from_the_data(release):
    card = (release / "data_card.md").read_text()
    assert "5 sequences of 5 participants" in card
    assert "20 silhouettes of 64 x 44 pixels" in card
    assert "| sconet-ratio_1_1_2-seed_0 | 4 | 0.750 [0.500, 0.900] |" in card
    assert "undefined" in card
    assert "pseudonymised" in card
    assert "anonym" not in card.replace("pseudonym", "")
    assert "All recordings show one view: side." in card
    assert "Classes with fewer than 30 participants" in card
    assert "5 of 25 frames were dropped" in card
    assert "detected (background)" in card
    assert "Every recording became a sequence." in card


def test_means_of_small_groups_are_not_shown(release):
    card = (release / "data_card.md").read_text()
    (row,) = [line for line in card.splitlines() if line.startswith("| negative | 3 |")]
    assert "14.5" not in row
    (row,) = [line for line in card.splitlines() if line.startswith("| all | 5 |")]
    assert "14.5" in row


def test_licence_and_citation_name_the_release(release):
    licence = (release / "LICENSE").read_text()
    assert "Creative Commons Attribution 4.0 International" in licence
    assert "SPDX-License-Identifier: CC-BY-4.0" in licence
    citation = yaml.safe_load((release / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "dataset"
    assert citation["version"] == "2026.11.0"
    assert citation["authors"] == [{"name": "The Gaitworks authors"}]


def test_a_licence_without_a_known_name_is_named_by_its_id(make_inputs, publish):
    release = ReleaseSettings(licence="ODbL-1.0", title='Walks: "2026"', creators=("A", "B"))
    directory = publish(dataclasses.replace(make_inputs(), release=release))
    assert "SPDX-License-Identifier: ODbL-1.0" in (directory / "LICENSE").read_text()
    citation = yaml.safe_load((directory / "CITATION.cff").read_text())
    assert citation["title"] == 'Walks: "2026"'
    assert citation["authors"] == [{"name": "A"}, {"name": "B"}]


def test_sequences_that_were_never_a_video_are_said_to_be_drawn(make_inputs, publish):
    people = [
        {"participant_id": f"p{n}", "label": label, "video_sha256": None}
        for n, label in enumerate(["positive", "neutral", "negative", "negative", "negative"])
    ]
    card = (publish(make_inputs(recordings=people)) / "data_card.md").read_text()
    assert "5 sequences were never a video" in card


def test_without_results_the_card_says_so(make_inputs, publish):
    release = publish(dataclasses.replace(make_inputs(), evaluation_dirs=[]))
    assert "None are part of this release." in (release / "data_card.md").read_text()
    assert not (release / "results").exists()


def test_a_release_opens_like_a_dataset(release):
    dataset = open_dataset(release)
    assert len(list(dataset.iterate())) == 5
    assert dataset.participants["age_years"].to_list() == ["[14,16)"] * 5


def _run_example(release, title, monkeypatch):
    text = (release / "README.md").read_text()
    code = re.search(rf"## {title}\n\n```python\n(.*?)```", text, re.DOTALL)[1]
    monkeypatch.chdir(release)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, title, "exec"), {})
    gc.collect()
    return printed.getvalue()


@pytest.mark.parametrize("codec", ["binary", "grey"])
@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("pyarrow", "positive (2, 64, 44)"),
        ("polars", "neutral"),
        ("Gaitworks", "p00000004-s1-side negative (6, 64, 44)"),
        pytest.param(
            "webdataset",
            "p00000004-s1-side negative (6, 64, 44)",
            marks=[
                pytest.mark.slow,
                pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
            ],
        ),
    ],
)
def test_the_examples_of_the_readme_run(make_inputs, publish, monkeypatch, codec, title, expected):
    release = publish(make_inputs(codec=codec))
    assert expected in _run_example(release, title, monkeypatch)
