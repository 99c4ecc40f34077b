import os

import pytest

from transforms.intake.arrival import fingerprint_folder, look_at_batch

PEOPLE = "participant_id,label,sex,age_years,height_cm,weight_kg\nP1,positive,F,14,160,50\n"
TAKES = "recording_id,participant_id,file,view\nR1,P1,a.mp4,side\nR2,P1,b.mp4,front\n"


@pytest.fixture
def batch(tmp_path):
    folder = tmp_path / "raw" / "batch_001"
    (folder / "videos").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4"):
        (folder / "videos" / name).write_bytes(b"x" * 10)
    (folder / "participants.csv").write_text(PEOPLE)
    (folder / "recordings.csv").write_text(TAKES)
    return folder


def test_a_whole_batch_is_ready(batch):
    look = look_at_batch(batch)
    assert look.is_ready
    assert (look.recordings, look.files) == (2, 4)
    assert look.total_bytes == 20 + len(PEOPLE) + len(TAKES)


@pytest.mark.parametrize("name", ["participants.csv", "recordings.csv"])
def test_without_a_table_it_is_still_coming(batch, name):
    (batch / name).unlink()
    look = look_at_batch(batch)
    assert not look.is_ready
    assert look.faults == ()
    assert name in look.missing[0]


def test_a_video_that_is_named_and_not_there_is_waited_for(batch):
    (batch / "videos" / "b.mp4").unlink()
    assert look_at_batch(batch).missing == ("1 of 2 videos (b.mp4)",)
    (batch / "videos" / "b.mp4").write_bytes(b"")  # opened by whoever copies it
    assert not look_at_batch(batch).is_ready
    (batch / "videos" / "b.mp4").write_bytes(b"x")
    assert look_at_batch(batch).is_ready


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("participants.csv", b"\xff\xfe", "not UTF-8"),
        ("recordings.csv", b"recording_id,file\nR1,a.mp4\n", "missing column participant_id"),
        ("recordings.csv", TAKES.split("\n")[0].encode() + b"\n", "no row can be used"),
        ("participants.csv", PEOPLE.replace("positive", "maybe").encode(), "no row can be used"),
        ("recordings.csv", TAKES.replace("P1", "P9").encode(), "no row can be used"),
    ],
)
def test_what_intake_could_not_use_is_a_fault_and_says_why(batch, file, content, words):
    (batch / file).write_bytes(content)
    look = look_at_batch(batch)
    assert not look.is_ready
    assert any(file in fault and words in fault for fault in look.faults), look.faults


def test_one_bad_row_does_not_keep_the_batch_out(batch):
    (batch / "recordings.csv").write_text(TAKES + "R3,nobody,a.mp4,side\n")
    assert look_at_batch(batch).is_ready


def test_hostile_names_are_faults_and_followed_nowhere(batch, tmp_path):
    (batch / "recordings.csv").write_text(TAKES + "R3,P1,../../secret.mp4,side\n")
    assert look_at_batch(batch).is_ready  # intake refuses that row
    odd = batch.rename(batch.parent / "batch 001; rm")
    assert "letters" in look_at_batch(odd).faults[0]
    (tmp_path / "elsewhere").mkdir()
    linked = tmp_path / "raw" / "linked"
    linked.mkdir()
    (linked / "videos").symlink_to(tmp_path / "elsewhere")
    assert any("link" in fault for fault in look_at_batch(linked).faults)


def test_the_fingerprint_changes_with_names_sizes_and_times_only(batch):
    before = fingerprint_folder(batch)
    assert fingerprint_folder(batch) == before
    path = batch / "videos" / "a.mp4"
    status = path.stat()
    path.write_bytes(b"y" * 10)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint_folder(batch) == before
    os.utime(path, ns=(0, 1))
    later = fingerprint_folder(batch)
    assert later != before
    path.rename(batch / "videos" / "c.mp4")
    assert fingerprint_folder(batch) != later
    assert fingerprint_folder(batch / "nowhere")[1] == []
