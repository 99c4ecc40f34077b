"""A small batch with real backends, good and bad videos side by side."""

import multiprocessing
import shutil
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from transforms.errors import InputError, SettingsError
from transforms.extract.batch import ExtractionSummary, Work, extract_batch
from transforms.extract.cache import entry_path
from transforms.extract.ledger import find_ledger_gaps
from transforms.extract.registry import Resources
from transforms.progress import NoProgress
from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    FRAMES,
    MASKS,
    RECORDINGS,
    SEQUENCES,
    TRACKS,
)
from transforms.settings import ExtractionSettings
from transforms.shards.codec import decode_silhouettes
from transforms.shards.parquet import read_table, write_table
from transforms.synth.score import unpack_masks

TABLES = {
    "sequences": SEQUENCES,
    "frames": FRAMES,
    "tracks": TRACKS,
    "masks": MASKS,
    "recordings": EXTRACTED_RECORDINGS,
}


@dataclass
class Notes:
    labels: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def start(self, label: str, total: int) -> None:
        self.labels.append((label, total))

    def advance(self, count: int = 1, note: str = "") -> None:
        self.notes.append(note)


@dataclass(frozen=True)
class Batch:
    root: Path

    def run(self, name: str, *, worker_count: int = 1, progress=None) -> ExtractionSummary:
        (self.root / name).mkdir()
        return extract_batch(
            work_in(self.root),
            self.root / name,
            worker_count=worker_count,
            progress=progress or NoProgress(),
        )

    def tables(self, name: str) -> dict[str, pl.DataFrame]:
        return {
            table: pl.from_arrow(read_table(self.root / name / f"{table}.parquet", schema))
            for table, schema in TABLES.items()
        }


def work_in(root: Path, **settings: str) -> Work:
    return Work(
        intake_dir=root / "intake",
        videos=root / "videos",
        overrides=root / "overrides.csv",
        cache_root=root / "cache",
        settings=ExtractionSettings(**settings),
        resources=Resources(),
    )


