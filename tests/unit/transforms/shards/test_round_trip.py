"""Every frame is bit-equal after write and read, in each codec and each container."""

import numpy as np
import pyarrow as pa
import pytest

from transforms.schemas import SEQUENCES
from transforms.shards.codec import BITS, GREY, binarise, decode_silhouettes, encode_silhouettes
from transforms.shards.parquet import encode_shard, read_table
from transforms.shards.webdataset import encode_tar, read_tar

KINDS = ("noise", "walk", "zero", "full", "sparse")
EXTREMES = [(0, 64, 44), (1, 64, 44), (10_000, 64, 44), (1, 1, 1), (7, 64, 43), (7, 63, 64)]


def _draw(kind: str, shape: tuple[int, int, int], generator: np.random.Generator) -> np.ndarray:
    frames, height, width = shape
    if kind == "noise":
        return generator.integers(0, 256, shape, dtype=np.uint8)
    if kind == "sparse":
        return (generator.random(shape) < 0.01).astype(np.uint8) * np.uint8(200)
    if kind == "walk":  # a disc that wanders, grey at its edge
        time = np.arange(frames)[:, None, None]
        rows, columns = np.mgrid[:height, :width]
        distance = np.hypot(rows - height / 2, columns - width / 2 - 5 * np.sin(time / 4))
        return np.clip((height / 3 - distance) * 90 + 128, 0, 255).astype(np.uint8)
    return np.full(shape, 255 if kind == "full" else 0, dtype=np.uint8)


def _row(number: int, pixels: np.ndarray, codec: str, generator: np.random.Generator) -> dict:
    frames, height, width = pixels.shape
    gaps = generator.integers(1, 3 if number % 2 else 2, frames)
    index = np.cumsum(gaps)
    times = index / 25 if number % 3 else np.sort(generator.random(frames))
    return dict.fromkeys(SEQUENCES.names, "x") | {
        "sequence_id": f"p{number:04d}",
        "fps": 25.0,
        "frame_count": frames,
        "height_px": height,
        "width_px": width,
        "codec": codec,
        "frame_index": index.tolist(),
        "pts_s": times.tolist(),
        "quality_score": None if number % 5 else 0.25,
        "silhouettes": encode_silhouettes(pixels, codec, (1, 7)[number % 2]),
    }


def _assert_round_trip(sequences: list[np.ndarray], codec: str, directory, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = [_row(number, pixels, codec, generator) for number, pixels in enumerate(sequences)]
    table = pa.Table.from_pylist(rows, schema=SEQUENCES)
    (directory / "shard.parquet").write_bytes(encode_shard(table))
    (directory / "shard.tar").write_bytes(encode_tar(table))
    found = read_table(directory / "shard.parquet", SEQUENCES)
    assert found.equals(table)
    for row, pixels in zip(found.to_pylist(), sequences, strict=True):
        decoded = decode_silhouettes(row["silhouettes"], codec, pixels.shape)
        assert np.array_equal(decoded, pixels)
    for sample, row, pixels in zip(read_tar(directory / "shard.tar"), rows, sequences, strict=True):
        del row["silhouettes"]
        assert sample.fields == row
        assert np.array_equal(sample.silhouettes(), pixels)


def _sequences(shapes: list[tuple[int, int, int]], codec: str, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    drawn = [_draw(KINDS[n % len(KINDS)], shape, generator) for n, shape in enumerate(shapes)]
    return [binarise(pixels) for pixels in drawn] if codec == BITS else drawn


@pytest.mark.parametrize("codec", [BITS, GREY])
def test_a_few_random_sequences_come_back(tmp_path, codec):
    shapes = [(0, 64, 44), (1, 64, 44), (30, 64, 44), (9, 61, 37), (12, 64, 64), (5, 3, 2)]
    _assert_round_trip(_sequences(shapes, codec, 1), codec, tmp_path, 1)


@pytest.mark.slow  # ten thousand frames of every kind
@pytest.mark.parametrize("codec", [BITS, GREY])
@pytest.mark.parametrize("kind", KINDS)
def test_the_extremes_come_back(tmp_path, codec, kind):
    generator = np.random.default_rng(2)
    drawn = [_draw(kind, shape, generator) for shape in EXTREMES]
    sequences = [binarise(pixels) for pixels in drawn] if codec == BITS else drawn
    _assert_round_trip(sequences, codec, tmp_path, 2)


@pytest.mark.proof
@pytest.mark.parametrize("codec", [BITS, GREY])
def test_a_thousand_random_sequences_come_back(tmp_path, codec):
    generator = np.random.default_rng(3)
    shapes = [
        (int(generator.integers(0, 600)), 64, (44, 64, int(generator.integers(1, 80)))[n % 3])
        for n in range(1_000)
    ]
    for start in range(0, len(shapes), 50):
        part = shapes[start : start + 50]
        _assert_round_trip(_sequences(part, codec, start), codec, tmp_path, start)
