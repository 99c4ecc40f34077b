import pytest

from transforms.release.privacy import (
    find_identifying,
    is_raw_file,
    judge_participant_id,
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
