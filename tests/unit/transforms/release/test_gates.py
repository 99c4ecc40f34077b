import dataclasses

import polars as pl
import pytest

from transforms.errors import RefusalError
from transforms.manifest import write_manifest
from transforms.release.build import build_release
from transforms.release.settings import ReleaseSettings


def _people(**first):
    """Five recordings of which the first is changed."""
    labels = ["positive", "neutral", "negative", "negative", "negative"]
    rows = [{"participant_id": f"p00000{n:03x}", "label": label} for n, label in enumerate(labels)]
    return [rows[0] | first, *rows[1:]]


def _refusal(inputs, output):
    output.mkdir()
    with pytest.raises(RefusalError) as caught:
        build_release(inputs, output)
    assert list(output.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        (
            {"recordings": _people(participant_id="anna_schmidt1", recording_id="r1")},
            ["participant anna_schmidt1: the id is not made like a pseudonym"],
        ),
        (
            {"recordings": _people(participant_id="p19990101", recording_id="r1")},
            ["participant p19990101: the id looks like a date"],
        ),
        (
            {"recordings": _people(session="2024-01-31")},
            ["index, session of p00000000-s1-side: '2024-01-31' looks like a date"],
        ),
        (
            {"recordings": _people(sync_group="/mnt/videos/cam1")},
            ["index, sync_group of p00000000-s1-side: '/mnt/videos/cam1' looks like a path"],
        ),
        (
            {"recordings": _people(recording_id="clip-2024-01-31")},
            [
                "index, sequence_id of clip-2024-01-31: 'clip-2024-01-31' looks like a date",
                "frames, recording_id of clip-2024-01-31",
                "split, sequence_id of clip-2024-01-31",
            ],
        ),
        ({"batch_id": "2024_05_12"}, ["index, batch_id of p00000000-s1-side"]),
        ({"proof": {"solver": "/opt/solver/bin"}}, ["proof.json, solver: '/opt/solver/bin'"]),
        (
            {"settings": {"extraction": {"weights": "/home/me/weights"}}},
            ["settings, extraction.weights: '/home/me/weights' looks like a path"],
        ),
        (
            {"metrics": {"note": "ask a@example.org"}},
            ["metrics.json of sconet-ratio_1_1_2-seed_0, note"],
        ),
        (
            {"metrics": {"dataset_version": "0" * 64}},
            ["experiment sconet-ratio_1_1_2-seed_0: dataset_version is 000"],
        ),
        ({"metrics": {"split_sha256": "0" * 64}}, ["split_sha256 is 000"]),
        (
            {"model": {"split_sha256": "0" * 64}},
            ["model.json of sconet-ratio_1_1_2-seed_0: split_sha256 is 000"],
        ),
        ({"model": {"experiment": "other"}}, ["model.json of other: there is no result"]),
        (
            {"model": {"note": "asked Frau Schmidt"}},
            ["model.json of sconet-ratio_1_1_2-seed_0, note: 'asked Frau Schmidt' looks like a p"],
        ),
        (
            {"recordings": _people(sync_group="VID_20240131_101500")},
            ["index, sync_group of p00000000-s1-side: 'VID_20240131_101500' looks like a date"],
        ),
        (
            {"recordings": _people(session="D:\\walks")},
            ["index, session of p00000000-s1-side: 'D:\\\\walks' looks like a path"],
        ),
        (
            {"recordings": _people(session="079 123 45 67")},
            ["index, session of p00000000-s1-side: '079 123 45 67' looks like a telephone number"],
        ),
        (
            {"settings": {"splits": {"partition": "school visit 31.01.2024"}}},
            ["settings, splits.partition: 'school visit 31.01.2024' looks like a date"],
        ),
        (
            {"split_columns": {"protocol": pl.lit("sequence_wise")}},
            ["split: leaky_by_design"],
        ),
        ({"metrics": {"experiment": "../up"}}, ["'../up' is no name for an experiment"]),
        (
            {"split_columns": {"dataset_version": pl.lit("f" * 64)}},
            ["split: made for dataset version ffff"],
        ),
        (
            {
                "recordings": [
                    *_people(),
                    {"participant_id": "p00000000", "recording_id": "r2", "label": "positive"},
                ],
                "sides": ["train", "train", "train", "test", "unused", "test"],
            },
            ["split: participant_on_two_sides", "p00000000"],
        ),
    ],
)
def test_unfit_records_are_refused_by_name(make_inputs, tmp_path, changes, reasons):
    message = _refusal(make_inputs(**changes), tmp_path / "release")
    for reason in reasons:
        assert reason in message
    assert ("correct params.yaml" in message) is reasons[0].startswith("settings")


