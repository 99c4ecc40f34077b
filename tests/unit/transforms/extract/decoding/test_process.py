"""Whatever the decoding process does, its parent gets a verdict in time and nothing is left over.

Stand-ins that hang, die or lie take the place of the real process.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transforms.errors import GaitworksError
from transforms.extract.decoding.pool import DecoderPool
from transforms.extract.decoding.process import DecoderProcess
from transforms.extract.decoding.video_frames import VideoFrames
from transforms.settings import DecodeSettings

WriteVideo = Callable[..., Path]

SAY = textwrap.dedent(
    """
    import json, os, sys, time
    ring = int(sys.argv[1])
    def say(**message):
        print(json.dumps(message), flush=True)
    def hear():
        return json.loads(sys.stdin.readline())
    say(kind="ready")
    hear()
    """
)
STREAM = 'say(kind="stream", fps=25.0, height=2, width=4)\nhear()\n'
FRAME = 'say(kind="frame", slot=0, pts_s=0.0, colours="bgr")\n'


def read(script: str, **limits: float) -> VideoFrames:
    pool = DecoderPool([sys.executable, "-c", script])
    video = VideoFrames(Path("any.mp4"), DecodeSettings(**limits), pool=pool)
    video.seen = list(video.frames())
    pool.close()
    return video


@pytest.mark.parametrize(
    ("script", "code", "frame_count"),
    [
        (STREAM + FRAME + "os._exit(3)", "decode_crashed", 1),
        (STREAM + FRAME + "os.kill(os.getpid(), 11)", "decode_crashed", 1),
        ("print('nonsense', flush=True); time.sleep(60)", "decode_crashed", 0),
        ("print('[1]', flush=True); time.sleep(60)", "decode_crashed", 0),
        ("print('x' * 200_000, flush=True); time.sleep(60)", "decode_crashed", 0),
        (FRAME + "time.sleep(60)", "decode_crashed", 0),
        ("say(kind='stream', fps=25.0, height=-2, width=-4); time.sleep(60)", "decode_crashed", 0),
        ("say(kind='stream', fps=25.0, height=2, width=2**40); hear()", "decode_crashed", 0),
        ("say(kind='stream', fps=0.0, height=2, width=4); hear()", "decode_crashed", 0),
        ("say(kind='stream', fps='25', height=2, width=4); hear()", "decode_crashed", 0),
        (
            STREAM + "say(kind='frame', slot=-1, pts_s=0.0, colours='bgr'); hear()",
            "decode_crashed",
            0,
        ),
        (
            STREAM + "say(kind='frame', slot=10**9, pts_s=0.0, colours='bgr'); hear()",
            "decode_crashed",
            0,
        ),
        (
            STREAM + "say(kind='frame', slot=0, pts_s=float('nan'), colours='bgr'); hear()",
            "decode_crashed",
            0,
        ),
        (
            STREAM + "say(kind='frame', slot=0, pts_s=0.0, colours='odd'); hear()",
            "decode_crashed",
            0,
        ),
        (
            "say(kind='stream', fps=25.0, height=3, width=4); hear()\n"
            "say(kind='frame', slot=0, pts_s=0.0, colours='bt601_full'); hear()",
            "decode_crashed",
            0,
        ),
        ("os.ftruncate(ring, 0)\n" + STREAM + FRAME + "hear()", "decode_crashed", 0),
        (STREAM + "while True: " + FRAME, "too_many_frames", 50),
    ],
)
def test_a_hostile_process_costs_its_video_only(script: str, code: str, frame_count: int) -> None:
    video = read(SAY + script, max_frames=50)
    assert video.problem is not None
    assert video.problem.code == code
    assert len(video.seen) == frame_count
    assert video.problem.is_about_the_moment == (code != "too_many_frames")


@pytest.mark.parametrize(("script", "frame_count"), [("", 0), (STREAM + FRAME, 1)])
def test_a_process_that_hangs_costs_no_more_than_the_limit(script: str, frame_count: int) -> None:
    start = time.monotonic()
    video = read(SAY + script + "time.sleep(60)", stall_limit_s=0.5)
    assert time.monotonic() - start < 10
    assert video.problem is not None
    assert video.problem.code == "decode_timeout"
    assert video.problem.is_about_the_moment
    assert len(video.seen) == frame_count


def test_a_process_that_does_not_listen_makes_nobody_wait() -> None:
    lines = "for _ in range(20000): " + FRAME
    video = read(SAY + STREAM + lines + "time.sleep(60)", max_frames=20_000)
    assert video.problem is not None
    assert video.problem.code == "decode_crashed"


def test_the_sum_of_waiting_has_a_limit() -> None:
    slow = SAY + STREAM + "while True:\n  time.sleep(0.1)\n  " + FRAME
    video = read(slow, stall_limit_s=5.0, time_limit_s=0.5)
    assert video.problem is not None
    assert video.problem.code == "decode_timeout"
    assert "0.5 s" in video.problem.message


@pytest.mark.slow
@pytest.mark.parametrize("script", ["time.sleep(60)", "while True: " + FRAME, "os._exit(0)"])
def test_a_process_that_does_not_stop_is_not_used_again(script: str) -> None:
    pool = DecoderPool([sys.executable, "-c", SAY + STREAM + FRAME + script])
    start = time.monotonic()
    next(VideoFrames(Path("any.mp4"), pool=pool).frames())
    assert time.monotonic() - start < 10
    assert pool._idle is None


def test_time_that_the_caller_takes_does_not_count(write_video: WriteVideo) -> None:
    images = [np.full((32, 48, 3), 100, np.uint8)] * 4
    video = VideoFrames(
        write_video(images), DecodeSettings(stall_limit_s=0.3, time_limit_s=0.6), cache_bytes=0
    )
    count = 0
    for _ in video.frames():
        time.sleep(0.35)
        count += 1
    assert (count, video.problem) == (4, None)


@pytest.mark.parametrize("script", ["import time; time.sleep(60)", "import os; os._exit(1)"])
def test_a_process_that_does_not_start_is_an_error_of_the_machine(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.extract.decoding.process._START_LIMIT_S", 0.3)
    with pytest.raises(GaitworksError, match="does not start"):
        DecoderProcess(2048, [sys.executable, "-c", script])


def test_a_process_that_dies_once_at_its_start_costs_nothing(
    write_video: WriteVideo, tmp_path: Path
) -> None:
    mark = tmp_path / "was here"
    script = (
        "import os, pathlib, sys\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "from transforms.extract.decoding import child\n"
        "child.main()\n"
    )
    pool = DecoderPool([sys.executable, "-P", "-c", script])
    video = VideoFrames(write_video([np.full((32, 48, 3), 100, np.uint8)] * 4), pool=pool)
    assert len(list(video.frames())) == 4
    assert video.problem is None
    assert mark.exists()
    pool.close()


def test_after_a_death_the_next_video_gets_a_new_process(
    write_video: WriteVideo, tmp_path: Path
) -> None:
    pool = DecoderPool()
    good = write_video([np.full((32, 48, 3), 100, np.uint8)] * 4)
    victim = VideoFrames(good, cache_bytes=0, pool=pool)
    frames = victim.frames()
    next(frames)
    decoder = victim._at_work[0]
    os.kill(decoder.pid, signal.SIGKILL)
    while decoder.is_alive:
        time.sleep(0.01)
    while next(frames, None):
        pass
    later = VideoFrames(good, pool=pool)
    assert len(list(later.frames())) == 4
    assert later.problem is None
    pool.close()


def test_a_process_that_died_while_idle_costs_no_video(write_video: WriteVideo) -> None:
    pool = DecoderPool()
    path = write_video([np.full((32, 48, 3), 100, np.uint8)] * 4)
    list(VideoFrames(path, pool=pool).frames())
    assert pool._idle is not None
    os.kill(pool._idle.pid, signal.SIGKILL)
    while pool._idle.is_alive:
        time.sleep(0.01)
    later = VideoFrames(path, pool=pool)
    assert len(list(later.frames())) == 4
    assert later.problem is None
    pool.close()


def test_a_fork_leaves_the_process_to_its_owner(write_video: WriteVideo) -> None:
    pool = DecoderPool()
    path = write_video([np.full((32, 48, 3), 100, np.uint8)] * 4)
    list(VideoFrames(path, pool=pool).frames())
    decoder = pool._idle
    assert decoder is not None
    fork = os.fork()
    if fork == 0:
        pool.close()
        os._exit(0)
    os.waitpid(fork, 0)
    assert decoder.is_alive
    pool.close()
    assert not is_alive(decoder.pid)


def pool_pid(video: VideoFrames) -> int:
    return video._at_work[0].pid


@pytest.mark.slow
def test_memory_beyond_the_limit_is_a_verdict(write_video: WriteVideo) -> None:
    # The codec keeps several frames of 12 MB.
    path = write_video([np.full((2400, 3200, 3), 100, np.uint8)] * 6, "large.mp4")
    for limit_mib in (2, 16, 32):
        settings = DecodeSettings().model_copy(update={"memory_limit_mib": limit_mib})
        tight = VideoFrames(path, settings, cache_bytes=0)
        list(tight.frames())
        assert tight.problem is not None
        assert tight.problem.code == "out_of_memory"
        assert tight.problem.is_about_the_moment
    roomy = VideoFrames(path, cache_bytes=0)
    assert len(list(roomy.frames())) == 6
    assert roomy.problem is None


HUNGRY = """
import sys
from transforms.extract.decoding import child as decode_child
from transforms.extract.decoding import stream
def open_hungry(path):
    hoard = bytearray(int(sys.argv[2]) * 2**20 * {percent} // 100)
    raise ValueError
stream.open_video = open_hungry
decode_child.main()
"""


@pytest.mark.parametrize(("percent", "code"), [(20, "unreadable"), (80, "out_of_memory")])
def test_damage_is_not_believed_near_the_memory_limit(
    write_video: WriteVideo, percent: int, code: str
) -> None:
    # FFmpeg's H.264 decoder was seen to call it invalid data when it got no memory.
    path = write_video([np.full((32, 48, 3), 100, np.uint8)] * 2)
    pool = DecoderPool([sys.executable, "-c", HUNGRY.format(percent=percent)])
    video = VideoFrames(path, pool=pool)
    assert list(video.frames()) == []
    assert video.problem is not None
    assert video.problem.code == code


PARENT = """
import sys, time
from pathlib import Path
from transforms.extract.decoding.video_frames import VideoFrames
video = VideoFrames(Path(sys.argv[1]), cache_bytes=0)
frames = video.frames()
next(frames)
print(video._at_work[0].pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_process_does_not_outlive_its_parent(write_video: WriteVideo, end: int) -> None:
    path = write_video([np.full((720, 1280, 3), 100, np.uint8)] * 30)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[4],
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(end)
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_folder_of_lookalike_modules_is_not_imported(
    write_video: WriteVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video([np.full((32, 48, 3), 100, np.uint8)] * 3)
    for name in ("av", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(9)\n")
    monkeypatch.chdir(tmp_path)
    pool = DecoderPool()
    assert len(list(VideoFrames(path, pool=pool).frames())) == 3
    pool.close()


def test_the_process_loads_no_heavy_framework() -> None:
    code = "import transforms.extract.decoding.child, sys; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
    ).stdout.split()
    assert not {"torch", "cv2", "polars", "pyarrow", "pydantic", "pandas"} & set(modules)
    assert "av" in modules
