"""Odd, broken and hostile videos cost a verdict each, and nobody else anything.

The corpus and what may be said of each file is in `odd_videos`.
"""

import csv
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.integration.odd_videos import BOMB_PX, FRAMES, OddVideo, scene, write_odd_videos
from transforms.extract.batch import Work, extract_batch
from transforms.extract.decoding.pool import DecoderPool
from transforms.extract.decoding.process import DecoderProcess
from transforms.extract.decoding.video_frames import VideoFrames
from transforms.extract.registry import Resources
from transforms.intake.batch import take_in_batch
from transforms.intake.probe import inspect_video
from transforms.progress import NoProgress
from transforms.settings import (
    DecodeSettings,
    ExtractionSettings,
    IntakeSettings,
    SynthSettings,
)
from transforms.synth.cohort import write_cohort

pytestmark = pytest.mark.slow

LIMITS = DecodeSettings(memory_limit_mib=512, stall_limit_s=10.0, time_limit_s=20.0)
_OWN_MIB = 64 + 100
"""The ring, and what the process takes without a video."""

Corpus = tuple[Path, list[OddVideo]]


class WatchedPool(DecoderPool):
    """Notes the most memory that any of its processes ever took."""

    def __init__(self) -> None:
        super().__init__()
        self.peak_mib = 0.0

    def take(self, memory_limit_mib: int) -> DecoderProcess:
        decoder = super().take(memory_limit_mib)
        kill = decoder.kill

        def measure_and_kill() -> None:
            self._measure(decoder.pid)
            kill()

        decoder.kill = measure_and_kill
        return decoder

    def give_back(self, decoder: DecoderProcess) -> None:
        self._measure(decoder.pid)
        super().give_back(decoder)

    def _measure(self, pid: int) -> None:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.peak_mib = max(self.peak_mib, int(line.split()[1]) / 1024)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("odd")
    for name in ("videos", "outside"):
        (root / name).mkdir()
    return root / "videos", write_odd_videos(root / "videos", root / "outside")


def test_the_corpus_is_the_same_every_time(corpus: Corpus, tmp_path: Path) -> None:
    folder, videos = corpus
    # The playlists name the place of what they point at; the rest must not know where it lies.
    (tmp_path / "videos").mkdir()
    (tmp_path / "outside").mkdir()
    write_odd_videos(tmp_path / "videos", tmp_path / "outside")
    differing = {
        video.file
        for video in videos
        if (folder / video.file).is_file()
        and (folder / video.file).read_bytes() != (tmp_path / "videos" / video.file).read_bytes()
    }
    assert differing == {"playlist.mp4", "concat.mp4"}
    assert len(videos) >= 30
    assert os.sched_getscheduler(0) == os.SCHED_OTHER  # an encoder had changed it


def test_every_file_gets_its_verdict_in_time_and_memory(corpus: Corpus) -> None:
    folder, videos = corpus
    pool = WatchedPool()
    wrong = []
    for odd in videos:
        video = VideoFrames(folder / odd.file, LIMITS, cache_bytes=0, pool=pool)
        start = time.monotonic()
        frames = list(video.frames())
        spent_s = time.monotonic() - start
        code = None if video.problem is None else video.problem.code
        if code not in odd.verdicts or spent_s > LIMITS.stall_limit_s:
            wrong.append(f"{odd.file}: {code} after {len(frames)} frames and {spent_s:.1f} s")
        if video.problem is not None and str(folder) in video.problem.message:
            wrong.append(f"{odd.file}: the message shows where the file lies")
        if code is None and not frames:
            wrong.append(f"{odd.file}: no problem and no frame")
    pool.close()
    assert wrong == []
    assert 0 < pool.peak_mib < LIMITS.memory_limit_mib + _OWN_MIB


def test_sound_files_show_the_scene_upright_whatever_their_codec(corpus: Corpus) -> None:
    folder, videos = corpus
    wrong = []
    for odd in videos:
        if odd.shows is None:
            continue
        frames = list(VideoFrames(folder / odd.file, LIMITS).frames())
        expected = 1 if odd.file == "one_frame.mp4" else FRAMES
        if len(frames) != expected or frames[0].picture.colour().shape != scene(0).shape:
            wrong.append(f"{odd.file}: {len(frames)} frames")
            continue
        worst = max(
            float(np.abs(frame.picture.colour().astype(int) - odd.shows(frame.index)).mean())
            for frame in frames
        )
        if worst > 5:
            wrong.append(f"{odd.file}: {worst:.1f} grey levels away")
    assert wrong == []


