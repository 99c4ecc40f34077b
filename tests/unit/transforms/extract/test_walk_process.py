"""A video in a process of its own: results and errors come back, and so does its death."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from transforms.errors import GaitworksError, SettingsError
from transforms.extract.registry import Resources
from transforms.extract.single import WalkRequest
from transforms.extract.walk_process import START, WalkProcess
from transforms.settings import ExtractionSettings, IntakeSettings, QualitySettings, ShardSettings

pytestmark = pytest.mark.slow


def plan(video: Path, settings: ExtractionSettings) -> WalkRequest:
    return WalkRequest(
        video, IntakeSettings(min_height_px=100), settings, ShardSettings(), Resources()
    )


def test_a_walk_comes_back_with_its_times(walk, write_video) -> None:
    quality = QualitySettings(min_mask_px=50, require_walking=False, min_gait_cycles=0)
    with WalkProcess() as process:
        process.submit(plan(write_video(walk.images), ExtractionSettings(quality=quality)))
        found = process.result()
    assert next(iter(found.seconds)) == START
    assert found.seconds[START] > 0
    assert found.found.silhouettes.dtype == np.uint8
    assert len(found.found.pts_s) == len(walk.images)


def test_an_error_comes_back_as_what_it_is(tmp_path: Path) -> None:
    with WalkProcess() as process:
        process.submit(plan(tmp_path / "none.mp4", ExtractionSettings(detector="magic")))
        with pytest.raises(SettingsError, match="unknown detector"):
            process.result()


def test_a_process_that_died_is_no_walk(tmp_path: Path) -> None:
    with WalkProcess() as process:
        os.kill(process.pid, signal.SIGKILL)
        process.submit(plan(tmp_path / "none.mp4", ExtractionSettings()))
        with pytest.raises(GaitworksError, match="died"):
            process.result()


def test_leaving_ends_a_process_that_was_asked_for_nothing() -> None:
    with WalkProcess() as process:
        pid = process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