def test_all_reasons_are_said_at_once(make_inputs, tmp_path):
    inputs = make_inputs(recordings=_people(session="2024-01-31"), proof={"by": "a@example.org"})
    words = ReleaseSettings(title="Walks of Frau Weber")
    message = _refusal(dataclasses.replace(inputs, release=words), tmp_path / "release")
    assert "3 reason(s)" in message
    assert "a date" in message
    assert "e-mail" in message
    assert "a person's name" in message
    assert "\n; correct params.yaml where settings are named; correct the records" in message


def test_a_damaged_dataset_is_refused(make_inputs, tmp_path):
    inputs = make_inputs()
    shard = next((inputs.dataset_dir / "sequences").iterdir())
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(bytes(data))
    message = _refusal(inputs, tmp_path / "release")
    assert f"dataset: sequences/{shard.name}: sha256" in message
    assert "affects" in message


def test_a_damaged_split_or_result_is_refused(make_inputs, tmp_path):
    inputs = make_inputs()
    (inputs.splits_dir / "proof.json").write_text("{}")
    (inputs.evaluation_dirs[0] / "manifest.json").write_text("{")
    message = _refusal(inputs, tmp_path / "release")
    assert "splits: proof.json: size" in message
    assert "evaluation: manifest.json: manifest" in message


@pytest.mark.parametrize("name", ["walk.mp4", "frames/0001.png", "model.pkl"])
def test_raw_files_are_refused_even_if_the_manifest_lists_them(make_inputs, tmp_path, name):
    inputs = make_inputs()
    (inputs.splits_dir / name).parent.mkdir(exist_ok=True)
    (inputs.splits_dir / name).write_bytes(b"raw")
    write_manifest(inputs.splits_dir, kind="participant_splits", facts={})
    message = _refusal(inputs, tmp_path / "release")
    assert f"{name}: a video, picture or pickle must not be released" in message


def test_a_dataset_without_sequences_is_refused(make_inputs, tmp_path):
    people = [{"participant_id": "p1", "verdict": "rejected"}]
    inputs = make_inputs(recordings=people, sides=[])
    assert "the dataset has no sequence" in _refusal(inputs, tmp_path / "release")


def test_two_results_of_one_experiment_are_refused(make_inputs, tmp_path):
    inputs = make_inputs()
    twice = dataclasses.replace(inputs, evaluation_dirs=[*inputs.evaluation_dirs] * 2)
    assert "is there more than once" in _refusal(twice, tmp_path / "release")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            {"title": "Walks of 2024-05-12"},
            "release.title: 'Walks of 2024-05-12' looks like a date",
        ),
        ({"description": "From /data/spine/raw."}, "release.description: 'From /data/spine/raw.'"),
        ({"description": "Filmed by Dr. Weber"}, "looks like a person's name"),
        ({"creators": ("a@example.org",)}, "release.creators[0]: 'a@example.org' looks like an e-"),
        ({"answers": {"purpose": "See C:\\notes"}}, "release.answers.purpose"),
        ({"answers": {"contact": "see ~/contacts"}}, "release.answers.contact"),
        ({"answers": {"purpose": "ask a@example.org"}}, "looks like an e-mail address"),
    ],
)
def test_the_releases_own_words_are_looked_at(make_inputs, tmp_path, words, reason):
    inputs = dataclasses.replace(make_inputs(), release=ReleaseSettings.model_validate(words))
    message = _refusal(inputs, tmp_path / "release")
    assert "1 reason(s)" in message
    assert reason in message
    assert message.endswith("\n; correct params.yaml and build again")


def test_names_and_contacts_may_stand_where_they_are_asked_for(make_inputs, publish):
    words = ReleaseSettings(
        creators=("Prof. Ada Weber",),
        description="Replaces version 2026.11.1.",
        answers={
            "contact": "Dr. Ada Weber, a@example.org, +41 44 123 45 67",
            "timeframe": "From May 2024 to 31.01.2026.",
        },
    )
    release = publish(dataclasses.replace(make_inputs(), release=words))
    datasheet = (release / "datasheet.md").read_text()
    assert "+41 44 123 45 67" in datasheet
    assert "From May 2024 to 31.01.2026." in datasheet


def test_ids_that_count_participants_are_refused(make_inputs, tmp_path):
    labels = ["positive", "neutral", "negative", "negative"] * 3
    people = [{"participant_id": f"P{n:03}", "label": label} for n, label in enumerate(labels)]
    message = _refusal(make_inputs(recordings=people, sides=["train"] * 12), tmp_path / "release")
    assert "participant P007: the id counts participants, it is not random" in message


def test_a_lineage_is_looked_at_too(make_inputs, tmp_path):
    lineage = {"inputs": {"raw_cohort/2024-05-12": "0" * 64}, "params": {"release": {}}}
    inputs = dataclasses.replace(make_inputs(), lineage=lineage)
    message = _refusal(inputs, tmp_path / "release")
    assert "lineage, inputs: 'raw_cohort/2024-05-12' looks like a date" in message
