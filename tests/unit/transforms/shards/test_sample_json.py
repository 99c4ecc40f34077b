import json

import numpy as np
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.errors import IntegrityError
from transforms.shards.sample_json import decode_row, encode_row

ROW = {
    "sequence_id": "p1-s1",
    "participant_id": "p1",
    "recording_id": "p1-s1",
    "batch_id": "b1",
    "label": "neutral",
    "view": "side",
    "session": None,
    "sync_group": None,
    "fps": 25.0,
    "height_px": 64,
    "width_px": 44,
    "codec": "bits-zstd/2",
    "quality_score": 0.1,
    "video_sha256": None,
    "extraction_key": "ä",
}


def _row(frame_index: list[int], pts_s: list[float], fps: float = 25.0) -> dict:
    lists = {"frame_index": frame_index, "pts_s": pts_s}
    return ROW | lists | {"frame_count": len(frame_index), "fps": fps}


def _encode(row: dict) -> bytes:
    return encode_row(
        row, np.array(row["frame_index"], np.int32), np.array(row["pts_s"], np.float64)
    )


def _sealed(fields: dict) -> bytes:
    content = json.dumps(fields).encode()
    return content[:-1] + f',"xxh64":"{xxhash.xxh64_hexdigest(content)}"}}'.encode()


@pytest.mark.parametrize(
    ("fps", "rule"),
    [
        (25.0, {"rate": 25, "start": 0, "step": 1}),
        (29.97, {"rate": 2997, "start": 0, "step": 100}),
        (30000 / 1001, {"rate": 30000, "start": 0, "step": 1001}),
    ],
)
def test_even_times_become_a_rule(fps, rule):
    index = [0, 1, 2, 5, 6, 9]
    row = _row(index, [(rule["step"] * n) / rule["rate"] for n in index], fps)
    data = _encode(row)
    assert json.loads(data)["pts_s"] == rule
    assert json.loads(data)["frame_index"] == [[0, 3], [5, 2], [9, 1]]
    assert decode_row(data, where="here") == row


def test_times_may_begin_anywhere():
    row = _row([3, 4], [(17 + 3) / 25, (17 + 4) / 25])
    assert json.loads(_encode(row))["pts_s"] == {"rate": 25, "start": 17, "step": 1}
    assert decode_row(_encode(row), where="here") == row


def test_uneven_times_stay_a_list():
    row = _row([0, 1, 2], [0.0, 0.041, 0.08])
    assert json.loads(_encode(row))["pts_s"] == [0.0, 0.041, 0.08]
    assert decode_row(_encode(row), where="here") == row


@settings(deadline=None)
@given(
    frames=st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False, allow_infinity=False)
        ),
        max_size=20,
    ),
    fps=st.floats(allow_nan=False, allow_infinity=False),
)
@example(frames=[(1, 1e300)], fps=1e5)
@example(frames=[(2**31 - 1, 0.0), (-(2**31), 2.0**53)], fps=1.0)
def test_any_row_round_trips(frames, fps):
    row = _row([index for index, _ in frames], [time for _, time in frames], fps)
    decoded = decode_row(_encode(row), where="here")
    assert repr(decoded["pts_s"]) == repr(row["pts_s"])  # -0.0 too
    assert decoded == row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_index": [[0, 2_000_000_000]], "frame_count": 2_000_000_000}, "do not decode"),
        ({"frame_index": [[0, 3], [9, -1]]}, "do not decode"),
        ({"frame_index": [[0, 3]]}, "do not decode"),
        ({"frame_index": [[0, 1.0], [1, 1]]}, "do not decode"),
        ({"frame_index": [[0]]}, "do not decode"),
        ({"frame_index": 7}, "do not decode"),
        ({"pts_s": [0.0]}, "do not decode"),
        ({"pts_s": [0.0, "1"]}, "do not decode"),
        ({"pts_s": {"rate": 0, "start": 0, "step": 1}}, "do not decode"),
        ({"pts_s": {"rate": 25, "start": 10**400, "step": 1}}, "do not decode"),
        ({"pts_s": {"rate": 25}}, "do not decode"),
        ({"pts_s": None}, "do not decode"),
        ({"frame_count": "2"}, "frame_count does not fit"),
        ({"frame_count": True}, "frame_count does not fit"),
        ({"label": None}, "label does not fit"),
        ({"fps": "25"}, "fps does not fit"),
        ({"more": 1}, "columns differ"),
    ],
)
def test_hostile_rows_are_refused(change, message):
    fields = json.loads(_encode(_row([0, 1], [0.0, 0.04])))
    del fields["xxh64"]
    assert decode_row(_sealed(fields), where="here")["frame_count"] == 2
    with pytest.raises(IntegrityError, match=f"here: .*{message}"):
        decode_row(_sealed(fields | change), where="here")


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"[" * 100_000, b'{"fps":1,"xxh64":"0"}'])
def test_an_unsealed_row_is_refused(data):
    with pytest.raises(IntegrityError, match="here: the row is damaged"):
        decode_row(data, where="here")


def test_what_is_not_json_is_refused():
    content = b"[" * 100_000 + b"}"
    data = content[:-1] + f',"xxh64":"{xxhash.xxh64_hexdigest(content)}"}}'.encode()
    with pytest.raises(IntegrityError, match="here: the row does not decode"):
        decode_row(data, where="here")
