"""Pixels, times and verdicts of the decoding itself; the process around it is tested elsewhere."""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from transforms.extract.decoding.stream import StoredPicture, StreamReader
from transforms.extract.decoding.video_frames import VideoFrames
from transforms.extract.pictures import read_stored

WriteVideo = Callable[..., Path]
# FFmpeg's numbers of a colour space and a range.
COLOURS = {
    "bt601_studio": (6, 1),
    "bt709_studio": (1, 1),
    "bt601_full": (5, 2),
    "bt709_full": (1, 2),
}
TOP, BOTTOM = (40, 60, 200), (200, 120, 30)  # BGR


def scene(count: int, *, height: int = 96, width: int = 128) -> list[np.ndarray]:
    images = []
    for index in range(count):
        image = np.empty((height, width, 3), np.uint8)
        image[: height // 2], image[height // 2 :] = TOP, BOTTOM
        image[height // 4 : height // 2, 8 + 4 * index : 24 + 4 * index] = 230
        images.append(image)
    return images


def encode(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    pts: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    rotation: int | None = None,
    mirror: bool = False,
    codec: str = "libx264",
    colours: str = "bt601_studio",
    **options: str,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        stream.codec_context.colorspace, stream.codec_context.color_range = COLOURS[colours]
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirror)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = (pts[index] if pts else 4 * index), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def show(picture: StoredPicture) -> np.ndarray:
    data = np.concatenate([plane.ravel() for plane in picture.planes])
    return read_stored(data, picture.shape, picture.colours).colour()


def read(path: Path) -> tuple[StreamReader, list[float], list[np.ndarray]]:
    reader = StreamReader(path, max_pixels=2**26)
    taken = [(pts_s, show(picture)) for pts_s, picture in reader.pictures()]
    return reader, [pts_s for pts_s, _ in taken], [image for _, image in taken]


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("width", [128, 130], ids=["whole rows", "padded rows"])
def test_pixels_are_those_of_plain_pyav_on_both_sides_of_the_process(
    tmp_path: Path, width: int, colours: str
) -> None:
    path = encode(tmp_path / "a.mp4", scene(12, width=width), colours=colours)
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        expected = [
            reformatter.reformat(picture, format="bgr24").to_ndarray().copy()
            for picture in container.decode(video=0)
        ]
    _, _, here = read(path)
    stored = [picture.colours for _, picture in StreamReader(path, max_pixels=2**26).pictures()]
    assert set(stored) == {colours}
    there = [frame.picture.colour() for frame in VideoFrames(path).frames()]
    assert len(expected) == len(here) == len(there) == 12
    for a, b, c in zip(expected, here, there, strict=True):
        np.testing.assert_array_equal(b, c)
        # FFmpeg's conversion rounds in between; ours does not.
        assert np.abs(a.astype(int) - b).max() <= 3


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    pts = [0, 1, 7, 8, 30, 31, 90, 100]
    reader, times, images = read(encode(tmp_path / "a.mkv", scene(8), pts=pts))
    assert reader.problem is None
    assert times == pytest.approx([tick / 100 for tick in pts], abs=0.0006)
    assert len(images) == 8


def test_anamorphic_frames_are_stretched_to_square_pixels(tmp_path: Path) -> None:
    reader, _, images = read(encode(tmp_path / "a.mp4", scene(3), aspect=Fraction(3, 2)))
    assert reader.problem is None
    assert images[0].shape == (96, 192, 3)
    assert images[0][80, 100] == pytest.approx(BOTTOM, abs=12)
    bright = np.flatnonzero(images[0][36, :, 2] > 215)  # stored: columns 8 to 23
    assert (bright[0], bright[-1]) == pytest.approx((12, 35), abs=2)


def test_anamorphic_frames_are_stretched_before_they_are_turned(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", scene(3), aspect=Fraction(3, 2), rotation=90)
    _, _, images = read(path)
    assert images[0].shape == (192, 96, 3)
    assert images[0][100, 10] == pytest.approx(TOP, abs=12)  # the top is at the left now
    assert images[0][100, 85] == pytest.approx(BOTTOM, abs=12)


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_turned_pictures_are_those_of_the_file_turned(
    tmp_path: Path, rotation: int, mirror: bool, colours: str
) -> None:
    # Noise of single pixels: one row or column of colour beside its brightness would show.
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    stored = encode(tmp_path / "a.mp4", [noise] * 2, colours=colours)
    shown = encode(
        tmp_path / "b.mp4", [noise] * 2, colours=colours, rotation=rotation, mirror=mirror
    )
    for plain, turned in zip(read(stored)[2], read(shown)[2], strict=True):
        expected = np.rot90(plain, rotation // 90)
        np.testing.assert_array_equal(turned, expected[:, ::-1] if mirror else expected)


@pytest.mark.parametrize(("file", "format_name"), [("a.avi", "bgr24"), ("a.mkv", "yuv420p")])
def test_pictures_stored_from_the_bottom_up_are_read(
    tmp_path: Path, file: str, format_name: str
) -> None:
    path = tmp_path / file
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25, width=128, height=96)
        stream.pix_fmt = format_name
        stream.codec_context.extradata = b"BottomUp\0"
        for image in scene(3):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=format_name)
            container.mux(stream.encode(frame))
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    assert all(picture.planes[0].line_size < 0 for picture in pictures)
    reader, _, images = read(path)
    assert reader.problem is None
    for picture, image in zip(pictures, images, strict=True):
        expected = picture.to_ndarray(format="rgb24")[..., ::-1]
        np.testing.assert_allclose(image, expected.astype(int), atol=2)
    if format_name == "bgr24":  # of planes FFmpeg turns only the brightness round
        np.testing.assert_array_equal(images, [image[::-1] for image in scene(3)])


def test_what_is_too_large_only_after_the_stretch_is_too_large(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", scene(3), aspect=Fraction(3, 2))
    reader = StreamReader(path, max_pixels=96 * 128)
    assert list(reader.pictures()) == []
    assert reader.problem is not None
    assert reader.problem.code == "too_large"


def combed(count: int) -> list[np.ndarray]:
    """Interlaced frames of a bar that moves 12 pixels from field to field."""
    images = []
    for index in range(count):
        image = np.full((96, 128, 3), 40, np.uint8)
        for field in (0, 1):
            left = 8 + 24 * (index % 4) + 12 * field
            image[field::2, left : left + 12] = 220
        images.append(image)
    return images


def comb_strength(image: np.ndarray) -> float:
    grey = image[..., 1].astype(int)
    return float(np.abs(2 * grey[1:-1] - grey[:-2] - grey[2:]).mean())


INTERLACED = {"crf": "10", "x264-params": "tff=1:interlaced=1"}


def test_an_interlaced_video_of_one_frame_is_one_frame(tmp_path: Path) -> None:
    reader, times, images = read(encode(tmp_path / "a.mp4", combed(1), **INTERLACED))
    assert (reader.problem, times, len(images)) == (None, [0.0], 1)


def test_interlaced_video_is_deinterlaced_and_keeps_its_times(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", combed(12), **INTERLACED)
    with av.open(str(path)) as container:
        stored = [picture.to_ndarray(format="bgr24") for picture in container.decode(video=0)]
    reader, times, images = read(path)
    assert reader.problem is None
    assert times == pytest.approx([index / 25 for index in range(12)])
    for before, after in zip(stored, images, strict=True):
        assert comb_strength(after) < 0.35 * comb_strength(before)


@pytest.mark.parametrize("colours", COLOURS)
def test_colours_of_interlaced_video_are_kept(tmp_path: Path, colours: str) -> None:
    images = [scene(1)[0]] * 6
    progressive = read(encode(tmp_path / "a.mp4", images, colours=colours))[2]
    interlaced = read(encode(tmp_path / "b.mp4", images, colours=colours, **INTERLACED))
    for a, b in zip(progressive, interlaced[2], strict=True):
        assert np.abs(a[60:90].astype(int) - b[60:90]).mean() < 2


def test_combs_in_progressive_video_are_left_alone(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", combed(4), crf="10")
    with av.open(str(path)) as container:
        stored = [picture.to_ndarray()[:96] for picture in container.decode(video=0)]
    shown = [
        picture.planes[0].copy() for _, picture in StreamReader(path, max_pixels=2**26).pictures()
    ]
    for before, after in zip(stored, shown, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_change_of_size_within_the_stream_ends_it(tmp_path: Path) -> None:
    small = encode(tmp_path / "a.ts", scene(10), codec="mpeg2video")
    large = encode(tmp_path / "b.ts", scene(10, height=112), codec="mpeg2video")
    path = tmp_path / "c.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    reader, _, images = read(path)
    assert reader.problem is not None
    assert reader.problem.code == "frame_size_changed"
    assert {image.shape for image in images} == {(96, 128, 3)}


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    reader, _, images = read(tmp_path / "a.mp4")
    assert images == []
    assert reader.problem is not None
    assert reader.problem.code == "unreadable"
