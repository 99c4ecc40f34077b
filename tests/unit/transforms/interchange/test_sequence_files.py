import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.transforms.interchange.trees import draw, encode_png, put_pickle, put_pictures
from transforms.extract.normalisation.normalise import TOO_FEW_PIXELS, normalise_frame
from transforms.interchange import sequence_files
from transforms.interchange.sequence_files import (
    SequenceContent,
    SequenceFiles,
    read_sequence,
    sort_frames,
)
from transforms.shards.codec import GREY, decode_silhouettes


def _decode(content: SequenceContent) -> Any:
    assert content.fault is None, content.fault
    frames = content.drop_reasons.count(None)
    return decode_silhouettes(content.encoded, GREY, (frames, 64, 64))


def _read_array(tmp_path: Path, array: Any, protocol: int = 4) -> SequenceContent:
    path = put_pickle(tmp_path, "a/positive/v", array, protocol=protocol)
    return read_sequence(SequenceFiles(path.parent, (path.name,)))


def _read_pictures(tmp_path: Path, frames: Any, names: Any = ()) -> SequenceContent:
    folder = put_pictures(tmp_path, "a/positive/v", frames, names)
    return read_sequence(SequenceFiles(folder, tuple(path.name for path in folder.iterdir())))


def _codes(content: SequenceContent) -> list[str]:
    return [note.code for note in content.notes]


@pytest.mark.parametrize("protocol", range(6))
def test_silhouettes_come_out_as_they_went_in(tmp_path: Path, protocol: int) -> None:
    content = _read_array(tmp_path, draw("x"), protocol)
    assert (_decode(content) == draw("x")).all()
    assert content.drop_reasons == (None, None, None)
    assert content.notes == ()


def test_narrow_silhouettes_get_ten_columns_on_each_side(tmp_path: Path) -> None:
    silhouettes = _decode(_read_array(tmp_path, draw("x", width=44)))
    assert (silhouettes[:, :, 10:54] == draw("x", width=44)).all()
    assert not silhouettes[:, :, :10].any()
    assert not silhouettes[:, :, 54:].any()


@pytest.mark.parametrize("dtype", ["u1", "?"])
def test_levels_0_and_1_are_scaled_with_a_note(tmp_path: Path, dtype: str) -> None:
    ones = (draw("x") > 127).astype(dtype)
    content = _read_array(tmp_path, ones)
    assert (_decode(content) == ones.astype(np.uint8) * 255).all()
    assert "scaled_levels" in _codes(content)


def test_wider_whole_numbers_are_taken_where_nothing_is_lost(tmp_path: Path) -> None:
    content = _read_array(tmp_path, draw("x").astype(">i4"))
    assert (_decode(content) == draw("x")).all()
    assert _codes(content) == ["converted_dtype"]


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (draw("x").astype("i4") * 2, "wrong_dtype"),
        (draw("x").astype("i4") - 1, "wrong_dtype"),
        (draw("x").astype("f4") / 255, "wrong_dtype"),
        (np.array([draw("x"), None], dtype=object), "wrong_dtype"),
        (draw("x")[0], "wrong_size"),
        (draw("x")[:, :, :40], "wrong_size"),
        (draw("x", width=128), "wrong_size"),
        (draw("x")[None], "wrong_size"),
        (draw("x")[:0], "no_frames"),
        (np.zeros((2, 64, 64), np.uint8), "no_foreground"),
        ([draw("x")], "forbidden_opcode"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, array: Any, code: str) -> None:
    fault = _read_array(tmp_path, array).fault
    assert fault is not None
    assert fault.code == code


def test_too_many_frames_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence_files, "MAX_FRAMES", 2)
    for content in (
        _read_array(tmp_path / "1", draw("x")),
        _read_pictures(tmp_path / "2", draw("x")),
    ):
        assert content.fault is not None
        assert (content.fault.code, content.fault.found) == ("too_long", "3")


def test_frames_follow_their_numbers() -> None:
    assert sort_frames(["f10.png", "f2.png", "f1.png"]) == ("f1.png", "f2.png", "f10.png")
    assert sort_frames(["b.png", "2.png", "a1b02.png", "a1b1.png", "²1.png"]) == (
        "2.png",
        "a1b1.png",
        "a1b02.png",
        "b.png",
        "²1.png",
    )


def test_names_of_any_characters_are_sorted_read_and_shown(tmp_path: Path) -> None:
    names = ["1\n.png", "\u0663.png", "2\udcff.png", "=x.png"]
    content = _read_pictures(tmp_path, draw("x", 4), names)
    assert len(_decode(content)) == 4
    folder = tmp_path / "a" / "positive" / "v"
    (folder / "1\n.png").write_bytes(b"no picture")
    fault = read_sequence(SequenceFiles(folder, tuple(names))).fault
    assert fault is not None
    assert fault.say().isprintable()


@pytest.mark.parametrize("width", [64, 44])
def test_pictures_of_silhouettes_are_taken_as_they_are(tmp_path: Path, width: int) -> None:
    names = [f"{number}.png" for number in (9, 10, 100)]
    content = _read_pictures(tmp_path, draw("x", width=width), names)
    margin = (64 - width) // 2
    assert (_decode(content)[:, :, margin : 64 - margin] == draw("x", width=width)).all()


def test_larger_pictures_are_normalised_and_drops_leave_a_trace(tmp_path: Path) -> None:
    mask = np.zeros((120, 160), np.uint8)
    mask[20:110, 60:90] = 255
    content = _read_pictures(tmp_path, [mask, np.zeros_like(mask), mask // 255])
    expected = normalise_frame(mask)[0]
    assert (_decode(content) == np.stack([expected, expected])).all()
    assert content.drop_reasons == (None, TOO_FEW_PIXELS, None)
    assert _codes(content) == ["dropped_frames"]


def test_frames_of_silhouette_size_among_others_are_not_guessed_about(tmp_path: Path) -> None:
    mask = np.zeros((120, 160), np.uint8)
    mask[20:110, 60:90] = 255
    fault = _read_pictures(tmp_path, [mask, draw("x")[0]]).fault
    assert fault is not None
    assert (fault.code, fault.found) == ("wrong_size", "64x64, 120x160")


def test_one_damaged_picture_refuses_its_sequence_and_is_named(tmp_path: Path) -> None:
    folder = put_pictures(tmp_path, "a/positive/v", draw("x"))
    (folder / "0001.png").write_bytes(encode_png(draw("y")[0])[:-20])
    content = read_sequence(SequenceFiles(folder, ("0000.png", "0001.png", "0002.png")))
    assert content.fault is not None
    assert content.fault.code == "truncated_file"
    assert "0001.png" in content.fault.message


def test_the_source_hash_covers_names_and_bytes(tmp_path: Path) -> None:
    frames = draw("x")
    first = _read_pictures(tmp_path / "1", frames)
    again = _read_pictures(tmp_path / "2", frames)
    renamed = _read_pictures(tmp_path / "3", frames, ["a.png", "b.png", "c.png"])
    other = _read_pictures(tmp_path / "4", draw("y"))
    assert first == again
    assert first.content_sha256 == renamed.content_sha256 != other.content_sha256
    assert len({one.source_sha256 for one in (first, renamed, other)}) == 3


def test_a_gadget_is_refused_and_does_not_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Gadget:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (canary,))

    content = _read_array(tmp_path, Gadget())
    assert content.fault is not None
    assert content.fault.code == "forbidden_name"
    assert not canary.exists()
    pickle.loads(pickle.dumps(Gadget()))
    assert canary.exists()