def recording_row(recording_id: str, path: Path, **changes: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(RECORDINGS.names)
    row |= {
        "recording_id": recording_id,
        "batch_id": "batch_001",
        "participant_id": f"p_{recording_id}",
        "label": "neutral",
        "view": "side",
        "file": path.name,
        "fps": 25.0,
        "video_sha256": sha256(path.read_bytes()).hexdigest(),
        "verdict": "accepted",
    }
    return row | changes


@pytest.fixture
def batch(tmp_path: Path, walk, write_video) -> Batch:
    videos = tmp_path / "videos"
    videos.mkdir()
    good = write_video(walk.images, "videos/good.mp4")
    copy = Path(shutil.copy(good, videos / "copy.mp4"))
    text = videos / "text.mp4"
    text.write_text("this is no video\n")
    changed = videos / "changed.mp4"
    changed.write_bytes(b"other bytes than were taken in")
    outside = tmp_path / "outside.mp4"
    shutil.copy(good, outside)
    (videos / "link.mp4").symlink_to(outside)
    rows = [
        recording_row("r_text", text),
        recording_row("r_good", good),
        recording_row("r_copy", copy),
        recording_row("r_changed", changed, video_sha256="0" * 64),
        recording_row("r_gone", good, file="gone.mp4", video_sha256="1" * 64),
        recording_row("r_link", videos / "link.mp4", video_sha256="2" * 64),
        recording_row("r_rejected", text, verdict="rejected", label=None),
    ]
    (tmp_path / "intake").mkdir()
    write_table(
        pa.Table.from_pylist(rows, schema=RECORDINGS), tmp_path / "intake" / "recordings.parquet"
    )
    return Batch(tmp_path)


@pytest.mark.slow
def test_every_recording_gets_a_verdict_and_every_frame_a_row(batch: Batch) -> None:
    progress = Notes()
    summary = batch.run("output", progress=progress)
    tables = batch.tables("output")
    verdicts = dict(tables["recordings"].select("recording_id", "reason_code").iter_rows())
    assert verdicts == {
        "r_changed": "video_changed",
        "r_copy": None,
        "r_gone": "missing_file",
        "r_good": None,
        "r_link": "outside_videos",
        "r_text": "unreadable",
    }
    assert list(verdicts) == sorted(verdicts)
    assert find_ledger_gaps(tables["frames"], tables["recordings"]) == []
    assert summary.verdicts == {"accepted": 2, "failed": 4}
    assert progress.labels == [("extract recordings", 6)]
    assert sorted(note.split(":")[0] for note in progress.notes) == sorted(verdicts)

    good = tables["sequences"].row(by_predicate=pl.col("recording_id") == "r_good", named=True)
    kept = tables["frames"].filter(recording_id="r_good", status="kept")
    assert good["sequence_id"] == "r_good"
    assert good["frame_index"] == kept["frame_index"].to_list()
    assert kept["sequence_index"].to_list() == list(range(good["frame_count"]))
    silhouettes = decode_silhouettes(
        good["silhouettes"], good["codec"], (good["frame_count"], 64, 64)
    )
    assert silhouettes.any(axis=(1, 2)).all()
    copy = tables["sequences"].row(by_predicate=pl.col("recording_id") == "r_copy", named=True)
    assert copy["silhouettes"] == good["silhouettes"]

    masks = tables["masks"].row(by_predicate=pl.col("recording_id") == "r_good", named=True)
    unpacked = unpack_masks(masks)
    assert [int(mask.sum()) for _, _, mask in unpacked] == kept["mask_px"].to_list()


@pytest.mark.slow
def test_a_second_run_reuses_all_and_writes_the_same_bytes(batch: Batch) -> None:
    first = batch.run("first")
    second = batch.run("second", worker_count=2)
    assert (first.reused, first.computed) == (0, 6)
    assert second.reused == 3  # the failures of the moment are tried again
    for name in TABLES:
        file = f"{name}.parquet"
        assert (batch.root / "first" / file).read_bytes() == (
            batch.root / "second" / file
        ).read_bytes()


@pytest.mark.slow
def test_an_error_between_two_recordings_ends_the_workers(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = []

    def refuse(*arguments: object) -> None:
        at_work.extend(multiprocessing.active_children())
        raise OSError("the disk is full")

    monkeypatch.setattr("transforms.extract.tables.ExtractionTables.add", refuse)
    with pytest.raises(OSError, match="disk is full") as caught:
        batch.run("output", worker_count=2)
    assert len(at_work) == 2
    assert multiprocessing.active_children() == []
    assert caught.tb is not None  # till here: what it holds is not ended by being forgotten


@pytest.mark.slow
def test_a_damaged_cache_entry_is_computed_again(batch: Batch) -> None:
    batch.run("first")
    recordings = batch.tables("first")["recordings"]
    (key,) = recordings.filter(recording_id="r_good")["extraction_key"]
    entry = entry_path(batch.root / "cache", key)
    (entry / "arrays.npz").write_bytes(b"damaged")
    again = batch.run("again")
    assert again.reused == 1
    for name in TABLES:
        file = f"{name}.parquet"
        assert (batch.root / "first" / file).read_bytes() == (
            batch.root / "again" / file
        ).read_bytes()


def test_an_unknown_backend_is_refused_before_any_work(batch: Batch) -> None:
    with pytest.raises(SettingsError, match="background"):
        extract_batch(
            work_in(batch.root, detector="telepathy"),
            batch.root,
            worker_count=1,
            progress=NoProgress(),
        )
    assert not (batch.root / "cache").exists()


def test_an_accepted_recording_without_a_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"x")
    row = recording_row("r", tmp_path / "video.mp4", label=None)
    (tmp_path / "intake").mkdir()
    table = pa.Table.from_pylist([row], schema=RECORDINGS)
    write_table(table, tmp_path / "intake" / "recordings.parquet")
    with pytest.raises(InputError, match="without label") as caught:
        extract_batch(work_in(tmp_path), tmp_path, worker_count=1, progress=NoProgress())
    assert str(tmp_path / "intake" / "recordings.parquet") in str(caught.value)


def test_a_batch_without_accepted_recordings_gives_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "intake").mkdir()
    write_table(RECORDINGS.empty_table(), tmp_path / "intake" / "recordings.parquet")
    (tmp_path / "output").mkdir()
    summary = extract_batch(
        work_in(tmp_path), tmp_path / "output", worker_count=2, progress=NoProgress()
    )
    assert (summary.recordings, summary.verdicts) == (0, {})
    for name, schema in TABLES.items():
        assert read_table(tmp_path / "output" / f"{name}.parquet", schema).num_rows == 0


@pytest.mark.slow
def test_a_persons_word_wins_without_anything_being_computed_again(batch: Batch) -> None:
    batch.run("gates")
    (batch.root / "overrides.csv").write_text(
        "recording_id,decision,track_id,name,reason\n"
        "r_good,reject,,A. Person,walks with crutches\n"
        "r_text,accept,,A. Person,please\n"
    )
    summary = batch.run("decided")
    assert (summary.reused, summary.overridden) == (3, 2)
    tables = batch.tables("decided")
    rows = {row["recording_id"]: row for row in tables["recordings"].iter_rows(named=True)}
    assert rows["r_good"]["verdict"] == "rejected"
    assert rows["r_good"]["reason_code"] == "rejected_by_a_person"
    assert rows["r_good"]["override_name"] == "A. Person"
    assert rows["r_text"]["verdict"] == "failed", "nobody can accept what is no video"
    assert rows["r_copy"]["verdict"] == "accepted"
    assert "r_good" not in tables["sequences"]["recording_id"].to_list()
    assert find_ledger_gaps(tables["frames"], tables["recordings"]) == []
    (batch.root / "overrides.csv").unlink()
    batch.run("withdrawn")
    for name in TABLES:
        file = f"{name}.parquet"
        assert (batch.root / "gates" / file).read_bytes() == (
            batch.root / "withdrawn" / file
        ).read_bytes()
