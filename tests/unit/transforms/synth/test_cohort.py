import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from transforms.errors import GaitworksError, RefusalError
from transforms.progress import NoProgress
from transforms.settings import SynthSettings
from transforms.synth import cohort
from transforms.synth.cohort import write_cohort

TINY = SynthSettings.model_validate(
    {
        "participants": {"positive": 2, "negative": 1},
        "batches": 2,
        "second_session_fraction": 0.34,
        "bystander_fraction": 0.5,
        "frame_width_px": 160,
        "frame_height_px": 120,
        "fps": 5,
        "duration_s": 0.8,
    }
)


def _write(root: Path, settings: SynthSettings = TINY, worker_count: int = 1) -> int:
    return write_cohort(
        settings,
        root / "raw",
        root / "truth",
        worker_count=worker_count,
        progress=NoProgress(),
    )


def _contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _videos(root: Path) -> set[str]:
    return {name for name in _contents(root) if name.endswith(".mp4")}


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed")
    _write(root)
    return _contents(root)


def test_tables_and_videos_agree(tmp_path: Path) -> None:
    _write(tmp_path)
    for batch in ("batch_001", "batch_002"):
        folder = tmp_path / "raw" / batch
        participants, recordings = (
            _rows(folder / name) for name in ("participants.csv", "recordings.csv")
        )
        assert list(participants[0]) == [
            "participant_id", "label", "sex", "age_years", "height_cm", "weight_kg", "site",
        ]  # fmt: skip
        assert {row["participant_id"] for row in recordings} == {
            row["participant_id"] for row in participants
        }
        assert {row["file"] for row in recordings} == {
            path.name for path in (folder / "videos").iterdir()
        }


def test_truth_files_hold_the_arrays_of_the_contract(undisturbed: dict[str, bytes]) -> None:
    names = [name for name in undisturbed if name.endswith(".npz")]
    assert len(names) == 4
    for name in names:
        with np.load(io.BytesIO(undisturbed[name]), allow_pickle=False) as truth:
            assert truth["participant_masks"].shape == (4, 120, 20)
            assert truth["participant_masks"].dtype == np.uint8
            assert truth["frame_shape"].tolist() == [120, 160]
            assert truth["boxes"].shape[1:] == (4, 4)
            assert truth["boxes"].dtype == np.float32
            assert truth["phase"].shape == (4,)
            assert "start_offset_s" not in truth
        with zipfile.ZipFile(io.BytesIO(undisturbed[name])) as archive:
            assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.parametrize("declares", [True, False])
