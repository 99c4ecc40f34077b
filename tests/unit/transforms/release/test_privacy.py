import numpy as np
import pytest

from transforms.release.privacy import (
    EMAIL,
    find_identifying,
    is_raw_file,
    judge_participant_id,
    judge_participant_ids,
    list_texts,
)


@pytest.mark.parametrize(
    "participant_id",
    [
        "P0042",
        "p1",
        "sub-01",
        "participant_12",
        "ZRH-0042",
        "p3fadecab",
        "pdeadbeef",
        "x7k2q9",
        "550e8400e29b41d4a716446655440000",
    ],
)
def test_pseudonyms_pass(participant_id):
    assert judge_participant_id(participant_id) is None


@pytest.mark.parametrize(
    ("participant_id", "reason"),
    [
        ("anna", "a name"),
        ("Anna_Schmidt", "a name"),
        ("anna1987", "a name"),
        ("mueller3", "a name"),
        ("anna@example.org", "e-mail"),
        ("1987-05-23", "a date"),
        ("p19870523", "a date"),
        ("23051987", "a date"),
        ("+41 79 123 45 67", "telephone"),
        ("0791234567", "telephone"),
        ("756-1234-5678", "register number"),
        ("", "a name"),
    ],
)
def test_names_contacts_and_dates_do_not(participant_id, reason):
    assert reason in judge_participant_id(participant_id)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/home/someone/videos", "path"),
        ("could not open /mnt/data/x", "path"),
        ("C:\\Users\\someone", "path"),
        ("\\\\server\\share", "path"),
        ("file:///tmp/x", "path"),
        ("~/videos", "path"),
        ("clip_0001.MP4", "raw file"),
        ("frame.png is unreadable", "raw file"),
        ("visit of 2024-01-31", "a date"),
        ("batch_2024_05_12", "a date"),
        ("31.1.2024", "a date"),
        ("20240131", "a date"),
        ("write to a.b@example.org", "e-mail"),
        ("+49 30 1234567", "telephone"),
        ("079 123 45 67", "telephone"),
        ("(030) 1234567", "telephone"),
        ("555-123-4567", "telephone"),
        ("walk of 31. Januar", "a date"),
        ("31 January 2024", "a date"),
        ("Mar. 3rd, 2024", "a date"),
        ("May 2024", "a date"),
        ("2024-05", "a date"),
        ("31.01.24", "a date"),
        ("20240131101500", "a date"),
        ("GX20240131T1015", "a date"),
        ("rec_1706695200", "a date"),
        ("rec_1706695200123", "a date"),
        ("../cohort/walk", "path"),
        ("raw/batch_001", "path"),
        ("Users\\someone", "path"),
        ("s3://bucket/cohort", "path"),
        ("clip.m2ts", "raw file"),
        ("array.npy", "raw file"),
        ("Frau Müller", "name"),
        ("Dr. A. Weber", "name"),
    ],
)
def test_identifying_text_is_recognised(text, what):
    assert what in find_identifying(text)


@pytest.mark.parametrize(
    "text",
    [
        "bits-zstd/1",
        "sequences/part-0011223344556677.parquet",
        "p3fadecab_s1_side",
        "batch_001",
        "too short: 3 of 30 frames",
        "ratio_1_1_16",
        "1/2 of 3/4",
        "version 2026.11.0",
        "raw_cohort/batch_001",
        "library 26.0.1 and 2.13.0+cpu",
        "5 may be dropped",
        "sha 550e8400-e29b-41d4-a716-446655440000",
        "1 / 1 / 0.04",
        "Professional",
        "20240131" * 8,  # a hash may hold any digits
    ],
)
def test_harmless_text_passes(text):
    assert find_identifying(text) is None


def test_videos_pictures_and_pickles_are_raw():
    assert all(is_raw_file(name) for name in ("a.mp4", "b.PNG", "c.pkl", "d.tar.pt"))
    assert not any(is_raw_file(name) for name in ("a.parquet", "b.tar", "metrics.json", "mp4"))


def test_every_key_and_text_of_a_document_is_listed():
    document = {"a": ["x", {"b": "y"}], "c": 1, "d": None}
    assert list(list_texts(document)) == [
        ("", "a"),
        ("a[0]", "x"),
        ("a[1]", "b"),
        ("a[1].b", "y"),
        ("", "c"),
        ("", "d"),
    ]


def test_what_is_allowed_may_stand_there():
    assert find_identifying("a@example.org", allowed=[EMAIL]) is None
    assert find_identifying("a@example.org, 2024-01-31", allowed=[EMAIL]) == "a date"


def test_all_that_a_text_shows_is_said():
    assert find_identifying("Dr. Weber, 2024-01-31") == "a date and a person's name"


def _reasons(ids):
    return dict(judge_participant_ids(ids))


def test_random_ids_of_a_cohort_pass():
    generator = np.random.default_rng(0)
    assert _reasons([f"p{generator.integers(16**8):08x}" for _ in range(1000)]) == {}
    assert (
        _reasons([f"{value:06d}" for value in generator.choice(10**6, 1000, replace=False)]) == {}
    )
    assert _reasons([f"ZRH-{v:04d}" for v in generator.choice(10**4, 200, replace=False)]) == {}


@pytest.mark.parametrize("pattern", ["P{:03d}", "sub-{}", "{:05d}", "ZRH-{:04d}"])
def test_ids_that_count_are_not_random(pattern):
    ids = [pattern.format(number) for number in range(1, 31)]
    reasons = _reasons([*ids, "p3fadecab"])
    assert set(reasons) == set(ids)
    assert set(reasons.values()) == {"counts participants, it is not random"}


def test_few_ids_are_not_judged_as_a_cohort():
    assert _reasons([f"P{number}" for number in range(9)]) == {}


def test_initials_are_recognised_by_standing_alone():
    generator = np.random.default_rng(0)
    site = [f"ZRH-{v:04d}" for v in generator.choice(10**4, 20, replace=False)]
    assert _reasons([*site, "BSL-0007"]) == {}
    reasons = _reasons([*site, "as12", "mk07", "tw3"])
    assert set(reasons) == {"as12", "mk07", "tw3"}
    assert all("initials" in reason for reason in reasons.values())


def test_a_name_is_told_of_in_any_cohort():
    assert _reasons(["p1", "anna_schmidt"]) == {
        "anna_schmidt": "is not made like a pseudonym (a name?)"
    }
