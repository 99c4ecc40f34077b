"""A batch goes on past bad rows and bad videos, and nothing that is wrong goes unsaid."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.files import sha256_file
from transforms.intake import batch as batch_module
from transforms.intake.batch import IntakeResult, check_batch, take_in_batch
from transforms.intake.probe import ProbeResult, inspect_video
from transforms.intake.probe_workers import probe_videos
from transforms.progress import NoProgress
from transforms.schemas import PARTICIPANTS, PROBLEMS, RECORDINGS, conform
from transforms.settings import IntakeSettings

WriteVideo = Callable[..., Path]


@pytest.fixture(autouse=True)
def _probe_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no workers: their own tests do."""

    def probe(
        paths: Sequence[Path], settings: IntakeSettings, *, worker_count: int
    ) -> Iterator[tuple[int, ProbeResult]]:
        yield from ((index, inspect_video(path, settings)) for index, path in enumerate(paths))

    monkeypatch.setattr(batch_module, "probe_videos", probe)


def _append(path: Path, *lines: str) -> None:
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))


def _verdicts(result: IntakeResult) -> dict[str, str | None]:
    return dict(result.recordings.select("recording_id", "reason_code").iter_rows())


def _codes(result: IntakeResult) -> set[tuple[str, int | None, str]]:
    return set(result.problems.select("file", "row", "code").iter_rows())


def test_a_sound_batch_is_accepted_whole(batch: Path, settings: IntakeSettings) -> None:
    result = check_batch(batch, settings)
    assert result.problems.rows() == []
    assert result.participants.rows() == [
        ("P1", "negative", "F", 14.5, 160.0, 50.5, "school_1"),
        ("P2", "neutral", None, None, None, None, None),
    ]
    columns = ("recording_id", "batch_id", "label", "sync_group", "verdict", "frame_count")
    assert result.recordings.select(columns).rows() == [
        ("R1", "batch_001", "negative", "G1", "accepted", 6),
        ("R2", "batch_001", "negative", "G1", "accepted", 6),
        ("R3", "batch_001", "neutral", None, "accepted", 6),
    ]


def test_bad_rows_and_videos_are_refused_and_the_rest_goes_on(
    batch: Path, settings: IntakeSettings, write_video: WriteVideo
) -> None:
    _append(batch / "participants.csv", "P3,negative,F,999,160,50,", "P4,negative,X")
    write_video(batch / "videos" / "P3.mp4", frames=2, seed=4)
    (batch / "videos" / "text.mp4").write_text("hello")
    (batch / "videos" / "stray.mp4").write_text("hello")
    _append(
        batch / "recordings.csv",
        "R4,P3,side,,,P3.mp4",
        "R5,P2,side,,,text.mp4",
        "R6,P2,Side,,,nix.mp4",
        "R7,P9,side,,,../../secret.mp4",
        "R8,P2,side,,,/etc/passwd",
        "=R9,P2,side,,,",
    )
    result = check_batch(batch, settings)
    assert _verdicts(result) == {
        "R1": None,
        "R2": None,
        "R3": None,
        "R4": "row_refused",
        "R5": "not_a_video",
        "R6": "row_refused",
        "R7": "row_refused",
        "R8": "outside_videos",
        "'=R9": "row_refused",
    }
    assert _codes(result) == {
        ("participants.csv", 4, "out_of_range"),
        ("participants.csv", 5, "participant_without_recordings"),
        ("participants.csv", 5, "wrong_field_count"),
        ("recordings.csv", 7, "bad_view"),
        ("recordings.csv", 7, "missing_file"),
        ("recordings.csv", 8, "unknown_participant"),
        ("recordings.csv", 8, "outside_videos"),
        ("recordings.csv", 9, "outside_videos"),
        ("recordings.csv", 10, "bad_id"),
        ("recordings.csv", 10, "missing_value"),
        ("videos/P3.mp4", None, "too_short"),
        ("videos/stray.mp4", None, "unlisted_file"),
        ("videos/text.mp4", None, "not_a_video"),
    }
    assert result.participants["participant_id"].to_list() == ["P1", "P2"]
    refused = result.recordings.filter(pl.col("recording_id") == "R4")
    assert refused["label"].to_list() == [None]


def test_start_offsets_are_taken_in_or_refused(batch: Path, settings: IntakeSettings) -> None:
    rows = (batch / "recordings.csv").read_text().splitlines()
    cells = ("start_offset_s", "-0.25", "1.5", "0.5")
    (batch / "recordings.csv").write_text(
        "".join(f"{row},{cell}\n" for row, cell in zip(rows, cells, strict=True))
    )
    result = check_batch(batch, settings)
    columns = ("recording_id", "verdict", "start_offset_s")
    assert result.recordings.select(columns).rows() == [
        ("R1", "accepted", -0.25),
        ("R2", "accepted", 1.5),
        ("R3", "rejected", None),
    ]
    assert _codes(result) == {("recordings.csv", 4, "start_offset_without_sync_group")}


