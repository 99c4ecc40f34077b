from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from transforms import schemas
from transforms.progress import NoProgress
from transforms.shards.codec import decode_silhouettes
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import normalise_polygons, write_silhouette_batch

SHAPE = CohortShape(
    participants={"positive": 2, "neutral": 1, "negative": 2},
    sequences={"positive": 4, "neutral": 1, "negative": 3},
    frames_mean=34.0,
    frames_sd=4.0,
)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("fast")
    write_silhouette_batch(SHAPE, 3, output, worker_count=1, progress=NoProgress())
    return output


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("intake/participants", schemas.PARTICIPANTS),
        ("intake/recordings", schemas.RECORDINGS),
        ("intake/problems", schemas.PROBLEMS),
        ("extraction/sequences", schemas.SEQUENCES),
        ("extraction/frames", schemas.FRAMES),
        ("extraction/tracks", schemas.TRACKS),
        ("extraction/masks", schemas.MASKS),
        ("extraction/recordings", schemas.EXTRACTED_RECORDINGS),
    ],
)
def test_every_table_meets_its_contract(batch: Path, name: str, schema) -> None:  # type: ignore[no-untyped-def]  # pyarrow schema
    assert pq.read_schema(batch / f"{name}.parquet").equals(schema)


def test_counts_are_those_of_the_shape(batch: Path) -> None:
    participants = pl.read_parquet(batch / "intake" / "participants.parquet")
    sequences = pl.read_parquet(batch / "extraction" / "sequences.parquet")
    assert dict(participants["label"].value_counts().iter_rows()) == dict(SHAPE.participants)
    assert dict(sequences["label"].value_counts().iter_rows()) == dict(SHAPE.sequences)
    assert set(sequences["participant_id"]) == set(participants["participant_id"])
    assert sequences["sequence_id"].is_sorted()
    assert sequences["frame_count"].min() >= 30
    frames = pl.read_parquet(batch / "extraction" / "frames.parquet")
    assert len(frames) == sequences["frame_count"].sum()


def test_silhouettes_fill_the_height_and_are_centred_on_their_mass(batch: Path) -> None:
    sequences = pl.read_parquet(batch / "extraction" / "sequences.parquet")
    for row in sequences.iter_rows(named=True):
        shape = (row["frame_count"], row["height_px"], row["width_px"])
        silhouettes = decode_silhouettes(row["silhouettes"], row["codec"], shape)
        assert silhouettes.shape[1:] == (64, 64)
        rows = silhouettes.max(axis=2) > 0
        assert rows[:, 1:-1].all()
        mass = silhouettes.sum(axis=1, dtype=np.int64).cumsum(axis=1)
        centre = (mass > mass[:, -1:] / 2).argmax(axis=1)
        assert set(centre.tolist()) == {32}
        assert 0.1 < (silhouettes >= 128).mean() < 0.5


def test_the_same_seed_gives_the_same_bytes(batch: Path, tmp_path: Path) -> None:
    write_silhouette_batch(SHAPE, 3, tmp_path, worker_count=1, progress=NoProgress())
    for path in sorted(batch.rglob("*.parquet")):
        assert (tmp_path / path.relative_to(batch)).read_bytes() == path.read_bytes()


def test_polygons_become_a_centred_figure_of_full_height() -> None:
    square = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 40.0], [0.0, 40.0]])
    figure = normalise_polygons((square + 7.0)[None, None])[0]  # (64, 64)
    columns = np.flatnonzero(figure.max(axis=0) >= 128)
    assert (figure.max(axis=1) == 255).all()
    # OpenCV counts the pixels on the rim in, which adds at most half a column on either side.
    assert columns[0] in (23, 24)
    assert columns[-1] in (39, 40)


def test_two_views_are_one_sync_group_with_a_clock(tmp_path: Path) -> None:
    shape = CohortShape(
        participants={"asd": 1},
        sequences={"asd": 2},
        frames_mean=32.0,
        frames_sd=0.0,
        views=("front", "side"),
        start_spread_s=0.5,
    )
    write_silhouette_batch(shape, 3, tmp_path, worker_count=1, progress=NoProgress())
    recordings = pl.read_parquet(tmp_path / "intake" / "recordings.parquet")
    sequences = pl.read_parquet(tmp_path / "extraction" / "sequences.parquet")
    assert recordings["view"].to_list() == ["front", "side"] * 2
    assert recordings["sync_group"].to_list() == sequences["sync_group"].to_list()
    assert recordings["sync_group"].n_unique() == 2
    assert recordings["start_offset_s"].n_unique() == 4
    assert recordings["start_offset_s"].is_between(0, 0.5).all()
    assert sequences["silhouettes"].n_unique() == 4