def test_a_picture_bomb_that_is_let_through_meets_the_memory_limit(corpus: Corpus) -> None:
    folder, _ = corpus
    pool = WatchedPool()
    limits = LIMITS.model_copy(update={"max_pixels": BOMB_PX**2})
    video = VideoFrames(folder / "bomb.avi", limits, cache_bytes=0, pool=pool)
    assert next(video.frames(), None) is None  # one alone would take 768 MB here as well
    pool.close()
    assert video.problem is not None
    assert video.problem.code == "out_of_memory"
    assert pool.peak_mib < LIMITS.memory_limit_mib + _OWN_MIB


@pytest.fixture(scope="module")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound batch with two synthetic walkers."""
    root = tmp_path_factory.mktemp("walkers")
    settings = SynthSettings.model_validate(
        {
            "participants": {"positive": 1, "negative": 1},
            "batches": 1,
            "second_session_fraction": 0.0,
            "bystander_fraction": 0.0,
            "frame_height_px": 180,
            "frame_width_px": 320,
            "fps": 15,
            "duration_s": 3.0,
        }
    )
    write_cohort(settings, root / "raw", root / "truth", worker_count=1, progress=NoProgress())
    (batch,) = (root / "raw").glob("batch*")
    return batch


def add_odd_videos(walkers: Path, corpus: Corpus, to: Path) -> Path:
    """Copy a batch and list every file of the corpus beside its own recordings."""
    folder, videos = corpus
    shutil.copytree(folder, to / "videos", symlinks=True, copy_function=copy_anything)
    shutil.copytree(walkers / "videos", to / "videos", dirs_exist_ok=True)
    for name, rows in (
        ("participants", [{"participant_id": "p_odd", "label": "neutral"}]),
        (
            "recordings",
            [
                {"recording_id": f"odd_{at:02}", "participant_id": "p_odd", "file": odd.file}
                | {"view": "side"}
                for at, odd in enumerate(videos)
            ],
        ),
    ):
        with (walkers / f"{name}.csv").open() as source:
            reader = csv.DictReader(source)
            fields, own = list(reader.fieldnames or []), list(reader)
        with (to / f"{name}.csv").open("w", newline="") as target:
            writer = csv.DictWriter(target, fields, restval="")
            writer.writeheader()
            writer.writerows([*own, *rows])
    return to


def copy_anything(source: str, target: str) -> None:
    if Path(source).is_fifo():
        os.mkfifo(target)
    else:
        shutil.copy(source, target)


def run(batch: Path, output: Path, limits: DecodeSettings = LIMITS) -> dict[str, pl.DataFrame]:
    """Take a batch in and extract it, with the cache of earlier runs; return the tables by name."""
    for name in ("intake", "extracted"):
        shutil.rmtree(output / name, ignore_errors=True)
        (output / name).mkdir(parents=True)
    take_in_batch(batch, IntakeSettings(), output / "intake", worker_count=2, progress=NoProgress())
    work = Work(
        intake_dir=output / "intake",
        videos=batch / "videos",
        overrides=output / "overrides.csv",
        cache_root=output / "cache",
        settings=ExtractionSettings(decode=limits),
        resources=Resources(),
    )
    extract_batch(work, output / "extracted", worker_count=1, progress=NoProgress())
    tables = {path.stem: pl.read_parquet(path) for path in (output / "extracted").glob("*.parquet")}
    return tables | {"intake": pl.read_parquet(output / "intake" / "recordings.parquet")}


def test_the_sound_recordings_beside_them_are_unharmed(
    corpus: Corpus, walkers: Path, tmp_path: Path
) -> None:
    _, videos = corpus
    alone = run(walkers, tmp_path / "alone")
    mixed_batch = add_odd_videos(walkers, corpus, tmp_path / "mixed" / walkers.name)
    mixed = run(mixed_batch, tmp_path / "run")

    intake = mixed["intake"].filter(pl.col("participant_id") == "p_odd")
    assert intake.height == len(videos)
    assert set(intake["verdict"]) == {"accepted", "rejected"}
    reasons = dict(intake.select("file", "reason_code").iter_rows())
    assert reasons["link_out.mp4"] == "outside_videos"
    assert reasons["pipe.mp4"] == reasons["text.mp4"] == "not_a_video"
    assert reasons["audio_only.mp4"] == "no_video_stream"
    assert reasons["bomb.avi"] == "too_many_pixels"
    assert reasons["one_frame.mp4"] == "too_short"
    accepted = intake.filter(pl.col("verdict") == "accepted")
    extracted = mixed["recordings"]
    sound = alone["recordings"]["recording_id"].to_list()
    assert set(extracted["recording_id"]) == {*accepted["recording_id"], *sound}
    assert extracted["verdict"].null_count() == 0
    assert len(sound) == 2
    assert alone["recordings"]["verdict"].to_list() == ["accepted", "accepted"]
    for name, table in alone.items():
        beside = mixed[name].filter(pl.col("recording_id").is_in(sound))
        assert beside.equals(table), name


STAND_IN = """
import os, time
from transforms.extract.decoding import child as decode_child
from transforms.extract.decoding import stream
open_video = stream.open_video
def open_hostile(path):
    if path.name == "hang.mp4":
        while True:
            pass
    if path.name == "hoard.mp4":
        hoard = [bytearray(os.urandom(1)) * 2**24 for _ in range(10**6)]
    if path.name == "crash.mp4":
        os.kill(os.getpid(), 11)
    return open_video(path)
