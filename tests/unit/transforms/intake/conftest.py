"""A tiny batch folder and tiny real videos for the intake tests."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from transforms.settings import IntakeSettings

WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def _validation_library() -> None:
    """Load the slow validation library once, outside any test's own time."""
    import polars as pl
    from pandera.polars import Column, DataFrameSchema

    DataFrameSchema({"a": Column(str)}).validate(pl.DataFrame({"a": ["x"]}))


@pytest.fixture
def settings() -> IntakeSettings:
    return IntakeSettings(min_frames=5, min_height_px=32, max_pixels=128 * 128, max_duration_s=1.0)


@pytest.fixture(scope="session")
def write_video() -> WriteVideo:
    def write(
        path: Path,
        *,
        frames: int = 6,
        size: tuple[int, int] = (64, 48),
        seed: int = 0,
        options: dict[str, str] | None = None,
    ) -> Path:
        """Write an MPEG-4 video of noise; `size` is width, height."""
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        rng = np.random.default_rng(seed)
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for _ in range(frames):
                image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def batch(tmp_path: Path, write_video: WriteVideo) -> Path:
    """A sound batch: P1 negative with two views, P2 positive with one recording."""
    folder = tmp_path / "batch_001"
    write_video(folder / "videos" / "P1_side.mp4", seed=1)
    write_video(folder / "videos" / "P1_front.mp4", seed=2)
    write_video(folder / "videos" / "P2_side.mp4", seed=3)
    (folder / "participants.csv").write_text(
        "participant_id,label,sex,age_years,height_cm,weight_kg,site\n"
        "P1,negative,F,14.5,160,50.5,school_1\n"
        "P2,critical,,,,,\n"
    )
    (folder / "recordings.csv").write_text(
        "recording_id,participant_id,view,session,sync_group,file\n"
        "R1,P1,side,s1,G1,P1_side.mp4\n"
        "R2,P1,front,s1,G1,P1_front.mp4\n"
        "R3,P2,side,s1,,P2_side.mp4\n"
    )
    return folder
