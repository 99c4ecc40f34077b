import io
import os
import subprocess
import sys

import av
import numpy as np
import pytest

from transforms.synth.video import encode_video


def _frames(count: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 255, (96, 80), dtype=np.uint8)
    return [np.roll(base, index, axis=1) for index in range(count)]


def test_a_video_decodes_to_its_frames_at_their_times() -> None:
    data = encode_video(_frames(), fps=25, width_px=80, height_px=64)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(video=0))
    assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 80, 64)
    assert stream.average_rate == 25
    assert [frame.time for frame in decoded] == [index / 25 for index in range(12)]
    assert decoded[0].format.name == "yuv420p"


def test_equal_frames_give_equal_bytes() -> None:
    first = encode_video(_frames(), fps=25, width_px=80, height_px=64)
    assert first == encode_video(_frames(), fps=25, width_px=80, height_px=64)
    assert first != encode_video(_frames(), fps=24, width_px=80, height_px=64)


def test_no_date_is_written() -> None:
    data = encode_video(_frames(3), fps=25, width_px=80, height_px=64)
    with av.open(io.BytesIO(data)) as container:
        assert "creation_time" not in container.metadata
        assert "creation_time" not in container.streams.video[0].metadata


_ENCODE_AND_HASH = """
import hashlib
import numpy as np
from transforms.synth.video import encode_video
rng = np.random.default_rng(0)
field = np.repeat(np.repeat(rng.integers(60, 200, (45, 60)), 8, 0), 8, 1)
frames = [
    (field[:180, 6 * t : 6 * t + 160] * (1 + 0.01 * t) + rng.normal(0, 3, (180, 160)))
    .clip(0, 255).astype(np.uint8)
    for t in range(30)
]
data = encode_video(frames, fps=10, width_px=160, height_px=120)
print(hashlib.sha256(data).hexdigest())
"""


@pytest.mark.slow
def test_bytes_do_not_depend_on_what_was_in_memory_before() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _ENCODE_AND_HASH],
            env={**os.environ, "MALLOC_PERTURB_": str(filling)},
            check=True,
            capture_output=True,
        ).stdout
        for filling in (1, 85, 165)
    }
    assert len(hashes) == 1
