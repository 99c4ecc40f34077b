import contextlib
import dataclasses
import io
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

import transforms.release.build
from transforms.files import sha256_bytes
from transforms.manifest import directory_version
from transforms.release.build import build_release
from transforms.release.settings import ReleaseSettings
from transforms.shards.reader import open_dataset


def _bytes(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_what_a_release_holds(release):
    names = {re.sub(r"part-[0-9a-f]{16}", "part", name) for name in _bytes(release)}
    examples = Path(transforms.release.build.__file__).parent / "examples"
    assert names == {
        *(f"examples/{path.name}" for path in examples.glob("load_*.py")),
        "sequences/part.parquet",
        "webdataset/part.tar",
        "index.parquet",
        "frames.parquet",
        "participants.parquet",
        "participants.tsv",
        "participants.json",
        "splits/split.parquet",
        "splits/proof.json",
        "splits/audit.json",
        "splits/audit.md",
        "results/sconet-ratio_1_1_2-seed_0/metrics.json",
        "results/sconet-ratio_1_1_2-seed_0/model.json",
        "results/sconet-ratio_1_1_2-seed_0/model_card.md",
        "lineage/dataset.json",
        "lineage/settings.json",
        "lineage/facts.json",
        "schema.json",
        "croissant.json",
        "datasheet.md",
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
    card = (release / "README.md").read_text()
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


def test_front_matter_is_what_the_hub_reads(release):
    text = (release / "README.md").read_text()
    _, block, _ = text.split("---\n", 2)
    values = yaml.safe_load(block)
    assert values["license"] == "cc-by-4.0"
    assert values["pretty_name"] == "Synthetic gait silhouettes"
    assert values["size_categories"] == ["n<1K"]
    (default,) = [config for config in values["configs"] if config.get("default")]
    assert default["data_files"] == [{"split": "full", "path": "sequences/*.parquet"}]


def test_the_data_card_is_filled_from_the_data(release):
    card = (release / "README.md").read_text()
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


def _cohort_rows(release):
    lines = (release / "README.md").read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| label | participants"))
    return {line.split(" | ")[0][2:]: line for line in lines[start + 2 : start + 6]}


def test_means_of_small_groups_are_not_shown(release):
    rows = _cohort_rows(release)
    assert "14.5" not in rows["negative"]
    assert "14.5" in rows["all"]


def test_the_mean_of_all_does_not_give_away_a_small_group(make_inputs, publish):
    labels = ["positive", *["negative"] * 5, *["neutral"] * 5]
    people = [{"participant_id": f"p{n}7", "label": label} for n, label in enumerate(labels)]
    rows = _cohort_rows(publish(make_inputs(recordings=people, sides=["train"] * 11)))
    assert "14.5" in rows["negative"]
    assert "14.5" in rows["neutral"]
    assert "14.5" not in rows["positive"] + rows["all"]


def test_the_released_proof_holds_no_exact_demographics(make_inputs, publish):
    row = {"variant": "ratio_1_1_2", "side": "test", "label": "negative", "participants": 1}
    exact = {"age_years_mean": 14.37, "height_cm_mean": 161.3, "is_female_shift": 0.7}
    proof = {"balance": [row | exact | {"duration_s_mean": 4.0}]}
    release = publish(make_inputs(proof=proof))
    released = json.loads((release / "splits" / "proof.json").read_bytes())
    assert released["balance"] == [row | {"duration_s_mean": 4.0}]
    assert not [name for name, data in _bytes(release).items() if b"14.37" in data]


def test_the_audit_report_says_what_was_looked_at(release):
    report = json.loads((release / "splits" / "audit.json").read_bytes())
    assert report["errors"] == 0
    claims = {check["claim"]: check for check in report["checks"]}
    assert claims["no participant is on two sides of a variant"]["examined"] == 4
    text = (release / "splits" / "audit.md").read_text()
    assert "| no participant is on two sides of a variant | 4 participants in use | clean |" in text
    assert f"{report['warnings']} warnings" in text


def test_a_model_card_stands_beside_its_results(release):
    folder = release / "results" / "sconet-ratio_1_1_2-seed_0"
    assert json.loads((folder / "model.json").read_bytes())["parameter_count"] == 4468
    card = (folder / "model_card.md").read_text()
    assert "sconet (4,468 parameters)" in card
    assert "| accuracy | 0.750 [0.500, 0.900] |" in card
    assert "| specificity, any abnormality | undefined |" in card
    assert "| neutral | 0 | 0 | 1 |" in card
    assert "not a medical device" in card


def test_the_card_of_a_model_of_pictures_does_not_speak_of_silhouettes(make_inputs, publish):
    clips = {"views": ["front", "side"], "frames": 8, "shows": "rgb"}
    model = {
        "input": {"height_px": 96, "width_px": 96, "range": [0, 1], **clips},
        "train": {"participants": 3, "sequences": 5, "clips": 28},
    }
    folder = publish(make_inputs(model=model)) / "results" / "sconet-ratio_1_1_2-seed_0"
    card = (folder / "model_card.md").read_text()
    assert "clips of two views, colour pictures of 96 x 96 pixels" in card
    assert "3 participants, 28 clips" in card
    assert "pictures of the people, which this release does not hold" in card
    assert "a classifier of\nwalks filmed in colour" in card
    assert "silhouettes of 96" not in card


@pytest.mark.parametrize(
    ("is_synthetic", "says"), [(True, "Nobody was filmed"), (False, "biometric")]
)
def test_the_card_says_whether_people_were_filmed(make_inputs, publish, is_synthetic, says):
    words = ReleaseSettings(is_synthetic=is_synthetic)
    card = (publish(dataclasses.replace(make_inputs(), release=words)) / "README.md").read_text()
    assert says in card
    assert ("Nobody was filmed" in card) == is_synthetic


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


def test_people_are_cited_by_family_name(make_inputs, publish):
    words = ReleaseSettings(
        creators=("Curie, Marie", "Spine Lab"), date="2026-12-03", url="https://example.org/walks"
    )
    directory = publish(dataclasses.replace(make_inputs(), release=words))
    citation = yaml.safe_load((directory / "CITATION.cff").read_text())
    assert citation["authors"] == [
        {"family-names": "Curie", "given-names": "Marie"},
        {"name": "Spine Lab"},
    ]
    assert citation["date-released"] == "2026-12-03"
    assert citation["url"] == "https://example.org/walks"
    readme = (directory / "README.md").read_text()
    assert "by Marie Curie, Spine Lab" in readme
    assert "author = {Curie, Marie and {Spine Lab}}" in readme


def test_sequences_without_a_video_are_said_to_have_none(make_inputs, publish):
    people = [
        {"participant_id": f"p{n}", "label": label, "video_sha256": None}
        for n, label in enumerate(["positive", "neutral", "negative", "negative", "negative"])
    ]
    card = (publish(make_inputs(recordings=people)) / "README.md").read_text()
    assert "5 sequences were not made from a video" in card


def test_without_results_the_card_says_so(make_inputs, publish):
    release = publish(dataclasses.replace(make_inputs(), evaluation_dirs=[], model_dirs=[]))
    assert "None are part of this release." in (release / "README.md").read_text()
    assert not (release / "results").exists()


def test_a_release_opens_like_a_dataset(release):
    dataset = open_dataset(release)
    assert len(list(dataset.iterate())) == 5
    assert dataset.participants["age_years"].to_list() == ["[14,16)"] * 5


@pytest.mark.parametrize("codec", ["binary", "grey"])
def test_the_example_of_the_readme_runs(make_inputs, publish, monkeypatch, codec):
    inputs = make_inputs(codec=codec)
    release = publish(inputs)
    text = (release / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    monkeypatch.chdir(release)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), names := {})
    assert printed.getvalue() == "positive (2, 64, 44)\n"
    own = open_dataset(inputs.dataset_dir).read(names["entry"]["sequence_id"])
    assert np.array_equal(names["silhouettes"], own)


def test_a_cohort_of_the_spine_is_described_in_its_own_words(make_inputs, publish):
    labels = ("asd", "dhs", "lcs", "hipoa", "asd")
    people = [{"participant_id": f"p{n}7", "label": label} for n, label in enumerate(labels)]
    figure = {"value": 0.75, "low": 0.5, "high": 0.9}
    unit = {
        "count": 2,
        "participants": 2,
        "labels": ["non_asd", "asd"],
        "confusion": [[1, 0], [0, 1]],
        "metrics": dict.fromkeys(("accuracy", "asd/sensitivity", "asd/specificity"), figure),
    }
    release = publish(
        make_inputs(
            recordings=people,
            metrics={"units": {"participant": unit, "sequence": unit}},
            model={"labels": ["non_asd", "asd"]},
        )
    )
    texts = {
        path.relative_to(release).as_posix(): path.read_text()
        for path in release.rglob("*")
        if path.suffix in {".md", ".json"} and path.name not in {"settings.json", "manifest.json"}
    }
    for name, text in texts.items():
        for word in ("neutral", "scoliosis", "Cobb", "abnormality"):
            assert word not in text, (name, word)
    levels = json.loads(texts["participants.json"])["label"]["Levels"]
    assert list(levels) == ["asd", "dhs", "hipoa", "lcs"]  # JSON is written sorted
    assert "`hipoa` osteoarthritis of the hip" in texts["README.md"]
    row = "| 2 | 0.750 [0.500, 0.900] | undefined | 0.750 [0.500, 0.900] | 0.750 [0.500, 0.900] |"
    assert row in texts["README.md"]
    assert (
        "specificity, adult spinal deformity"
        in (texts["results/sconet-ratio_1_1_2-seed_0/model_card.md"])
    )
