"""One rule says which stream counts and how it is displayed, for intake and extraction alike."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition

from transforms.video import (
    Turn,
    choose_video_stream,
    displayed_size,
    open_video,
    read_turn,
    square_pixel_width,
)


def write(path: Path, *, rotation: float | None = None, mirror: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirror)
        for _ in range(5):
            image = np.full((48, 64, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def first_picture(path: Path):
    with open_video(path) as container:
        stream = choose_video_stream(container)
        picture = next(container.decode(stream))
        return picture, displayed_size(picture, stream)


CORNERS = np.array([[1, 2], [3, 4]], np.uint8)[:, :, None]


@pytest.mark.parametrize(
    ("rotation", "mirror", "expected"),
    [
        (0, False, [[1, 2], [3, 4]]),
        (90, False, [[2, 4], [1, 3]]),
        (180, False, [[4, 3], [2, 1]]),
        (-90, False, [[3, 1], [4, 2]]),
        (0, True, [[2, 1], [4, 3]]),
        (90, True, [[4, 2], [3, 1]]),
        (0.9, False, [[1, 2], [3, 4]]),
        (89.1, False, [[2, 4], [1, 3]]),
        (91.1, False, [[1, 2], [3, 4]]),
        (45, False, [[1, 2], [3, 4]]),
    ],
)
def test_the_display_matrix_turns_anticlockwise_and_mirrors(
    tmp_path: Path, rotation: float, mirror: bool, expected: list[list[int]]
) -> None:
    picture, size = first_picture(write(tmp_path / "a.mp4", rotation=rotation, mirror=mirror))
    turn = read_turn(picture)
    assert turn.apply(CORNERS)[:, :, 0].tolist() == expected
    assert size == ((48, 64) if turn.is_transposed else (64, 48))


def test_a_video_without_a_matrix_is_not_turned(tmp_path: Path) -> None:
    picture, size = first_picture(write(tmp_path / "a.avi"))
    assert read_turn(picture) == Turn()
    assert size == (64, 48)


@pytest.mark.parametrize(
    ("ratio", "width"),
    [
        (None, 100),
        (Fraction(0), 100),
        (Fraction(1), 100),
        (Fraction(200, 199), 100),
        (Fraction(16, 15), 107),
        (Fraction(2), 200),
        (Fraction(1, 4), 25),
        (Fraction(41, 10), 100),
        (Fraction(-2), 100),
    ],
)
def test_the_width_makes_pixels_square(ratio: Fraction | None, width: int) -> None:
    assert square_pixel_width(100, SimpleNamespace(sample_aspect_ratio=ratio)) == width


@pytest.mark.parametrize("default", [0, 1])
def test_of_two_videos_the_default_one_counts(tmp_path: Path, default: int) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25, width=64, height=48) for _ in range(2)]
        for index, stream in enumerate(streams):
            stream.pix_fmt = "yuv420p"
            stream.disposition = Disposition.default if index == default else Disposition(0)
        for stream in streams:
            for _ in range(5):
                image = np.full((48, 64, 3), 90, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode())
    with open_video(path) as container:
        assert choose_video_stream(container).index == default


def test_a_cover_picture_is_no_video() -> None:
    cover = SimpleNamespace(disposition=Disposition.attached_pic)
    walk = SimpleNamespace(disposition=Disposition.default)

    def container(*videos: SimpleNamespace, best: SimpleNamespace) -> SimpleNamespace:
        return SimpleNamespace(streams=Streams(videos, best))

    assert choose_video_stream(container(cover, walk, best=walk)) is walk
    assert choose_video_stream(container(cover, walk, best=cover)) is walk
    assert choose_video_stream(container(cover, best=cover)) is None


class Streams:
    def __init__(self, video: tuple[SimpleNamespace, ...], best: SimpleNamespace) -> None:
        self.video = video
        self._best = best

    def best(self, kind: str) -> SimpleNamespace:
        assert kind == "video"
        return self._best


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text(f"ffconcat version 1.0\nfile '{write(tmp_path / 'b.mp4')}'\n")
    with pytest.raises(av.FFmpegError):
        open_video(path)