def test_copies_are_found_by_content(
    batch: Path, settings: IntakeSettings, write_video: WriteVideo
) -> None:
    write_video(batch / "videos" / "again.mp4", seed=3)
    write_video(batch / "videos" / "stolen.mp4", seed=1)
    _append(batch / "recordings.csv", "R0,P2,side,s2,,again.mp4", "R9,P2,side,s3,,stolen.mp4")
    result = check_batch(batch, settings)
    assert _verdicts(result) == {
        "R0": None,
        "R1": "duplicate_content_conflict",
        "R2": None,
        "R3": "duplicate_content",
        "R9": "duplicate_content_conflict",
    }
    assert ("videos/P2_side.mp4", None, "duplicate_content") in _codes(result)


def test_a_repeated_row_loses_only_the_repetition(batch: Path, settings: IntakeSettings) -> None:
    _append(batch / "recordings.csv", "R3,P2,side,s1,,P2_side.mp4")
    result = check_batch(batch, settings)
    rows = result.recordings.filter(pl.col("recording_id") == "R3")
    assert rows["reason_code"].to_list() == [None, "row_refused"]


def test_a_truncated_video_is_a_warning_only(
    batch: Path, settings: IntakeSettings, write_video: WriteVideo
) -> None:
    path = batch / "videos" / "P2_side.mp4"
    write_video(path, frames=20, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-6000])
    result = check_batch(batch, settings)
    assert _verdicts(result)["R3"] is None
    assert result.problems["severity"].to_list() == ["warning"]


def test_everything_wrong_with_the_batch_as_a_whole_is_named_at_once(
    tmp_path: Path, settings: IntakeSettings
) -> None:
    folder = tmp_path / "my batch"
    folder.mkdir()
    (folder / "recordings.csv").write_text("recording_id,file\n")
    with pytest.raises(InputError) as caught:
        check_batch(folder, settings)
    message = str(caught.value)
    for part in (
        "participants.csv: expected a CSV file, found no file",
        "recordings.csv: missing column participant_id",
        "recordings.csv: missing column view",
        "there is no folder videos/",
        "'my batch'",
    ):
        assert part in message


def test_a_linked_videos_folder_is_refused(batch: Path, settings: IntakeSettings) -> None:
    (batch / "videos").rename(batch.parent / "elsewhere")
    (batch / "videos").symlink_to(batch.parent / "elsewhere")
    with pytest.raises(InputError, match="videos/ is a link"):
        check_batch(batch, settings)


def test_tables_without_rows_give_empty_registers(batch: Path, settings: IntakeSettings) -> None:
    for name in ("participants.csv", "recordings.csv"):
        header = (batch / name).read_text().splitlines()[0]
        (batch / name).write_text(f"{header}\n")
    result = check_batch(batch, settings)
    assert result.recordings.height == 0
    assert set(result.problems["code"]) == {"unlisted_file"}
    conform(result.recordings, RECORDINGS, where="test")
    conform(result.participants, PARTICIPANTS, where="test")


def test_files_on_disk_meet_their_contracts_and_repeat_byte_for_byte(
    batch: Path, tmp_path: Path, settings: IntakeSettings
) -> None:
    _append(batch / "recordings.csv", "R4,P2,SIDE,,,nix.mp4")
    hashes = []
    for name in ("one", "two"):
        output = tmp_path / name
        output.mkdir()
        take_in_batch(batch, settings, output, worker_count=1, progress=NoProgress())
        hashes.append({path.name: sha256_file(path) for path in sorted(output.iterdir())})
    assert hashes[0] == hashes[1]
    assert list(hashes[0]) == ["participants.parquet", "problems.parquet", "recordings.parquet"]
    for name, schema, rows in (
        ("participants", PARTICIPANTS, 2),
        ("recordings", RECORDINGS, 4),
        ("problems", PROBLEMS, 2),
    ):
        frame = pl.read_parquet(tmp_path / "one" / f"{name}.parquet")
        assert frame.height == rows
        conform(frame, schema, where=name)


@pytest.mark.slow
def test_workers_give_the_same_result(
    batch: Path, settings: IntakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = check_batch(batch, settings)
    monkeypatch.setattr(batch_module, "probe_videos", probe_videos)
    there = check_batch(batch, settings, worker_count=2)
    assert there.recordings.equals(here.recordings)
    assert there.problems.equals(here.problems)


def test_diagnoses_of_the_spine_are_taken_in_as_they_are(
    batch: Path, settings: IntakeSettings
) -> None:
    table = batch / "participants.csv"
    _rewrite(table, ("P1,negative", "P1,ASD"), ("P2,critical", "P2,hipoa"))
    assert check_batch(batch, settings).participants["label"].to_list() == ["asd", "hipoa"]
    _rewrite(table, ("P2,hipoa", "P2,non_asd"))
    result = check_batch(batch, settings)
    assert result.participants["participant_id"].to_list() == ["P1"]
    problem = result.problems.filter(code="unknown_label").row(0, named=True)
    assert problem["expected"] == "asd or dhs or lcs or hipoa"


def test_a_batch_of_two_kinds_of_cohorts_is_refused_with_their_lines(
    batch: Path, settings: IntakeSettings
) -> None:
    _rewrite(batch / "participants.csv", ("P2,critical", "P2,lcs"))
    with pytest.raises(InputError, match="mixes scoliosis in line 2; spinal deformity in line 3"):
        check_batch(batch, settings)


def _rewrite(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        text = text.replace(old, new)
    path.write_text(text)