def test_when_cameras_start_is_in_the_truth_and_in_the_table_if_noted(
    tmp_path: Path, declares: bool
) -> None:
    changes = {
        "participants": {"dhs": 1},
        "batches": 1,
        "second_session_fraction": 0.0,
        "views": ("front", "side"),
        "start_spread_s": 1.0,
        "declares_offsets": declares,
    }
    _write(tmp_path, SynthSettings.model_validate({**TINY.model_dump(), **changes}))
    rows = _rows(tmp_path / "raw" / "batch_001" / "recordings.csv")
    starts = []
    for row in rows:
        path = tmp_path / "truth" / "batch_001" / f"{row['recording_id']}.npz"
        with np.load(path, allow_pickle=False) as truth:
            starts.append(truth["start_offset_s"].item())
            assert truth["phase"].shape == (4,)
        assert ("start_offset_s" in row) == declares
        if declares:
            assert float(row["start_offset_s"]) == starts[-1]
    assert len(rows) == 2
    assert abs(starts[0] - starts[1]) > 0.01
    assert len({row["sync_group"] for row in rows}) == 1


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    _write(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    _write(tmp_path)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.slow
def test_worker_counts_do_not_change_a_byte(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    _write(tmp_path, worker_count=2)
    assert _contents(tmp_path) == undisturbed


@pytest.mark.parametrize("writes_before_the_end", [0, 1, 4, 8, 12, 13])
def test_a_run_that_ended_anywhere_is_completed(
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    writes_before_the_end: int,
) -> None:
    class EndedError(Exception):
        pass

    left = [writes_before_the_end]

    def write_or_end(path: Path, data: bytes) -> None:
        if left[0] == 0:
            # What a kill in the middle of an atomic write leaves behind.
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / f".tmp-{path.name}-0").write_bytes(data[:10])
            raise EndedError
        left[0] -= 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr(cohort, "write_bytes_atomic", write_or_end)
        patch.setattr("transforms.synth.truth.write_bytes_atomic", write_or_end)
        with pytest.raises(EndedError):
            _write(tmp_path)
    for batch in (tmp_path / "raw").glob("batch_*"):
        if (batch / "participants.csv").is_file() and (batch / "recordings.csv").is_file():
            files = [row["file"] for row in _rows(batch / "recordings.csv")]
            assert all((batch / "videos" / file).is_file() for file in files)
    kept = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "raw").rglob("*.mp4")
        if path.name[0] != "."
    }
    _write(tmp_path)
    assert _contents(tmp_path) == undisturbed
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_a_lost_video_or_truth_file_is_made_again(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    _write(tmp_path)
    next((tmp_path / "raw").rglob("*.mp4")).unlink()
    next((tmp_path / "truth" / "batch_002").glob("*.npz")).write_bytes(b"cut")
    _write(tmp_path)
    assert _contents(tmp_path) == undisturbed


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 9},
        {"batches": 1},
        {"participants": {"positive": 1, "negative": 1}},
        {"fps": 6},
    ],
)
def test_a_changed_cohort_replaces_the_former_one(
    tmp_path: Path, change: dict[str, object]
) -> None:
    settings = SynthSettings.model_validate({**TINY.model_dump(), **change})
    assert _write(tmp_path / "changed") == 0
    former = _videos(tmp_path / "changed")
    removed_count = _write(tmp_path / "changed", settings)
    _write(tmp_path / "fresh", settings)
    assert _contents(tmp_path / "changed") == _contents(tmp_path / "fresh")
    assert removed_count == len(former - _videos(tmp_path / "fresh"))


@pytest.mark.parametrize(
    "name",
    [
        "batch_001/participants.csv",
        "batch_001/videos/clinic.mp4",
        "hospital/participants.csv",
        "batch_001/videos/more/clip.mp4",
    ],
)
def test_foreign_files_are_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    foreign = tmp_path / "raw" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"theirs")
    with pytest.raises(RefusalError, match=name.split("/clip")[0]):
        _write(tmp_path)
    assert _contents(tmp_path) == {f"raw/{name}": b"theirs"}


@pytest.mark.parametrize("pattern", ["participants.csv", "*.mp4"])
def test_edited_files_are_refused(tmp_path: Path, pattern: str) -> None:
    _write(tmp_path)
    edited = next((tmp_path / "raw").rglob(pattern))
    edited.write_bytes(edited.read_bytes() + b"x")
    with pytest.raises(RefusalError, match="changed since"):
        _write(tmp_path)


def test_links_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "other")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "batch_001").symlink_to(tmp_path / "other" / "raw" / "batch_001")
    with pytest.raises(RefusalError, match="batch_001"):
        _write(tmp_path)


def test_an_unreadable_ledger_vouches_for_nothing(tmp_path: Path) -> None:
    _write(tmp_path)
    entry = next((tmp_path / "truth").rglob("p*.json"))
    entry.write_text(json.dumps({"video_sha256": 1}))
    with pytest.raises(GaitworksError, match=entry.stem):
        _write(tmp_path)


def test_hidden_files_in_the_raw_folder_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / ".gitignore").write_text("*\n")
    _write(tmp_path)
    assert (tmp_path / "raw" / ".gitignore").read_text() == "*\n"


def test_a_readme_beside_the_batches_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "raw" / "README.md"
    readme.parent.mkdir()
    readme.write_bytes(b"what to put here")
    _write(tmp_path)
    assert readme.read_bytes() == b"what to put here"
