"""No name in a table opens a file outside `videos/`; copies are found by content."""

import os
from pathlib import Path

import pytest

from transforms.intake.probe import Fault
from transforms.intake.videos import Claim, find_copies, find_unlisted_files, locate_video


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    (folder / "day 1").mkdir(parents=True)
    (folder / "day 1" / "Ä.mp4").write_text("x")
    (tmp_path / "secret.mp4").write_text("secret")
    (folder / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "up").symlink_to(tmp_path)
    (folder / "in.mp4").symlink_to("day 1/Ä.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    os.mkfifo(folder / "pipe.mp4")
    return folder


@pytest.mark.parametrize("file", ["day 1/Ä.mp4", "in.mp4"])
def test_files_inside_are_found(videos: Path, file: str) -> None:
    assert locate_video(videos, file) == (videos / "day 1" / "Ä.mp4").resolve()


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("/etc/passwd", "outside_videos"),
        ("../secret.mp4", "outside_videos"),
        ("day 1/../../secret.mp4", "outside_videos"),
        ("..\\secret.mp4", "outside_videos"),
        ("C:/secret.mp4", "outside_videos"),
        ("~/secret.mp4", "outside_videos"),
        ("out.mp4", "outside_videos"),
        ("up/secret.mp4", "outside_videos"),
        ("nix.mp4", "missing_file"),
        ("loop.mp4", "missing_file"),
        ("pipe.mp4", "not_a_video"),
        ("day 1", "not_a_video"),
        ("concat:out.mp4", "bad_file_name"),
        ("-i.mp4", "bad_file_name"),
        (".hidden.mp4", "bad_file_name"),
        ("day 1//Ä.mp4", "bad_file_name"),
        ("./in.mp4", "bad_file_name"),
        ("a\0b.mp4", "bad_file_name"),
        ("a\nb.mp4", "bad_file_name"),
        ("a" * 300, "bad_file_name"),
    ],
)
def test_everything_else_is_refused(videos: Path, file: str, code: str) -> None:
    fault = locate_video(videos, file)
    assert isinstance(fault, Fault)
    assert fault.code == code


def test_files_that_no_row_mentions_are_named(videos: Path) -> None:
    (videos / ".DS_Store").write_text("x")
    (videos / "linked").symlink_to("day 1")
    found = find_unlisted_files(videos, {"in.mp4", "linked/Ä.mp4"})
    assert sorted(problem.file for problem in found) == [
        "videos/day 1/Ä.mp4",
        "videos/loop.mp4",
        "videos/out.mp4",
        "videos/pipe.mp4",
        "videos/up",
    ]
    assert {problem.severity for problem in found} == {"warning"}


def test_of_one_participants_copies_the_first_stays() -> None:
    claims = [
        Claim(2, "R3", "P1", "aa", False),
        Claim(3, "R1", "P1", "aa", True),
        Claim(4, "R2", "P1", "aa", False),
        Claim(5, "R4", "P1", "bb", False),
    ]
    faults = find_copies(claims)
    assert {line: fault.code for line, fault in faults.items()} == {2: "duplicate_content"}


def test_copies_of_several_participants_all_go() -> None:
    claims = [Claim(2, "R1", "P1", "aa", False), Claim(3, "R2", "P2", "aa", True)]
    faults = find_copies(claims)
    assert {fault.code for fault in faults.values()} == {"duplicate_content_conflict"}
    assert set(faults) == {2, 3}
    assert faults[2].found == "R1, R2"