stream.open_video = open_hostile
decode_child.main()
"""


def test_videos_that_hang_hoard_or_crash_the_decoder_cost_a_verdict_each(
    corpus: Corpus, walkers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = corpus
    quick = LIMITS.model_copy(update={"stall_limit_s": 2.0})
    alone = run(walkers, tmp_path / "alone", quick)
    batch = tmp_path / "mixed" / walkers.name
    hostile = {"hang.mp4": "h264.mp4", "hoard.mp4": "hevc.mp4", "crash.mp4": "av1.mp4"}
    listed = [OddVideo(file, frozenset()) for file in hostile]
    (tmp_path / "hostile").mkdir()
    for file, sound in hostile.items():
        shutil.copy(folder / sound, tmp_path / "hostile" / file)
    add_odd_videos(walkers, (tmp_path / "hostile", listed), batch)

    pool = DecoderPool([sys.executable, "-P", "-c", STAND_IN])
    with monkeypatch.context() as patch:
        defaults = VideoFrames.__init__.__kwdefaults__ | {"pool": pool}
        patch.setattr(VideoFrames.__init__, "__kwdefaults__", defaults)
        mixed = run(batch, tmp_path / "run", quick)
    pool.close()

    reasons = dict(mixed["recordings"].select("recording_id", "reason_code").iter_rows())
    codes = [reasons[f"odd_{at:02}"] for at in range(len(hostile))]
    assert codes == ["decode_timeout", "out_of_memory", "decode_crashed"]
    for name, table in alone.items():
        beside = mixed[name].filter(~pl.col("recording_id").str.starts_with("odd_"))
        assert beside.equals(table), name

    # What the moment was to blame for is not remembered: with the real decoder they are sound.
    again = run(batch, tmp_path / "run", quick)
    assert set(again["recordings"]["verdict"]) == {"accepted"}


def test_intake_and_the_decoder_agree_on_what_is_displayed(corpus: Corpus) -> None:
    folder, videos = corpus
    wrong = []
    for odd in videos:
        if odd.shows is None:
            continue
        facts = inspect_video(folder / odd.file, IntakeSettings()).facts
        video = VideoFrames(folder / odd.file, LIMITS)
        count = len(list(video.frames()))
        if (facts.height_px, facts.width_px, facts.frame_count) != (*video.frame_shape, count):
            wrong.append(f"{odd.file}: {facts}, {video.frame_shape}, {count} frames")
    assert wrong == []
