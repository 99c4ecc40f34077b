"""Each way in which a file is no usable video has its own code, and the measures are right."""

import wave
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from transforms.files import sha256_file
from transforms.intake.probe import inspect_video
from transforms.settings import IntakeSettings

WriteVideo = Callable[..., Path]


def _codes(path: Path, settings: IntakeSettings) -> list[str]:
    return [fault.code for fault in inspect_video(path, settings).faults]


def test_a_sound_video_is_measured(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    path = write_video(tmp_path / "a.mp4")
    result = inspect_video(path, settings)
    assert result.faults == ()
    assert result.facts.sha256 == sha256_file(path)
    assert result.facts.video_bytes == path.stat().st_size
    assert (result.facts.codec, result.facts.width_px, result.facts.height_px) == ("mpeg4", 64, 48)
    assert (result.facts.frame_count, result.facts.fps) == (6, 25.0)
    assert result.facts.duration_s == pytest.approx(0.24)
    assert result.facts.rotation_degrees == 0


@pytest.mark.parametrize("container", ["avi", "mkv", "ts", "mov"])
def test_frames_and_rate_are_the_same_in_every_container(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings, container: str
) -> None:
    facts = inspect_video(write_video(tmp_path / f"a.{container}"), settings).facts
    assert facts.frame_count == 6
    assert facts.fps == pytest.approx(25.0, rel=0.01)


def _rotate(source: Path, target: Path) -> None:
    """Turn the display matrix of an MP4 by writing it into the track header itself."""
    data = bytearray(source.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 20 + 16
    turned = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    data[matrix : matrix + 36] = b"".join(part.to_bytes(4, "big", signed=True) for part in turned)
    target.write_bytes(data)


def test_a_rotated_video_is_measured_as_displayed(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    _rotate(write_video(tmp_path / "a.mp4"), tmp_path / "b.mp4")
    facts = inspect_video(tmp_path / "b.mp4", settings).facts
    assert (facts.width_px, facts.height_px) == (48, 64)
    assert facts.rotation_degrees == 270


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"hello", "not_a_video"),
        (bytes(range(256)) * 20, "not_a_video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "not_a_video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n/etc/passwd\n", "not_a_video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not_a_video"),
    ],
)
def test_files_that_are_no_video(
    tmp_path: Path, settings: IntakeSettings, content: bytes, code: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    result = inspect_video(path, settings)
    assert [fault.code for fault in result.faults] == [code]
    assert str(tmp_path) not in str(result)


def test_sound_without_pictures_is_no_video(tmp_path: Path, settings: IntakeSettings) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate, frame.pts = 8000, 0
        frame.planes[0].update(bytes(4096))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert _codes(tmp_path / "a.mp4", settings) == ["no_video_stream"]


def test_a_wave_file_is_no_video(tmp_path: Path, settings: IntakeSettings) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    assert _codes(tmp_path / "a.wav", settings) == ["not_a_video"]


@pytest.mark.parametrize(
    ("shape", "limits", "code"),
    [
        ({"frames": 4}, {}, "too_short"),
        ({"size": (64, 16)}, {}, "too_small"),
        ({"size": (256, 128)}, {}, "too_many_pixels"),
        ({"frames": 30}, {}, "too_long"),
        ({}, {"max_video_bytes": 100}, "too_large"),
    ],
)
def test_videos_outside_the_limits(
    tmp_path: Path,
    write_video: WriteVideo,
    settings: IntakeSettings,
    shape: dict[str, object],
    limits: dict[str, int],
    code: str,
) -> None:
    path = write_video(tmp_path / "a.mp4", **shape)
    assert _codes(path, settings.model_copy(update=limits)) == [code]


def test_all_limits_are_judged_together(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2, size=(64, 16))
    assert _codes(path, settings) == ["too_short", "too_small"]


def test_frames_that_do_not_decode_are_refused(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    data = bytearray(write_video(tmp_path / "a.mp4").read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    (tmp_path / "a.mp4").write_bytes(data)
    assert _codes(tmp_path / "a.mp4", settings) == ["probe_failed"]


def test_a_file_that_was_cut_off_is_taken_with_a_warning(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    path = write_video(tmp_path / "a.mp4", frames=20, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-6000])
    result = inspect_video(path, settings)
    assert [fault.code for fault in result.faults] == ["truncated_video"]
    assert result.faults[0].expected == "20 frames as declared"
    assert result.facts.frame_count is not None
    assert 5 <= result.facts.frame_count < 18


def test_a_missing_file_is_a_verdict_too(tmp_path: Path, settings: IntakeSettings) -> None:
    assert _codes(tmp_path / "nix.mp4", settings) == ["probe_failed"]
