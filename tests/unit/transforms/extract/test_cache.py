from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from transforms.extract.cache import (
    entry_path,
    extraction_key,
    read_entry,
    read_verdict,
    write_entry,
)
from transforms.extract.recording import RecordingResult
from transforms.settings import ExtractionSettings, QualitySettings

KEY = extraction_key("ab" * 32, ExtractionSettings())


def result() -> RecordingResult:
    rng = np.random.default_rng(0)
    return RecordingResult(
        verdict="accepted",
        target_track_id=0,
        target_confidence=0.9,
        quality_score=0.8,
        pts_s=np.array([0.0, 0.04]),
        boxes=np.array([[1, 2, 3, 4], [np.nan] * 4], np.float32),
        scores=np.array([0.7, np.nan], np.float32),
        mask_px=np.array([50, -1], np.int32),
        drop_reasons=(None, "no_target"),
        tracks=({"track_id": 0, "role": "target", "travel_px": 12.5},),
        silhouettes=rng.integers(0, 256, (1, 64, 64), dtype=np.uint8),
        mask_boxes=np.array([[1, 2, 9, 10]], np.int32),
        mask_bits=rng.integers(0, 256, 8, dtype=np.uint8),
    )


def test_a_result_is_read_back_as_it_was(tmp_path: Path) -> None:
    written = result()
    write_entry(tmp_path, KEY, written)
    found = read_entry(tmp_path, KEY)
    assert found is not None
    for item in fields(RecordingResult):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(written, item.name))
        assert type(getattr(found, item.name)) is type(getattr(written, item.name))
    assert read_verdict(tmp_path, KEY) == "accepted"


def test_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_entry(tmp_path / name, KEY, result())
    for file in sorted(entry_path(tmp_path / "a", KEY).iterdir()):
        assert file.read_bytes() == (entry_path(tmp_path / "b", KEY) / file.name).read_bytes()


def test_no_entry_is_no_result(tmp_path: Path) -> None:
    assert read_entry(tmp_path, KEY) is None
    assert read_verdict(tmp_path, KEY) is None


@pytest.mark.parametrize("name", ["arrays.npz", "facts.json", "checksums.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "missing", "garbage"])
def test_a_damaged_entry_is_discarded(tmp_path: Path, name: str, damage: str) -> None:
    write_entry(tmp_path, KEY, result())
    path = entry_path(tmp_path, KEY) / name
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"\xff\x00garbage")
    assert read_entry(tmp_path, KEY) is None
    assert not entry_path(tmp_path, KEY).exists()


def test_an_entry_moved_to_another_key_is_discarded(tmp_path: Path) -> None:
    write_entry(tmp_path, KEY, result())
    other = extraction_key("cd" * 32, ExtractionSettings())
    entry_path(tmp_path, other).parent.mkdir(parents=True, exist_ok=True)
    entry_path(tmp_path, KEY).rename(entry_path(tmp_path, other))
    assert read_entry(tmp_path, other) is None


def test_the_key_follows_everything_that_changes_a_result() -> None:
    settings = ExtractionSettings()
    changed = ExtractionSettings(quality=QualitySettings(min_mask_px=201))
    keys = {
        extraction_key("ab" * 32, settings),
        extraction_key("cd" * 32, settings),
        extraction_key("ab" * 32, changed),
        extraction_key("ab" * 32, settings, {"detector": "ef" * 32}),
    }
    assert len(keys) == 4
    assert extraction_key("ab" * 32, ExtractionSettings()) == KEY


def test_the_key_follows_what_can_change_a_result_and_nothing_else() -> None:
    settings = ExtractionSettings()
    contract = {"detector": {"kind": "onnx", "contract": {"input_px": 640}, "files": {"a": "b"}}}
    other = {"detector": {"kind": "onnx", "contract": {"input_px": 320}, "files": {"a": "b"}}}
    keys = [
        extraction_key("ab", settings),
        extraction_key("ab", settings, contract),
        extraction_key("ab", settings, other),
        extraction_key("ab", settings, runtimes={"detector": "onnxruntime 1"}),
        extraction_key("ab", settings, chosen_track="1@0123abcd"),
        extraction_key("ab", ExtractionSettings(quality=QualitySettings(min_mask_px=201))),
    ]
    assert len(set(keys)) == len(keys)
    patient = settings.model_copy(
        update={"decode": settings.decode.model_copy(update={"time_limit_s": 5.0})}
    )
    assert extraction_key("ab", patient) == keys[0]


def test_of_two_writers_the_first_wins(tmp_path: Path) -> None:
    write_entry(tmp_path, KEY, result())
    before = {path: path.stat().st_mtime_ns for path in entry_path(tmp_path, KEY).iterdir()}
    write_entry(tmp_path, KEY, result())
    after = {path: path.stat().st_mtime_ns for path in entry_path(tmp_path, KEY).iterdir()}
    assert after == before
    assert [path.name for path in entry_path(tmp_path, KEY).parent.iterdir()] == [KEY]
